"""The stream: changes, the conflict rule, watermarks, and the route that changes take."""
