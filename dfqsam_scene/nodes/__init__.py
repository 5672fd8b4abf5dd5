"""Nodes of the scene: volumes, segments, markups, outlines, previews, views, the place mode."""
