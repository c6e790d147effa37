"""Judges the tables after a migration by the journal of the application that owns them."""
