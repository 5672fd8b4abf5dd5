"""A whole volume from a prompts file: the same session that a person drives, run from start to end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..progress import ProgressCallback, report
from ..runtime.embedding_cache import EmbeddingCache
from .prompts import SegmentPrompts
from .session import VolumeSession
from .slice_predictor import Predictor
from .slices import SliceFrame, SliceKey
from .volume import Volume
from .window import WindowLevel


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """labels_kji: (K, J, I) uint16 on the volume's grid. report: what was done, ready for JSON."""

    labels_kji: np.ndarray
    report: dict[str, Any]


def segment_volume(
    volume: Volume,
    prompts: Sequence[SegmentPrompts],
    model: Any,
    window: str | WindowLevel = "auto",
    progress: ProgressCallback | None = None,
    *,
    cache: EmbeddingCache | None = None,
    predictor: Predictor | None = None,
) -> SegmentationResult:
    """Segment every prompted slice of `volume`; each segment takes one prediction per slice.

    window, cache, predictor: as in VolumeSession. Raises PromptError for prompts that do not fit the volume.
    """
    started = time.perf_counter()
    session = VolumeSession(volume, model, window, cache=cache, predictor=predictor)
    tasks = [(segment, key, given) for segment in prompts for key, given in segment.by_slice().items()]
    for segment in prompts:
        session.add_segment(segment.label, segment.name, segment.overwrite)
    slices = []
    for done, (segment, key, given) in enumerate(tasks):
        report(progress, "segment", done, len(tasks), f"{segment.name}: slice {key.axis} {key.index}")
        slice_started = time.perf_counter()
        session.set_prompts(segment.label, key, given)
        slices.append(_slice_report(session, segment, key, time.perf_counter() - slice_started))
    report(progress, "segment", len(tasks), len(tasks))
    return SegmentationResult(session.labels_kji, _report(session, model, slices, time.perf_counter() - started))


def _slice_report(session: VolumeSession, segment: SegmentPrompts, key: SliceKey, seconds: float) -> dict[str, Any]:
    prediction = session.prediction(segment.label, key)
    row_mm, column_mm = SliceFrame.of(session.volume.geometry, key.axis).spacing_mm
    pixels = int(np.count_nonzero(session.mask(segment.label, key)))
    return {
        "segment": segment.name,
        "label": segment.label,
        "axis": key.axis,
        "slice": key.index,
        "prompts": len(session.prompts(segment.label, key)),
        "predicted_iou": round(prediction.chosen_iou, 4) if prediction else None,
        "area_mm2": round(pixels * row_mm * column_mm, 3),
        "seconds": round(seconds, 4),
    }


def _report(session: VolumeSession, model: Any, slices: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    geometry, window = session.volume.geometry, session.window
    labels, counts = np.unique(session.labels_kji, return_counts=True)
    voxels = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    return {
        "volume": {
            "source": session.volume.source,
            "shape_ijk": list(geometry.shape_ijk),
            "spacing_mm": [round(value, 6) for value in geometry.spacing_mm],
            "orientation": geometry.orientation,
            "modality": session.volume.modality,
        },
        "window": {"width": window.width, "level": window.level, "source": window.source},
        "model_digest": model.digest,
        "segments": [
            {"name": segment.name, "label": segment.label, "voxels": voxels.get(segment.label, 0)}
            for segment in session.segments
        ],
        "slices": slices,
        "encodings": session.slices.encodings,
        "seconds": round(seconds, 4),
    }
