"""What deploys a migration to AWS, by CDK: one stack from one settings file."""
