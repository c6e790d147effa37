"""One run: settings, the plan that they become, and the course that its executions take."""
