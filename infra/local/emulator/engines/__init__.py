"""The engines that answer for AWS here, and what it takes to call them."""
