"""A quantization in words: its stage and time left, its estimate, and what it is of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from .quantization import QuantizationJob, QuantizationSettings
from .time_left import in_words


def job_text(settings: QuantizationSettings) -> str:
    """Which quantization it is."""
    return f"{Path(settings.output).name} ({settings.recipe}, {settings.bits} bit, seed {settings.seed})"


def estimate_text(estimated: dict[str, Any]) -> str:
    """Return what `dfqsam quantize --dry-run` reports, in two lines."""
    sizes, seconds = estimated["bytes"], estimated["estimated_seconds"]
    codes = sum(size for part, size in sizes.items() if part.endswith("_codes"))
    return "\n".join(
        [
            _(
                "{name}: {before:.1f} MB in float32, weight codes {after:.1f} MB; scales and float parts come on top."
            ).format(name=estimated["architecture"], before=sizes["float32_checkpoint"] / 1e6, after=codes / 1e6),
            _(
                "Time, roughly: {synthesis} for the synthetic images, {calibration} for the ranges; memory up to "
                "{memory:.1f} GB."
            ).format(
                synthesis=in_words(seconds["synthesis"]),
                calibration=in_words(seconds["calibration"]),
                memory=estimated["estimated_peak_bytes"] / 1e9,
            ),
        ]
    )


def stage_text(job: QuantizationJob) -> str:
    """The stage in hand, with the time left and what the child says of it."""
    stages = {
        "read": _("Reading the checkpoint"),
        "synthesis": _("Making synthetic images"),
        "calibration": _("Choosing ranges and weight codes"),
        "write": _("Writing the model"),
    }
    if job.progress is None:
        return _("Starting…")
    text = stages.get(job.progress.stage, job.progress.stage)
    if job.seconds_left is not None:
        text += _(", about {time} left for this part").format(time=in_words(job.seconds_left))
    detail = job.progress.message if job.progress.stage == "synthesis" else ""
    return f"{text} ({detail})" if detail else text
