"""Writes the inference graph: one layer is integer where the file holds codes, float where it holds a weight."""
