"""The proof: keys that are read again on both sides."""
