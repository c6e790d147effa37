"""The Lambda API, and the workers that run functions with AWS's own runtime interface client."""
