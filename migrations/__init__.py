"""The schema, step by step; run by `gateway migrate`. Each file holds its SQL as one constant."""
