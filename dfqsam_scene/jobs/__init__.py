"""Work beside the main thread: the worker, writing in pieces, child processes."""
