"""What every call has: clients and their errors, its handler, time, tries, measures and traces."""
