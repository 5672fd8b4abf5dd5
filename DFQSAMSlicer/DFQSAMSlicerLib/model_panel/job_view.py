"""What a running quantization looks like: bar, time left, and the synthetic image with its evolving labels."""

from __future__ import annotations

import time
from typing import Any

import qt
from slicer.i18n import tr as _

from dfqsam_scene.jobs.quantization import QuantizationJob
from dfqsam_scene.jobs.time_left import in_words

# Pictures of many images are many files: they are not looked through with every tick.
_LOOK_SECONDS = 0.3


class JobView:
    """Shows a QuantizationJob; a picture is loaded only when a newer one is there."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._picture: tuple[str, int] | None = None
        self._looked = 0.0

    def show(self, job: QuantizationJob) -> None:
        """Bring everything up to date."""
        progress = job.progress
        counted = progress is not None and progress.total > 1
        self._ui.quantizeProgressBar.setVisible(True)
        # Without a number to show Qt moves the bar by itself.
        self._ui.quantizeProgressBar.setRange(0, progress.total if progress and counted else 0)
        self._ui.quantizeProgressBar.setValue(progress.done if progress and counted else 0)
        self._ui.timeLeftLabel.setVisible(True)
        self._ui.timeLeftLabel.setText(_line(job))
        self._show_picture(job)

    def hide_progress(self) -> None:
        """The job has ended; its last picture stays."""
        self._ui.quantizeProgressBar.setVisible(False)
        self._ui.timeLeftLabel.setVisible(False)

    def _show_picture(self, job: QuantizationJob) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        newest = job.newest_picture()
        if newest is None or (str(newest), newest.stat().st_mtime_ns) == self._picture:
            return
        pixmap = qt.QPixmap(str(newest))
        # One that is only half written is shown with the next tick.
        if not pixmap.isNull():
            self._picture = (str(newest), newest.stat().st_mtime_ns)
            self._ui.pictureLabel.setPixmap(pixmap)
            self._ui.pictureLabel.setVisible(True)


def estimate_text(estimated: dict[str, Any]) -> str:
    """What `dfqsam quantize --dry-run` reports, in two lines."""
    sizes, seconds = estimated["bytes"], estimated["estimated_seconds"]
    codes = sum(size for part, size in sizes.items() if part.endswith("_codes"))
    return "\n".join(
        [
            _(
                "{name}: {before:.1f} MB in float32, weight codes {after:.1f} MB; scales and float parts come on top."
            ).format(name=estimated["architecture"], before=sizes["float32_checkpoint"] / 1e6, after=codes / 1e6),
            _("Time, roughly: {synthesis} for the synthetic images, {calibration} for the ranges.").format(
                synthesis=in_words(seconds["synthesis"]), calibration=in_words(seconds["calibration"])
            ),
        ]
    )


def _line(job: QuantizationJob) -> str:
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
