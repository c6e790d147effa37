"""The backfill: pages into Kinesis, and what the target refused of them."""
