"""The proof: digests, and what differs."""
