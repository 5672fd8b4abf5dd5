"""DFQ-SAM: data-free 4-bit quantization of SAM-Med2D."""

from .config import CalibrationConfig, QuantConfig, SynthesisConfig
from .estimate import estimate
from .quantize import quantize

__all__ = ["CalibrationConfig", "QuantConfig", "SynthesisConfig", "estimate", "quantize"]
