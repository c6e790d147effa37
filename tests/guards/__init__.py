"""Takes each guard of the design away, one at a time, and sees a named test fail."""
