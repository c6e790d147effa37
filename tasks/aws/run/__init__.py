"""One run: the facts it begins with, its executions, where its segments stand, and the pointer that it flips."""
