"""What a run will take and cost, before anything of it is begun."""
