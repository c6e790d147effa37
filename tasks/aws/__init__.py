"""All calls to AWS. Each module speaks to one thing; the decisions are in `tasks.core`."""
