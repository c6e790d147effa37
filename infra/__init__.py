"""Where it runs: on AWS, and on this machine."""
