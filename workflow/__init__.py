"""The operator's side: the state machine, and the command line that starts, watches and answers it."""
