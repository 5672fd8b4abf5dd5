"""The steps of a person who makes a model: start, cancel, resume, and compare; all work is in processes of its own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from .timing import Doing, Skipped

# The least that has a state to go on from: `fast` with fewer images, for a walk of minutes.
_IMAGES, _ITERATIONS = 2, 40


def quantize_and_cancel(walk: Any) -> Doing:
    """Quantize the checkpoint with recipe fast, and cancel when there is a state to go on from."""
    from dfqsam_scene.jobs.quantization import QuantizationJob, QuantizationSettings, can_resume

    from .. import torch_dependency

    if packages := torch_dependency.missing():
        names = ", ".join(package.text for package in packages)
        raise Skipped(f"Quantizing needs {names}, which are not installed; segmenting does not.")
    settings = QuantizationSettings(
        str(walk.checkpoint),
        str(walk.folder / "verification-w4a4.safetensors"),
        "fast",
        images=_IMAGES,
        iterations=_ITERATIONS,
    )
    job = walk.job = QuantizationJob.start(settings, walk.folder / "quantizations")
    yield lambda: _polled(job) != "running" or can_resume(job.folder)
    job.cancel()
    yield lambda: _polled(job) != "running"
    assert job.state == "cancelled", f"It was not cancelled but {job.state}. {job.message}"
    assert not Path(settings.output).exists(), "A cancelled quantization left a model."
    walk.take_file(job.newest_picture(), "A synthetic image that is being made, and its labels; no patient is in it")
    return job.message


def resume(walk: Any) -> Doing:
    """Go on with it to the end."""
    from dfqsam_scene.jobs.quantization import QuantizationJob

    if walk.job is None:
        raise Skipped("There is no quantization to resume.")
    job = walk.job = QuantizationJob.resume(walk.job.folder)
    yield lambda: _polled(job) != "running"
    assert job.state == "done", f"{job.state}: {job.message}"
    walk.model_path = Path(job.settings.output)
    digest = hashlib.sha256(walk.model_path.read_bytes()).hexdigest()
    assert digest == job.report["output"]["sha256"], "The model is another file than the report says."
    return f"{job.message.rsplit('/', 1)[-1]}; SHA-256 {digest[:12]}"


def compare(walk: Any) -> Doing:
    """Compare the new model with the float one on what was segmented."""
    from dfqsam_scene.jobs.comparison import ComparisonJob

    workspace = walk.room.workspace
    if walk.model_path is None or workspace is None:
        raise Skipped("There is no new model, or no segmentation, to compare.")
    job = walk.job = ComparisonJob(
        workspace.session.volume,
        workspace.segments,
        walk.model_path,
        walk.checkpoint,
        walk.room.worker,
    )
    yield lambda: _polled(job) != "running"
    assert job.state == "done", f"{job.state}: {job.message}"
    assert job.rows, "The comparison has no rows."
    return f"{len(job.rows)} rows. {job.message}".strip()


def _polled(job: Any) -> str:
    job.poll()
    return str(job.state)
