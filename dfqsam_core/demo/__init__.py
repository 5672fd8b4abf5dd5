"""The main job on embedded files: quantize without data, segment, draw."""
