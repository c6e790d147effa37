"""The copiers that are compared, each a process that copies once, and says in a line of JSON what that took."""
