"""The Model panel: models on this computer, quantizing, comparing. Needs Slicer's Qt; the jobs themselves do not."""

from .panel import ModelPanel

__all__ = ["ModelPanel"]
