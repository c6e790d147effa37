"""Event source mappings, to the semantics that the Lambda guide documents."""
