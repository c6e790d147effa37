"""The books that a migration keeps: a class for each in the control table, and rejects in the bucket."""
