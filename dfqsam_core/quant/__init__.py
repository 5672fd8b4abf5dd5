"""DFQ-SAM: data-free 4-bit quantization of SAM-Med2D. Only `quantize` needs torch, which it then loads."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .config import CalibrationConfig, QuantConfig, SynthesisConfig
from .estimate import estimate

if TYPE_CHECKING:
    from .pipeline import quantize

__all__ = ["CalibrationConfig", "QuantConfig", "SynthesisConfig", "estimate", "quantize"]


def __getattr__(name: str) -> Any:
    if name == "quantize":
        return importlib.import_module(".pipeline", __name__).quantize
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
