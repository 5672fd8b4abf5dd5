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

    Parameters
    ----------
    model_path, reference_path
        A packed model or a float checkpoint each.
    data
        Folders with labelled images; None for the sample.
    prompts
        Kinds of prompts, of "box", "1pt", "3pt" and "5pt".
    protocol
        Which slices and objects, and how often clicks are drawn.
    threads
        Threads of one process; None for one on each physical core.
    progress
        Told each slice; may raise Cancelled.
    conventions
        "sam", "medsam" or "sam-med2d" for float checkpoints that do not tell; None for those that do.

    Returns
    -------
    dict
        `rows` (per modality and prompt) and `size_rows` (per tercile of size and prompt): means with 95 % bootstrap
        intervals over objects, each object's draws averaged first; `measurements`; the protocol; and the cases that
        could not be read.

    Raises
    ------
    DFQSAMError
        For a model or a folder that cannot be used, and for a kind of prompt that there is not.
    """
    evaluator = Evaluator(
        reference_path, data, prompts, protocol=protocol, threads=threads, progress=progress, conventions=conventions
    )
    return evaluator.compare(model_path, progress).report()
