"""Global-table replicas, to the behaviour of version 2019.11.21."""
