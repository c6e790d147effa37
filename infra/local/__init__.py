"""AWS on this machine (`emulator`), and our own use of it (`rehearsal`)."""
