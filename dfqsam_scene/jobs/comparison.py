"""A packed model against its float original on the segments of a loaded volume, with `dfqsam verify` in a child."""

from __future__ import annotations

import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.progress import Cancelled, Progress, ProgressCallback
from dfqsam_core.volume import SliceKey, Volume

from .child_process import ChildProcess
from .worker import Job, Worker

# The work of one tick on the main thread, well under what a person feels.
_BUDGET_SECONDS = 0.015
_REPORT = "report.json"


class ComparisonJob:
    """Copies volume and segments to a folder of its own, piece by piece, compares there, and deletes the folder.

    segments: a `scene.SegmentScene`, only read. state: "running", "done", "cancelled" or "failed". message: one
    sentence about it. rows: of the report of `dfqsam verify`. conventions: of a checkpoint whose tensors do not tell
    them, "" where nobody said. Both copies are taken within the first ticks. Raises
    DFQSAMError when there is no segment.
    """

    def __init__(
        self,
        volume: Volume,
        segments: Any,
        model: Path,
        reference: Path,
        worker: Worker,
        python: str | None = None,
        conventions: str = "",
    ) -> None:
        if not segments.segment_ids:
            raise DFQSAMError("The segmentation has no segment. Draw or load the segments to compare the models with.")
        self.state, self.message = "running", ""
        self.rows: list[dict[str, Any]] = []
        self._volume = volume
        self._temporary = tempfile.TemporaryDirectory(prefix="dfqsam-compare-", ignore_cleanup_errors=True)
        self._folder = Path(self._temporary.name)
        self._arguments = [
            *("verify", str(model), "--reference", str(reference), "--data", str(self._folder), "--progress", "json"),
            *("--report", str(self._folder / _REPORT), *(["--conventions", conventions] if conventions else [])),
        ]
        self._worker, self._python = worker, python
        self._masks: dict[str, np.ndarray] = {}
        self._voxels = np.empty_like(volume.voxels_kji, order="C")
        self._steps: Iterator[None] | None = itertools.chain(self._copy_volume(), self._copy_segments(segments))
        self._job: Job | None = None
        self._child: ChildProcess | None = None

    @property
    def progress(self) -> Progress | None:
        """The child's last report."""
        return None if self._child is None else self._child.progress

    def poll(self) -> None:
        """Do a few milliseconds of copying, or take over what the child said."""
        if self.state != "running":
            return
        try:
            self._copy_for_a_moment()
        except DFQSAMError as error:
            self._end("failed", str(error))
        if self._child is not None:
            self._child.poll()
            if self._child.exit_code is not None:
                self._take_result(self._child)

    def cancel(self) -> None:
        """Stop; nothing is left behind."""
        if self._child is not None:
            self._child.cancel()
        elif self.state == "running":
            self._end("cancelled", "Cancelled.")

    def close(self) -> None:
        """Stop for good, when nobody will poll any more: the copies are deleted, and the child ends without them."""
        self.cancel()
        if self.state == "running":
            self._end("cancelled", "Cancelled.")

    def _copy_for_a_moment(self) -> None:
        ends = time.perf_counter() + _BUDGET_SECONDS
        while self._steps is not None and time.perf_counter() < ends:
            if next(self._steps, "finished") == "finished":
                self._steps = None
                self._job = self._worker.submit(Job(self._write_files, self._start_child, self._not_written))

    def _copy_volume(self) -> Iterator[None]:
        """Copy one slice a step."""
        for index, plane in enumerate(self._volume.voxels_kji):
            self._voxels[index] = plane
            yield

    def _copy_segments(self, segments: Any) -> Iterator[None]:
        """Read one slice of one segment a step."""
        for number, segment_id in enumerate(segments.segment_ids, start=1):
            mask = np.zeros(self._voxels.shape, np.uint8)
            for index in range(len(mask)):
                mask[index] = segments.read(segment_id, SliceKey("K", index))
                if mask[index].any():
                    self._masks[f"label_{number:03d}.nrrd"] = mask
                yield
        if not self._masks:
            raise DFQSAMError("All segments are empty. Draw or load the segments to compare the models with.")

    def _write_files(self, progress: ProgressCallback) -> None:
        """In the worker's thread."""
        import SimpleITK

        from dfqsam_core.volume.files.itk import image_of

        for name, voxels in {"image.nrrd": self._voxels, **self._masks}.items():
            progress(Progress("write", 0, 0))
            SimpleITK.WriteImage(
                image_of(voxels, self._volume.geometry), str(self._folder / name), name != "image.nrrd"
            )

    def _start_child(self, _: None) -> None:
        if self.state == "running":
            self._masks = {}
            try:
                self._child = ChildProcess(self._arguments, self._python)
            except OSError as error:
                self._end("failed", f"The comparison cannot be started: {error}. Check the installation of Slicer.")

    def _not_written(self, error: BaseException) -> None:
        if self.state == "running" and not isinstance(error, Cancelled):
            self._end("failed", f"The volume could not be written into {self._folder}: {error}. Free some space.")

    def _take_result(self, child: ChildProcess) -> None:
        report = self._folder / _REPORT
        # It is there, too, when the drop is larger than allowed, which the exit code then says.
        if report.is_file() and not child.is_cancelled:
            self.rows = json.loads(report.read_text(encoding="utf-8"))["rows"]
            self._end("done", child.message if child.exit_code else "")
        elif child.is_cancelled:
            self._end("cancelled", "Cancelled.")
        else:
            self._end("failed", child.message or "The process ended without saying why.")

    def _end(self, state: str, message: str) -> None:
        self.state, self.message, self._steps = state, message, None
        if self._job is not None:
            self._job.cancelled.set()
        self._temporary.cleanup()
