"""All of quantizing that panel and page share: estimate, start, cancel, resume, discard, and one state to draw."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from dfqsam_core.errors import DFQSAMError

from .child_process import ChildProcess
from .library import ModelLibrary
from .quantization import QuantizationJob, QuantizationSettings, discard, unfinished_jobs
from .quantization_words import estimate_text, job_text, stage_text

_ESTIMATE = "estimate.json"


def recipes() -> tuple[str, ...]:
    """Names of the recipes that are offered, the usual one first."""
    from dfqsam_core.quant.config import OFFERED_RECIPES

    return OFFERED_RECIPES


@dataclass(frozen=True)
class Unfinished:
    """A quantization that can be resumed. folder: its name for `resume` and `discard`. text: what it is."""

    folder: str
    text: str


@dataclass(frozen=True)
class QuantizationState:
    """The state of quantizing that a front end shows.

    state: "" before the first job, then "running", "done", "cancelled" or "failed". message: one sentence. line: the
    stage in hand with the time left. done, total: of the stage, 0 where that is not known. picture: PNG of the newest
    synthetic image, "" before the first. estimate: of sizes and times, "" before it was asked for. output: the model.
    """

    state: str
    message: str
    is_error: bool
    line: str
    done: int
    total: int
    picture: str
    estimate: str
    is_estimating: bool
    output: str
    unfinished: tuple[Unfinished, ...]


class Quantizing:
    """One quantization and one estimate at a time, each in a child process; `poll` follows them and never waits.

    finished: called with a new model's file and a sentence.
    """

    def __init__(self, library: ModelLibrary, finished: Callable[[Path, str], None]) -> None:
        self.job: QuantizationJob | None = None
        self._library, self._finished = library, finished
        self._message, self._is_error = "", False
        self._estimate = ""
        self._estimating: tuple[ChildProcess, tempfile.TemporaryDirectory[str]] | None = None

    @property
    def is_running(self) -> bool:
        """True where a quantization runs."""
        return self.job is not None and self.job.state == "running"

    @property
    def is_followed(self) -> bool:
        """True where a child process is listened to, of a quantization or an estimate."""
        return self.is_running or self._estimating is not None

    def state(self) -> QuantizationState:
        """Return what there is to see now; it looks at the folder of jobs."""
        job = self.job
        progress = job.progress if job is not None and self.is_running else None
        counted = progress if progress is not None and progress.total > 1 else None
        picture = None if job is None else job.newest_picture()
        return QuantizationState(
            state="" if job is None else job.state,
            message=self._message,
            is_error=self._is_error,
            line=stage_text(job) if job is not None and self.is_running else "",
            done=0 if counted is None else counted.done,
            total=0 if counted is None else counted.total,
            picture="" if picture is None else str(picture),
            estimate=self._estimate,
            is_estimating=self._estimating is not None,
            output="" if job is None else job.settings.output,
            unfinished=() if self.is_running else self._unfinished(),
        )

    def estimate(self, settings: QuantizationSettings) -> None:
        """Let `dfqsam quantize --dry-run` tell sizes and times; nothing is written."""
        if not Path(settings.checkpoint).is_file():
            self._say(_("Choose a float checkpoint first."), is_error=True)
            return
        if self._estimating is not None:
            return
        folder = tempfile.TemporaryDirectory(prefix="dfqsam-estimate-", ignore_cleanup_errors=True)
        words = [*settings.arguments(), "--dry-run", "--report", str(Path(folder.name) / _ESTIMATE)]
        try:
            self._estimating = ChildProcess(words), folder
        except OSError as error:
            folder.cleanup()
            self._say(str(error), is_error=True)
            return
        self._say(_("Reading the checkpoint and timing this computer…"))

    def start(self, settings: QuantizationSettings) -> None:
        """Begin a quantization."""
        self._begin(lambda: QuantizationJob.start(settings, self._library.jobs_folder))

    def resume(self, folder: str) -> None:
        """Go on with an unfinished one."""
        if self._is_known(folder):
            self._begin(lambda: QuantizationJob.resume(Path(folder)))

    def discard(self, folder: str) -> None:
        """Delete what an unfinished one has finished so far."""
        if self._is_known(folder):
            discard(Path(folder))

    def cancel(self) -> None:
        """Stop the quantization at its next safe point."""
        if self.job is not None and self.is_running:
            self.job.cancel()
            self._say(_("Stopping…"))

    def refuse(self, error: Exception) -> None:
        """Show why something cannot be done."""
        self._say(str(error), is_error=True)

    def poll(self) -> bool:
        """Follow what runs; whether there was anything to follow."""
        is_following = self.is_followed
        if self._estimating is not None:
            self._follow_estimate(*self._estimating)
        if self.job is not None and self.job.state == "running":
            self.job.poll()
            if self.job.state != "running":
                self._end(self.job)
        return is_following

    def close(self) -> None:
        """Let nothing run on; what is finished can be resumed next time."""
        if self.job is not None and self.is_running:
            self.job.cancel()
        if self._estimating is not None:
            self._estimating[0].cancel()
            self._estimating[1].cleanup()
            self._estimating = None

    def _unfinished(self) -> tuple[Unfinished, ...]:
        jobs = unfinished_jobs(self._library.jobs_folder)
        return tuple(Unfinished(str(folder), job_text(settings)) for folder, settings in jobs)

    def _is_known(self, folder: str) -> bool:
        return folder in [job.folder for job in self._unfinished()]

    def _begin(self, make: Callable[[], QuantizationJob]) -> None:
        if self.is_running:
            # A button that was pressed twice: nothing would follow, or end, the first one.
            return
        try:
            self.job = make()
        except (DFQSAMError, OSError) as error:
            self.refuse(error)
            return
        self._say(_("Quantizing in a process of its own: everything else can be used meanwhile."))

    def _end(self, job: QuantizationJob) -> None:
        is_done = job.state == "done"
        self._say(_("Done: {message}").format(message=job.message) if is_done else job.message, job.state == "failed")
        if is_done:
            self._finished(Path(job.settings.output), self._message)

    def _follow_estimate(self, child: ChildProcess, folder: tempfile.TemporaryDirectory[str]) -> None:
        child.poll()
        if child.exit_code is None:
            return
        self._estimating = None
        if child.exit_code == 0:
            report = (Path(folder.name) / _ESTIMATE).read_text(encoding="utf-8")
            self._estimate = estimate_text(json.loads(report))
            self._say(_("Nothing was written."))
        else:
            self._say(child.message, is_error=True)
        folder.cleanup()

    def _say(self, message: str, is_error: bool = False) -> None:
        self._message, self._is_error = message, is_error
