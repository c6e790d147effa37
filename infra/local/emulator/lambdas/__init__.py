"""The functions of the local Lambda, and the workers that run them with AWS's own runtime interface client."""
