"""The demonstration: a real table under live writes moves, and an independent comparer judges the result."""
