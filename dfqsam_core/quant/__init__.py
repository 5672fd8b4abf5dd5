"""DFQ-SAM: data-free 4-bit quantization of SAM-Med2D. Settings and estimates need no torch, `quantize` does."""

from .config import CalibrationConfig, QuantConfig, SynthesisConfig
from .estimate import estimate

try:
    from .quantize import quantize
except ModuleNotFoundError as error:
    # Where these are missing, importing `quantize` from here says so again.
    if error.name not in ("torch", "segment_anything"):
        raise

__all__ = ["CalibrationConfig", "QuantConfig", "SynthesisConfig", "estimate", "quantize"]
