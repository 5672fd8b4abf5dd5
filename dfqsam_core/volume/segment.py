"""A whole volume from a prompts file: the same session that a person drives, run from start to end."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..progress import NOTE, ProgressCallback, report
from ..runtime.embedding_cache import EmbeddingCache
from .prompts import SegmentPrompts
from .session.label_layers import Segment
from .session.mask_input import kinds_of
from .session.propagation import PropagationConfig, ThoroughCost, propagate
from .session.session import Place, VolumeSession
from .session.slice_predictor import Predictor
from .slices import SliceFrame, SliceKey
from .volume import Volume
from .window import WindowLevel, auto_window


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """A label map and how it was made.

    Parameters
    ----------
    labels_kji
        (K, J, I) uint16 on the volume's grid.
    report
        What was done, ready for JSON.
    """

    labels_kji: np.ndarray
    report: dict[str, Any]

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was read or changed unexpectedly, of the volume, the model and corrections."""
        return (*self.report["volume"]["notes"], *self.report["model_notes"], *self.report["correction_notes"])


def segment_volume(
    volume: Volume,
    prompts: Sequence[SegmentPrompts],
    model: Any,
    window: WindowLevel | None = None,
    progress: ProgressCallback | None = None,
    *,
    cache: EmbeddingCache | None = None,
    predictor: Predictor | None = None,
    propagation: PropagationConfig | None = None,
) -> SegmentationResult:
    """Segment every prompted slice of a volume, then propagate what asks for it, then give it its corrections.

    All prompts of one segment on one slice make one prediction.

    Parameters
    ----------
    volume
        Read, never written.
    prompts
        As `read_prompts` gives them.
    model
        As `load_model` gives it.
    window
        None for the one that `auto_window` chooses.
    progress
        Told each slice; may raise Cancelled.
    cache, predictor
        As in VolumeSession.
    propagation
        How masks are carried on.

    Returns
    -------
    SegmentationResult
        The label map (K, J, I) uint16 on the volume's grid, and a report that is ready for JSON.

    Raises
    ------
    PromptError
        For prompts that do not fit the volume, and for such as the model was not trained with.
    """
    started = time.perf_counter()
    window = window or auto_window(volume.voxels_kji, volume.modality)
    session = VolumeSession(volume, model, window, cache=cache, predictor=predictor)
    # Before slices take their time.
    given_by_all = [prompt for segment in prompts for prompt in segment.prompts + segment.corrections]
    session.slices.conventions.check_prompts(kinds_of(given_by_all))
    tasks = [(segment, key, given) for segment in prompts for key, given in segment.by_slice().items()]
    for segment in prompts:
        session.add_segment(segment.label, segment.name, segment.overwrite)
        if segment.extent is not None:
            session.extents.put(segment.label, segment.extent)
    seconds: dict[Place, float] = {}
    with session.slices.ahead([key for _, key, _ in tasks]):
        for done, (segment, key, given) in enumerate(tasks):
            report(progress, "segment", done, len(tasks), f"{segment.name}: slice {key.axis} {key.index}")
            slice_started = time.perf_counter()
            session.set_prompts(segment.label, key, given)
            seconds[segment.label, key] = time.perf_counter() - slice_started
    report(progress, "segment", len(tasks), len(tasks))
    per_slice = math.fsum(seconds.values()) / max(len(seconds), 1)
    carried = {segment.label: _propagate(session, segment, propagation, per_slice, progress) for segment in prompts}
    notes = [note for segment in prompts for note in _correct(session, segment)]
    result = _report(session, model, seconds, carried) | {"correction_notes": notes}
    return SegmentationResult(session.labels_kji, result | {"seconds": round(time.perf_counter() - started, 4)})


def _propagate(
    session: VolumeSession,
    segment: SegmentPrompts,
    config: PropagationConfig | None,
    seconds_a_slice: float,
    progress: ProgressCallback | None,
) -> dict[str, Any] | None:
    """Carry a segment where it asks for that; what the report says of it."""
    if segment.propagation is None:
        return None
    asked, config = segment.propagation, config or PropagationConfig()
    config = replace(config, thorough=config.thorough or asked.thorough)
    cost = {}
    if config.thorough:
        found = ThoroughCost.of(session, segment.label, asked.axis)
        cost = {"thorough": found.sentence(seconds_a_slice)}
        report(progress, NOTE, 0, 0, cost["thorough"])
    result = propagate(session, segment.label, asked.axis, asked.first, asked.last, config, progress)
    return {"stops": [asdict(stop) for stop in result.stops], "next_prompt": result.next_prompt} | cost


def _correct(session: VolumeSession, segment: SegmentPrompts) -> list[str]:
    """Give a segment its corrections; returns what is to be said of them."""
    notes = [session.add_prompt(segment.label, prompt).note for prompt in segment.corrections]
    return [f"{segment.name}: {note}" for note in notes if note]


def _slice_report(session: VolumeSession, segment: Segment, key: SliceKey, seconds: float | None) -> dict[str, Any]:
    prediction = session.prediction(segment.label, key)
    row_mm, column_mm = SliceFrame.of(session.volume.geometry, key.axis).spacing_mm
    pixels = int(np.count_nonzero(session.mask(segment.label, key)))
    predicted_iou = prediction.chosen_iou if prediction else math.nan
    return {
        "segment": segment.name,
        "label": segment.label,
        "axis": key.axis,
        "slice": key.index,
        "prompts": len(session.prompts(segment.label, key)),
        "predicted_iou": None if math.isnan(predicted_iou) else round(predicted_iou, 4),
        "area_mm2": round(pixels * row_mm * column_mm, 3),
        "seconds": None if seconds is None else round(seconds, 4),
    }


def _voxel_counts(labels_kji: np.ndarray) -> Counter[int]:
    """Voxels of each label; plane by plane, for a sorted copy would lie beside the volume."""
    counts: Counter[int] = Counter()
    for plane in labels_kji:
        labels, found = np.unique(plane, return_counts=True)
        counts.update(dict(zip(labels.tolist(), found.tolist(), strict=True)))
    return counts


def _report(
    session: VolumeSession,
    model: Any,
    seconds: dict[Place, float],
    carried: dict[int, dict[str, Any] | None],
) -> dict[str, Any]:
    geometry, window = session.volume.geometry, session.window
    voxels = _voxel_counts(session.labels_kji)
    slices = [
        _slice_report(session, segment, key, seconds.get((segment.label, key)))
        for segment in session.segments
        for key in session.slices_of(segment.label)
    ]
    return {
        "volume": {
            "source": session.volume.source,
            "shape_ijk": list(geometry.shape_ijk),
            "spacing_mm": [round(value, 6) for value in geometry.spacing_mm],
            "orientation": geometry.orientation,
            "modality": session.volume.modality,
            "notes": list(session.volume.notes),
            "passed_over": list(session.volume.passed_over),
        },
        "window": {"width": window.width, "level": window.level, "source": window.source},
        "model_digest": model.digest,
        "engine": model.engine,
        # What a slice became before the model saw it: fine-tunes keep the size that they were trained at.
        "image_size": model.image_size,
        "conventions": session.slices.conventions.name,
        "model_notes": list(getattr(model, "notes", ())),
        "segments": [
            {"name": segment.name, "label": segment.label, "voxels": voxels[segment.label]}
            | ({"propagation": found} if (found := carried[segment.label]) else {})
            for segment in session.segments
        ],
        "slices": slices,
        "encodings": session.slices.encodings,
    }
