"""What tables and shards take at most: a world with capacity, where one is asked for."""
