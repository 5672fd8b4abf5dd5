"""SAM-Med2D's networks in torch."""

from .sam_med2d import SamMed2D

__all__ = ["SamMed2D"]
