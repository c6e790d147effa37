"""Tables: their descriptions, their items read, and writes into the target."""
