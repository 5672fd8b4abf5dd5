"""Data-free 4-bit SAM-Med2D: quantize a float checkpoint, then segment CT and MR volumes from prompts on a CPU.

Importing this package is light: the public names below load their rooms when they are first used.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._version import __version__
    from .runtime import SamPredictor, load_model

__all__ = ["SamPredictor", "__version__", "load_model"]

# onnxruntime, from 1.32 on, tells its makers how it is used, under an identity that it keeps in the user's home folder;
# only this stops it, and only before it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __getattr__(name: str) -> Any:
    if name in __all__:
        room = "._version" if name == "__version__" else ".runtime"
        return getattr(importlib.import_module(room, __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
