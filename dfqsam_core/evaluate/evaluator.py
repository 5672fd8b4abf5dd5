"""One set of labelled slices, one reference, and any number of models in the same trials."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import DFQSAMError
from ..progress import ProgressCallback, report
from ..resources import resource_path
from ..runtime import SamPredictor, load_model
from ..runtime.predictor import Predictor
from ..store.model_checks import check_reference
from .activity import check_quantizers
from .cases import Case, find_cases
from .dataset import LabelledSlice, Sampling, load_slices
from .ellipse import inscribed_ellipse
from .label_prompts import PROMPT_KINDS, check_kinds, parse_prompt_kinds, tight_box
from .metrics import dice
from .protocol import EvaluationProtocol
from .scores import Measurement, Scores, score
from .summary import size_bounds, summarize, summarize_sizes
from .trials import Trial, run_trials

_PROTOCOL = EvaluationProtocol()


class Evaluator:
    """Labelled slices with the reference's answers, which are computed once and serve every comparison.

    slices: what is segmented. skipped: cases that could not be read, with the reason.
    """

    def __init__(
        self,
        reference_path: str | os.PathLike,
        data: Sequence[str | os.PathLike] | None = None,
        prompts: Sequence[str] = tuple(PROMPT_KINDS),
        *,
        protocol: EvaluationProtocol = _PROTOCOL,
        threads: int | None = None,
        progress: ProgressCallback | None = None,
        conventions: str | None = None,
    ) -> None:
        """reference_path: packed model or float checkpoint; conventions: of this and of all models, as `load_model`.

        data: folders as `find_cases` searches them; None is the embedded sample. prompts: of "box" (tight box of the
        label), "1pt" (one random pixel of it), "3pt" and "5pt" (two or four corrections more, each model correcting its
        own answer).
        Raises DFQSAMError for unusable files, prompts that are unknown or that the reference was not trained with, or
        data without a single object to measure, and CheckFailed when a quantizer of a packed reference is off.
        """
        self.kinds, self.protocol, self.threads = parse_prompt_kinds(",".join(prompts)), protocol, threads
        self.conventions = conventions
        self._reference_file = _file(reference_path) | {"quantizers": check_quantizers(reference_path)}
        self._data = ["embedded sample"] if data is None else [str(folder) for folder in data]
        self.slices, self.skipped = load_labelled(data, protocol.sampling, progress)
        self.reference = self._predictor(reference_path)
        check_kinds(self.kinds, self.reference.model.conventions)
        self._expected = [self._expect(*answered) for answered in self._answers(self.reference, "reference", progress)]

    def compare(self, model_path: str | os.PathLike, progress: ProgressCallback | None = None) -> Comparison:
        """Ask a model everything that the reference was asked.

        Raises DFQSAMError for an unusable file and for one made from the reference with other conventions than that is
        run by, CheckFailed when one of its quantizers is off.
        """
        file = _file(model_path) | {"quantizers": check_quantizers(model_path)}
        model = self._predictor(model_path)
        check_reference(model.model.card, self.reference.model.digest, self.reference.model.conventions)
        check_kinds(self.kinds, model.model.conventions)
        answers = self._answers(model, "verify", progress)
        found = [
            self._measure(trial, answer, expected)
            for (trial, answer), expected in zip(answers, self._expected, strict=True)
        ]
        return Comparison(self, model, file, found)

    def report(self, file: dict[str, Any], measurements: list[Measurement]) -> dict[str, Any]:
        """The comparison of one model as JSON-ready values."""
        bounds = size_bounds(measurements)
        return {
            "model": file,
            "reference": self._reference_file,
            "data": self._data,
            "protocol": asdict(self.protocol.sampling)
            | {"prompts": list(self.kinds), "slices": len(self.slices), "draws": self.protocol.draws}
            | {"surface_tolerance": self.protocol.tolerance}
            | {"size_bounds_in_pixels_of_256": [round(256**2 * bound) for bound in bounds]},
            "rows": summarize(measurements),
            "size_rows": summarize_sizes(measurements, bounds),
            "skipped": self.skipped,
            "measurements": [asdict(measurement) for measurement in measurements],
        }

    def _predictor(self, path: str | os.PathLike) -> SamPredictor:
        model = load_model(path, threads=self.threads, side_by_side=True, conventions=self.conventions)
        return SamPredictor(model)

    def _answers(self, predictor: Predictor, stage: str, progress: ProgressCallback | None) -> Any:
        draws, seed = self.protocol.draws, self.protocol.sampling.seed
        return run_trials(predictor, self.slices, self.kinds, draws, seed, stage, progress)

    def _score(self, answer: np.ndarray, trial: Trial) -> Scores:
        return score(answer, trial.target, self.protocol.tolerance, trial.slice.spacing_mm)

    def _expect(self, trial: Trial, answer: np.ndarray) -> _Expected:
        ellipse = inscribed_ellipse(tight_box(trial.target), trial.target.shape)
        return _Expected(np.packbits(answer), self._score(answer, trial), self._score(ellipse, trial))

    def _measure(self, trial: Trial, answer: np.ndarray, expected: _Expected) -> Measurement:
        target, slice_ = trial.target, trial.slice
        reference = np.unpackbits(expected.answer, count=target.size).reshape(target.shape).astype(bool)
        pixels = int(np.count_nonzero(target))
        return Measurement(
            case=slice_.case,
            modality=slice_.modality,
            slice_index=slice_.index,
            name=trial.name,
            pixels=pixels,
            share=pixels / target.size,
            prompt=trial.kind,
            draw=trial.draw,
            model=self._score(answer, trial),
            reference=expected.reference,
            ellipse=expected.ellipse,
            agreement=dice(answer, reference),
        )


class _Expected(NamedTuple):
    """The reference's answer, one bit a pixel, with its scores and those of the ellipse."""

    answer: np.ndarray
    reference: Scores
    ellipse: Scores


class Comparison(NamedTuple):
    """A model's measurements, in the order of the trials."""

    evaluator: Evaluator
    model: Predictor
    file: dict[str, Any]
    measurements: list[Measurement]

    def report(self) -> dict[str, Any]:
        """The comparison as JSON-ready values."""
        return self.evaluator.report(self.file, self.measurements)


def cases_of(data: Sequence[str | os.PathLike] | None) -> list[Case]:
    """The images with labels of the folders `data`, None for the embedded sample; errors are those of `find_cases`."""
    sample = resource_path("SampleData/prompts.json").parent
    return find_cases(*([sample] if data is None else map(Path, data)))


def load_labelled(
    data: Sequence[str | os.PathLike] | None, sampling: Sampling, progress: ProgressCallback | None = None
) -> tuple[list[LabelledSlice], list[dict[str, str]]]:
    """All slices of all cases of the folders `data`; a case that cannot be read is listed with its reason instead.

    data: as `Evaluator` takes it. Raises DFQSAMError where there is not a single object to measure.
    """
    slices: list[LabelledSlice] = []
    skipped: list[dict[str, str]] = []
    cases = cases_of(data)
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
            f"(of a slice brought to 256 x 256).{reason}"
        )
    return slices, skipped


def _file(path: str | os.PathLike) -> dict[str, Any]:
    file = Path(path)
    # A missing file is refused by whoever reads it, in its own words.
    return {"file": file.name, "bytes": file.stat().st_size if file.is_file() else 0}
