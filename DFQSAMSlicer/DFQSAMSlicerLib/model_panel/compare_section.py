"""The chosen model against its float checkpoint on the segments of a loaded volume, as a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from dfqsam_core.errors import DFQSAMError
from dfqsam_scene.jobs.comparison import ComparisonJob
from dfqsam_scene.jobs.library import LibraryModel
from dfqsam_scene.jobs.worker import Worker
from dfqsam_scene.nodes.segments import SegmentScene
from dfqsam_scene.nodes.volume_node import read_volume_node

Say = Callable[..., None]


class CompareSection:
    """Wires the widgets to one ComparisonJob at a time.

    model: the entry that is chosen in the library. conventions: that somebody said of the float checkpoint.
    """

    def __init__(
        self,
        ui: Any,
        worker: Worker,
        say: Say,
        model: Callable[[], LibraryModel | None],
        conventions: Callable[[], str] = str,
    ) -> None:
        self._ui, self._worker, self._say, self._model = ui, worker, say, model
        self._conventions = conventions
        self._job: ComparisonJob | None = None
        for selector in (ui.compareVolumeSelector, ui.compareSegmentationSelector):
            selector.setMRMLScene(slicer.mrmlScene)
        ui.compareButton.connect("clicked()", self._start)
        ui.cancelCompareButton.connect("clicked()", self._cancel)
        self._show()

    @property
    def is_running(self) -> bool:
        """True where two models are being compared."""
        return self._job is not None

    def tick(self) -> None:
        """Follow the job."""
        job = self._job
        if job is None:
            return
        job.poll()
        progress = job.progress
        self._ui.compareProgressBar.setRange(0, progress.total if progress else 0)
        self._ui.compareProgressBar.setValue(progress.done if progress else 0)
        if job.state != "running":
            self._job = None
            self._show()
            self._take(job)

    def cleanup(self) -> None:
        """Let nothing run on, and leave no copy of the volume behind."""
        if self._job is not None:
            self._job.close()

    def _start(self) -> None:
        model, reference = self._model(), self._ui.checkpointEdit.text.strip()
        try:
            if model is None:
                raise DFQSAMError(_("No model is chosen in the list of models. Choose the one to compare."))
            if not Path(reference).is_file():
                raise DFQSAMError(_("Choose the float checkpoint under Quantize: the model is compared with it."))
            volume = read_volume_node(self._ui.compareVolumeSelector.currentNode())
            segments = SegmentScene(
                self._ui.compareVolumeSelector.currentNode(), self._ui.compareSegmentationSelector.currentNode()
            )
            files, conventions = (Path(model.path), Path(reference).absolute()), self._conventions()
            self._job = ComparisonJob(volume, segments, *files, self._worker, conventions=conventions)
        except (DFQSAMError, OSError) as error:
            self._say(str(error), is_error=True)
            return
        self._say(_("Comparing {name} with {reference}…").format(name=model.name, reference=Path(reference).name))
        self._show()

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()

    def _take(self, job: ComparisonJob) -> None:
        if job.state != "done":
            self._say(job.message, is_error=job.state == "failed")
            return
        text = _("Mean Dice of {count} structures on single slices. One volume says little about others.")
        self._say(job.message or text.format(count=job.rows[0]["objects"]), is_error=bool(job.message))
        headings = [_("prompt"), _("structures"), _("model"), _("float"), _("drop, points [95 %]"), _("same")]
        table = self._ui.compareTable
        table.setColumnCount(len(headings))
        table.setHorizontalHeaderLabels(headings)
        table.setRowCount(len(job.rows))
        for line, row in enumerate(job.rows):
            for column, text in enumerate(_cells(row)):
                table.setItem(line, column, qt.QTableWidgetItem(text))
        table.setVisible(True)

    def _show(self) -> None:
        is_running = self._job is not None
        self._ui.compareButton.setEnabled(not is_running)
        self._ui.cancelCompareButton.setEnabled(is_running)
        self._ui.compareProgressBar.setVisible(is_running)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    mean, low, high = (100 * row["drop"][name] for name in ("mean", "low", "high"))
    model, reference, same = (f"{row[name]['mean']:.3f}" for name in ("model", "reference", "agreement"))
    return row["prompt"], str(row["objects"]), model, reference, f"{mean:.2f} [{low:.2f}, {high:.2f}]", same
