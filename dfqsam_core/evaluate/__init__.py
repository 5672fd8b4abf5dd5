"""Measures models: paired agreement of two models with labelled slices, per kind of prompt. Torch-free."""

from .cases import Case, find_cases
from .compare import compare_models
from .dataset import LabelledSlice, Sampling, load_slices
from .evaluator import Comparison, Evaluator
from .metrics import dice, iou
from .protocol import EvaluationProtocol
from .scores import Measurement, Scores
from .summary import check_drop
from .surface import surface_dice

__all__ = [
    "Case",
    "Comparison",
    "EvaluationProtocol",
    "Evaluator",
    "LabelledSlice",
    "Measurement",
    "Sampling",
    "Scores",
    "check_drop",
    "compare_models",
    "dice",
    "find_cases",
    "iou",
    "load_slices",
    "surface_dice",
]
