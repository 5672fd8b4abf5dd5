"""The main job from end to end on what the package carries: quantize without data, segment a real CT, compare."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..base.outputs import atomic_output, refuse_overwrite
from ..progress import ProgressCallback
from ..resources import DEMO_CHECKPOINT, DEMO_LABELS, DEMO_MODEL, DEMO_PROMPTS, DEMO_VOLUME, resource_path
from ..runtime import load_model
from ..volume import (
    SegmentPrompts,
    SliceFrame,
    Volume,
    auto_window,
    read_prompts,
    read_volume,
    write_label_map,
)
from ..volume.batch.segment_file import SegmentFiles, segment_file
from ..volume.prompts import Propagation
from ..volume.segment import segment_volume
from .answer import Answer

MODEL, LABELS, FLOAT_LABELS = Path(DEMO_MODEL).name, "labels.nii.gz", "labels_float.nii.gz"
SEGMENTS = "labels.seg.nrrd"
OVERLAY, REPORT, REPORT_TEXT = "overlay.png", "report.json", "report.md"


def run_demo(
    output: Path, *, threads: int | None = None, force: bool = False, progress: ProgressCallback | None = None
) -> dict[str, Any]:
    """Quantize the embedded model with the recipe "fast"; segment the embedded CT slab with it and its float original.

    output: folder, made where it is missing; gets the packed model, both label maps of the prompted slices, the packed
    one's whole organs with names (.seg.nrrd), overlay.png and report.json.
    Returns the report. Raises OutputError when a file exists (unless `force`), DFQSAMError when an embedded file is
    missing, ModuleNotFoundError without the extra "quantize".
    """
    from ..quant import QuantConfig, quantize
    from .picture import draw_overlay

    output.mkdir(parents=True, exist_ok=True)
    for name in (MODEL, LABELS, SEGMENTS, FLOAT_LABELS, OVERLAY, REPORT, REPORT_TEXT):
        refuse_overwrite(output / name, force)
    checkpoint, packed = resource_path(DEMO_CHECKPOINT), output / MODEL
    started = time.perf_counter()
    quantize(checkpoint, packed, QuantConfig.from_recipe("fast"), threads=threads, force=force, progress=progress)
    seconds = {"quantize": time.perf_counter() - started}
    volume = read_volume(resource_path(DEMO_VOLUME))
    prompts = read_prompts(resource_path(DEMO_PROMPTS), volume.geometry)
    labels_kji = {}
    for name, model, target in (("float", checkpoint, FLOAT_LABELS), ("packed", packed, LABELS)):
        files = SegmentFiles(resource_path(DEMO_VOLUME), resource_path(DEMO_PROMPTS), output / target)
        result = segment_file(files, partial(load_model, model, threads), force=force, progress=progress)
        labels_kji[name], seconds[f"segment_{name}"] = result.labels_kji, result.report["seconds"]
    names = {segment.label: segment.name for segment in prompts}
    organs = segment_volume(volume, [_through(segment, volume) for segment in prompts], load_model(packed, threads))
    write_label_map(output / SEGMENTS, organs.labels_kji, volume, names, force)
    answers = list(_answers(volume, prompts, labels_kji["float"], labels_kji["packed"]))
    with atomic_output(output / OVERLAY, force) as temporary:
        draw_overlay(answers, temporary)
    return _report(checkpoint, packed, seconds, answers)


def _through(segment: SegmentPrompts, volume: Volume) -> SegmentPrompts:
    """The same prompts, carried through the volume: an organ, where they alone give one slice of it."""
    axis = segment.prompts[0].slice.axis
    return replace(segment, propagation=Propagation(0, volume.geometry.size_along(axis) - 1, axis))


def _answers(
    volume: Volume, prompts: tuple[SegmentPrompts, ...], float_kji: np.ndarray, packed_kji: np.ndarray
) -> Iterator[Answer]:
    truth = read_volume(resource_path(DEMO_LABELS)).voxels_kji
    window = auto_window(volume.voxels_kji, volume.modality)
    for segment in prompts:
        for key in segment.by_slice():
            frame = SliceFrame.of(volume.geometry, key.axis)
            masks = (frame.view(labels, key.index) == segment.label for labels in (truth, float_kji, packed_kji))
            yield Answer(segment, key, frame, window.apply(frame.view(volume.voxels_kji, key.index)), *masks)


def _report(checkpoint: Path, packed: Path, seconds: dict[str, float], answers: list[Answer]) -> dict[str, Any]:
    sizes = {"float_checkpoint": checkpoint.stat().st_size, "packed": packed.stat().st_size}
    return {
        "what": "embedded demonstration model, quantized without data (recipe fast, seed 0): image encoder with packed "
        "4-bit weights and integer arithmetic, mask decoder computed in float",
        "caution": "The demonstration model was trained on slices of this very scan: the Dice values show that the "
        "software works, not how accurate it is on other patients. Research use only.",
        "bytes": sizes,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "organs": [answer.scores() for answer in answers],
    }
