"""The version, in a file of its own, so that a model card needs nothing else of the package."""

__version__ = "0.2.0"
