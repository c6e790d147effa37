"""One run: the plan that settings become, its risks, and the course that its executions take."""
