"""One quantization in a child process: its settings on disk, its progress, its pictures, and how to go on with it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from dfqsam_core.base.outputs import refuse_overwrite
from dfqsam_core.errors import CheckpointError, DFQSAMError, OutputError
from dfqsam_core.progress import Progress

from .child_process import ChildProcess
from .time_left import TimeLeft

_SETTINGS, _WORK, _PREVIEW, _REPORT = "job.json", "work", "preview", "report.json"
# A job whose settings were touched that recently runs in another Slicer.
_HEARTBEAT_SECONDS, _SILENT_SECONDS = 5.0, 30.0


@dataclass(frozen=True)
class QuantizationSettings:
    """The settings given to `dfqsam quantize`.

    checkpoint, output: absolute paths. recipe: one of `quant.config.OFFERED_RECIPES`. bits: 4 to 8. images,
    iterations: None for the recipe's own. threads: None for all cores. conventions: of a checkpoint whose tensors do
    not tell them, "" where nobody said.
    """

    checkpoint: str
    output: str
    recipe: str = "default"
    bits: int = 4
    seed: int = 0
    images: int | None = None
    iterations: int | None = None
    threads: int | None = None
    conventions: str = ""

    def check(self) -> None:
        """Raise CheckpointError or OutputError for what can be seen without reading the checkpoint."""
        if not Path(self.checkpoint).is_file():
            raise CheckpointError(
                f"The checkpoint {self.checkpoint!r} is not there. Choose a .pth or .safetensors file."
            )
        if not self.output.endswith(".safetensors"):
            raise OutputError(f"The model {self.output!r} must have a name that ends in .safetensors.")
        refuse_overwrite(self.output, force=False)

    def arguments(self) -> list[str]:
        """Words of the command line after `dfqsam`."""
        words = ["quantize", self.checkpoint, "--output", self.output, "--progress", "json"]
        for name in ("recipe", "bits", "seed", "images", "iterations", "threads"):
            value = getattr(self, name)
            words += [] if value is None else [f"--{name}", str(value)]
        return words + (["--conventions", self.conventions] if self.conventions else [])


class QuantizationJob:
    """A quantization that runs, or has ended; `poll` brings it up to date and never waits.

    folder: where settings, state and pictures lie until the model is written. state: "running", "done", "cancelled" or
    "failed". message: one sentence about it. seconds_left: of the stage that runs, None while unknown. report: of
    `dfqsam quantize` once done. What the scene does meanwhile has no influence.
    """

    def __init__(self, folder: Path, settings: QuantizationSettings, resume: bool, python: str | None = None) -> None:
        self.folder, self.settings = folder, settings
        self.state, self.message = "running", ""
        self.report: dict[str, Any] = {}
        self._time_left = TimeLeft()
        self._touched = 0.0
        report = folder / _REPORT
        report.unlink(missing_ok=True)
        places = ["--work-dir", str(folder / _WORK), "--preview", str(folder / _PREVIEW), "--report", str(report)]
        self._child = ChildProcess([*settings.arguments(), *places, *(["--resume"] if resume else [])], python)

    @classmethod
    def start(cls, settings: QuantizationSettings, jobs: Path, python: str | None = None) -> QuantizationJob:
        """Begin a new one; jobs: folder of all jobs. Raises what `check` raises, and OutputError for a full disk."""
        settings.check()
        try:
            jobs.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=Path(settings.output).stem + "-", dir=jobs))
            (folder / _SETTINGS).write_text(json.dumps(asdict(settings), indent=2), encoding="utf-8")
        except OSError as error:
            raise OutputError(f"Nothing can be written into {jobs}: {error.strerror}. Free some space.") from error
        return cls(folder, settings, resume=False, python=python)

    @classmethod
    def resume(cls, folder: Path, python: str | None = None) -> QuantizationJob:
        """Go on with a job that was cancelled, killed, or cut off when Slicer was closed."""
        settings = read_settings(folder)
        settings.check()
        return cls(folder, settings, resume=True, python=python)

    @property
    def progress(self) -> Progress | None:
        """The child's last report."""
        return self._child.progress

    @property
    def seconds_left(self) -> float | None:
        """Of the stage that runs."""
        return self._time_left.seconds if self.state == "running" else None

    @property
    def log(self) -> str:
        """The child's output, progress left out."""
        return "\n".join(self._child.lines)

    def newest_picture(self) -> Path | None:
        """PNG of the synthetic image that was drawn last, beside the same with its evolving labels in colour."""
        pictures = [(path.stat().st_mtime_ns, path.name, path) for path in (self.folder / _PREVIEW).glob("*.png")]
        return max(pictures)[-1] if pictures else None

    def poll(self) -> None:
        """Take over what the child reported; at its end, keep what can be resumed and clear away the rest."""
        if self.state != "running":
            return
        self._child.poll()
        now = time.monotonic()
        for progress in self._child.history:
            self._time_left.note(progress, now)
        if now - self._touched > _HEARTBEAT_SECONDS:
            self._touched = now
            with contextlib.suppress(OSError):
                (self.folder / _SETTINGS).touch()
        if self._child.exit_code is not None:
            self._end(self._child.exit_code)

    def cancel(self) -> None:
        """Stop at the next safe point; what is finished by then can be resumed."""
        self._child.cancel()

    def _end(self, exit_code: int) -> None:
        if exit_code == 0:
            self.state, self.message = "done", self._child.message
            self.report = json.loads((self.folder / _REPORT).read_text(encoding="utf-8"))
            discard(self.folder)
            return
        self.state = "cancelled" if self._child.is_cancelled else "failed"
        reason = (
            "Cancelled." if self._child.is_cancelled else self._child.message or "The process ended without saying why."
        )
        if can_resume(self.folder):
            self.message = f"{reason} What is finished is kept: Resume goes on from there."
            _silence(self.folder)
        else:
            self.message = reason
            discard(self.folder)


def unfinished_jobs(jobs: Path) -> Iterator[tuple[Path, QuantizationSettings]]:
    """Yield folder and settings of the jobs that can be resumed and that no other Slicer is working on, by name."""
    for settings_file in sorted(jobs.glob(f"*/{_SETTINGS}")):
        folder = settings_file.parent
        with contextlib.suppress(DFQSAMError, OSError):
            if time.time() - settings_file.stat().st_mtime > _SILENT_SECONDS and can_resume(folder):
                yield folder, read_settings(folder)


def read_settings(folder: Path) -> QuantizationSettings:
    """Settings of a job; raises DFQSAMError when they cannot be read."""
    try:
        values = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        # Jobs of earlier versions know no conventions.
        values = {"conventions": ""} | values
        settings = QuantizationSettings(**{field.name: values[field.name] for field in fields(QuantizationSettings)})
        texts = (settings.checkpoint, settings.output, settings.recipe, settings.conventions)
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("paths, recipe and conventions must be texts")
        return settings
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DFQSAMError(f"The job in {folder} cannot be read. Start the quantization anew.") from error


def can_resume(folder: Path) -> bool:
    """Return whether a job has state to go on from."""
    return any((folder / _WORK).glob("image_*.safetensors"))


def discard(folder: Path) -> None:
    """Delete the folder of a job, which holds nothing but its own files."""
    if (folder / _SETTINGS).is_file():
        shutil.rmtree(folder, ignore_errors=True)


def _silence(folder: Path) -> None:
    """Let the job be listed at once."""
    with contextlib.suppress(OSError):
        os.utime(folder / _SETTINGS, (0, 0))
