"""The stream: its shards and tips, mappings, moments, and late changes."""
