"""Two models on the same labelled slices and the same prompts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..progress import ProgressCallback
from .evaluator import Evaluator
from .label_prompts import PROMPT_KINDS
from .protocol import EvaluationProtocol

_PROTOCOL = EvaluationProtocol()


def compare_models(
    model_path: str | os.PathLike,
    reference_path: str | os.PathLike,
    data: Sequence[str | os.PathLike] | None = None,
    prompts: Sequence[str] = tuple(PROMPT_KINDS),
    *,
    protocol: EvaluationProtocol = _PROTOCOL,
    threads: int | None = None,
    progress: ProgressCallback | None = None,
    conventions: str | None = None,
) -> dict[str, Any]:
    """Segment the same objects with two models and return the paired comparison as JSON-ready values.

    Arguments and errors are those of `Evaluator`, the model's as the reference's. The result holds `rows` (per
    modality and prompt) and `size_rows` (per tercile of size and prompt): means with 95 % bootstrap intervals over
    objects, each object's draws averaged first; `measurements`; the protocol; and the cases that could not be read.
    """
    evaluator = Evaluator(
        reference_path, data, prompts, protocol=protocol, threads=threads, progress=progress, conventions=conventions
    )
    return evaluator.compare(model_path, progress).report()
