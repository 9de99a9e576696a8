"""The same callbacks and orders as others would handle them, on the same tables, for comparison."""
