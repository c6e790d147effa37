"""What a call is asked for by IAM: action, resource and context keys, service by service."""
