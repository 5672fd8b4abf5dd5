"""Two models on the same labelled slices and the same prompts: paired overlap with the labels and with each other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DFQSAMError
from ..progress import ProgressCallback, report
from ..resources import resource_path
from .activity import check_quantizers
from .cases import find_cases
from .dataset import LabelledSlice, Sampling, load_slices
from .ellipse import inscribed_ellipse
from .metrics import dice
from .prompts import PROMPT_KINDS, Predictor, parse_prompt_kinds, tight_box
from .summary import summarize


@dataclass(frozen=True)
class Measurement:
    """One object, one kind of prompt: Dice (0..1) of each answer with the label, and of the two models' answers.

    pixels: size of the object on its own slice. ellipse: Dice of the ellipse in the label's box, which needs no model.
    """

    case: str
    modality: str
    slice_index: int
    name: str
    pixels: int
    prompt: str
    model: float
    reference: float
    agreement: float
    ellipse: float


def compare_models(
    model_path: str | os.PathLike,
    reference_path: str | os.PathLike,
    data: Sequence[str | os.PathLike] | None = None,
    prompts: Sequence[str] = tuple(PROMPT_KINDS),
    *,
    sampling: Sampling | None = None,
    threads: int | None = None,
    progress: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Segment the same objects with two models and return the paired comparison as JSON-ready values.

    model_path, reference_path: packed models or float checkpoints. data: folders as `find_cases` searches them; None is
    the embedded sample. prompts: of "box" (tight box of the label), "1pt" (one random pixel of it), "3pt" and "5pt"
    (two or four corrections more, each model correcting its own answer). Random choices depend on sampling.seed alone.
    The result holds `rows` (per modality and prompt: means with 95 % bootstrap intervals over objects),
    `measurements`, the protocol, and the cases that could not be read with the reason.
    Raises DFQSAMError for unusable files, unknown prompts, or data without a single object to measure, and CheckFailed
    when a quantizer of a packed model is off.
    """
    from ..runtime import SamPredictor, load_model

    kinds, sampling = parse_prompt_kinds(",".join(prompts)), sampling or Sampling()
    folders = [resource_path("SampleData/prompts.json").parent] if data is None else [Path(folder) for folder in data]
    quantizers = [check_quantizers(path) for path in (model_path, reference_path)]
    slices, skipped = _load_all(folders, sampling, progress)
    predictors = [SamPredictor(load_model(path, threads=threads)) for path in (model_path, reference_path)]
    measurements: list[Measurement] = []
    for done, slice_ in enumerate(slices):
        report(progress, "verify", done, len(slices), slice_.case)
        measurements += _measure(slice_, predictors[0], predictors[1], kinds, sampling.seed)
    report(progress, "verify", len(slices), len(slices))
    return {
        "model": _file(model_path) | {"quantizers": quantizers[0]},
        "reference": _file(reference_path) | {"quantizers": quantizers[1]},
        "data": ["embedded sample"] if data is None else [str(folder) for folder in folders],
        "protocol": asdict(sampling) | {"prompts": list(kinds), "slices": len(slices)},
        "rows": summarize(measurements),
        "skipped": skipped,
        "measurements": [asdict(measurement) for measurement in measurements],
    }


def _load_all(
    folders: Sequence[Path], sampling: Sampling, progress: ProgressCallback | None
) -> tuple[list[LabelledSlice], list[dict[str, str]]]:
    """All slices of all cases; a case that cannot be read is listed with its reason instead."""
    slices: list[LabelledSlice] = []
    skipped: list[dict[str, str]] = []
    cases = [case for folder in folders for case in find_cases(folder)]
    for done, case in enumerate(cases):
        report(progress, "read", done, len(cases), case.name)
        try:
            slices += load_slices(case, sampling)
        except DFQSAMError as error:
            skipped.append({"case": case.name, "reason": str(error)})
    report(progress, "read", len(cases), len(cases))
    if not slices:
        reason = f" The first of {len(skipped)} unreadable cases: {skipped[0]['reason']}" if skipped else ""
        raise DFQSAMError(
            f"{len(cases)} images with labels hold no object of {sampling.min_pixels} pixels or more "
            f"(on the 256 x 256 square that the network sees).{reason}"
        )
    return slices, skipped


def _measure(
    slice_: LabelledSlice, model: Predictor, reference: Predictor, kinds: Sequence[str], seed: int
) -> Iterator[Measurement]:
    model.set_image(slice_.image)
    reference.set_image(slice_.image)
    for number, (name, target) in enumerate(slice_.masks.items()):
        ellipse = dice(inscribed_ellipse(tight_box(target), target.shape), target)
        for kind in kinds:
            # One stream for both models and all kinds: "3pt" and "5pt" begin with the point of "1pt".
            streams = [np.random.default_rng([seed, slice_.index, number]) for _ in range(2)]
            ours = PROMPT_KINDS[kind](model, target, streams[0])
            theirs = PROMPT_KINDS[kind](reference, target, streams[1])
            yield Measurement(
                slice_.case,
                slice_.modality,
                slice_.index,
                name,
                int(np.count_nonzero(target)),
                kind,
                dice(ours, target),
                dice(theirs, target),
                dice(ours, theirs),
                ellipse,
            )


def _file(path: str | os.PathLike) -> dict[str, Any]:
    return {"file": Path(path).name, "bytes": Path(path).stat().st_size}
