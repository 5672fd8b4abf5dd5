"""A table of volumes, row by row."""
