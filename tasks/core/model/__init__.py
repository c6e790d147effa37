"""What the data is: items, tables and their keys, the shape that items have at the target."""
