"""Runs the graph: onnxruntime, OpenVINO where it is faster, and what a start reads instead of computing."""
