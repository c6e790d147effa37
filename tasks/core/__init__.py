"""What the migration decides, as pure functions: no boto3, no environment, no clock; all three are arguments."""
