"""The backfill: segments, the pages that their items travel in, receipts, and what was refused."""
