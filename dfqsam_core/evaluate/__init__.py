"""Measures models: paired Dice of two models on labelled slices, per kind of prompt. Torch-free."""

from .cases import Case, find_cases
from .compare import compare_models
from .dataset import LabelledSlice, Sampling, load_slices
from .metrics import dice, iou
from .summary import check_drop

__all__ = [
    "Case",
    "LabelledSlice",
    "Sampling",
    "check_drop",
    "compare_models",
    "dice",
    "find_cases",
    "iou",
    "load_slices",
]
