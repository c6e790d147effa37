"""What an owner and an operator may set: the migration's settings, and the caps that hold while it runs."""
