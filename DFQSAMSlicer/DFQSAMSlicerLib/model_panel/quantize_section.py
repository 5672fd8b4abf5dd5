"""From a float checkpoint to a packed model: settings, estimate, and a job that can be cancelled and resumed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from dfqsam_core.errors import DFQSAMError
from dfqsam_scene.jobs.child_process import ChildProcess
from dfqsam_scene.jobs.library import ModelLibrary
from dfqsam_scene.jobs.quantization import QuantizationJob, QuantizationSettings, discard, unfinished_jobs

from .. import torch_dependency
from .job_view import JobView, estimate_text

Say = Callable[..., None]
_RECIPES, _ESTIMATE = ("default", "fast", "paper"), "estimate.json"


class QuantizeSection:
    """Wires the widgets to one QuantizationJob at a time; finished: lists a new model's file with a sentence."""

    def __init__(self, ui: Any, library: ModelLibrary, say: Say, finished: Callable[[Path, str], None]) -> None:
        self._ui, self._library, self._say, self._finished = ui, library, say, finished
        self._job: QuantizationJob | None = None
        self._estimate: tuple[ChildProcess, tempfile.TemporaryDirectory[str]] | None = None
        self._offered = ""
        self._view = JobView(ui)
        ui.recipeBox.addItems(list(_RECIPES))
        for button, react in (
            (ui.checkpointButton, self._ask_checkpoint),
            (ui.outputButton, self._ask_output),
            (ui.estimateButton, self._start_estimate),
            (ui.quantizeButton, self._start),
            (ui.cancelQuantizeButton, self.cancel),
            (ui.resumeButton, self._resume),
            (ui.discardJobButton, self._discard),
            (ui.installQuantizeButton, self._install),
        ):
            button.connect("clicked()", react)
        ui.checkpointEdit.connect("editingFinished()", self._offer_output)
        ui.bitsBox.connect("valueChanged(int)", lambda _bits: self._offer_output())
        self._show()

    def tick(self) -> None:
        """Follow the job and the estimate."""
        if self._estimate is not None:
            self._follow_estimate(*self._estimate)
        if self._job is not None:
            self._job.poll()
            self._view.show(self._job)
            if self._job.state != "running":
                self._end(self._job)

    def cancel(self) -> None:
        """Stop the job at its next safe point."""
        if self._job is not None:
            self._job.cancel()
            self._say(_("Stopping…"))

    def cleanup(self) -> None:
        """Let nothing run on."""
        if self._job is not None:
            self._job.cancel()
        if self._estimate is not None:
            self._estimate[0].cancel()
            self._estimate[1].cleanup()

    def settings(self) -> QuantizationSettings:
        """What is set in the panel."""
        ui = self._ui
        return QuantizationSettings(
            checkpoint=_absolute(ui.checkpointEdit.text),
            output=_absolute(ui.outputEdit.text),
            recipe=ui.recipeBox.currentText,
            bits=ui.bitsBox.value,
            seed=ui.seedBox.value,
            images=ui.imagesBox.value or None,
        )

    def _start(self) -> None:
        settings = self.settings()
        self._begin(lambda: QuantizationJob.start(settings, self._library.jobs_folder))

    def _resume(self) -> None:
        folder = self._ui.unfinishedBox.itemData(self._ui.unfinishedBox.currentIndex)
        if folder:
            self._begin(lambda: QuantizationJob.resume(Path(folder)))

    def _begin(self, make: Callable[[], QuantizationJob]) -> None:
        try:
            self._job = make()
        except (DFQSAMError, OSError) as error:
            self._say(str(error), is_error=True)
            return
        self._say(_("Quantizing in a process of its own: Slicer can be used meanwhile, and the scene be closed."))
        self._show()

    def _end(self, job: QuantizationJob) -> None:
        self._job = None
        self._view.hide_progress()
        self._show()
        if job.state == "done":
            # The name is taken now.
            self._ui.outputEdit.setText("")
            self._offer_output()
            self._finished(Path(job.settings.output), _("Done: {message}").format(message=job.message))
        else:
            self._say(job.message, is_error=job.state == "failed")

    def _discard(self) -> None:
        folder = self._ui.unfinishedBox.itemData(self._ui.unfinishedBox.currentIndex)
        if folder and slicer.util.confirmOkCancelDisplay(_("Delete what this quantization has finished so far?")):
            discard(Path(folder))
            self._show()

    def _show(self) -> None:
        """Which buttons make sense now."""
        ui, is_running = self._ui, self._job is not None
        packages = torch_dependency.missing()
        ui.quantizeNeedsLabel.setVisible(bool(packages))
        ui.installQuantizeButton.setVisible(bool(packages))
        names = ", ".join(package.text for package in packages)
        ui.quantizeNeedsLabel.setText(_("Quantizing needs {names}; segmenting does not.").format(names=names))
        ui.quantizeButton.setEnabled(not is_running and not packages)
        ui.resumeButton.setEnabled(not packages)
        ui.cancelQuantizeButton.setEnabled(is_running)
        ui.unfinishedBox.clear()
        for folder, settings in () if is_running else unfinished_jobs(self._library.jobs_folder):
            text = f"{Path(settings.output).name} ({settings.recipe}, {settings.bits} bit, seed {settings.seed})"
            ui.unfinishedBox.addItem(text, str(folder))
        ui.unfinishedRow.setVisible(ui.unfinishedBox.count > 0)

    def _start_estimate(self) -> None:
        settings = self.settings()
        if not Path(settings.checkpoint).is_file():
            self._say(_("Choose a float checkpoint first."), is_error=True)
            return
        folder = tempfile.TemporaryDirectory(prefix="dfqsam-estimate-", ignore_cleanup_errors=True)
        words = [*settings.arguments(), "--dry-run", "--report", str(Path(folder.name) / _ESTIMATE)]
        try:
            self._estimate = ChildProcess(words), folder
        except OSError as error:
            folder.cleanup()
            self._say(str(error), is_error=True)
            return
        self._ui.estimateButton.setEnabled(False)
        self._say(_("Reading the checkpoint and timing this computer…"))

    def _follow_estimate(self, child: ChildProcess, folder: tempfile.TemporaryDirectory[str]) -> None:
        child.poll()
        if child.exit_code is None:
            return
        self._estimate = None
        self._ui.estimateButton.setEnabled(True)
        if child.exit_code == 0:
            report = (Path(folder.name) / _ESTIMATE).read_text(encoding="utf-8")
            self._ui.estimateLabel.setText(estimate_text(json.loads(report)))
            self._ui.estimateLabel.setVisible(True)
            self._say(_("Nothing was written."))
        else:
            self._say(child.message, is_error=True)
        folder.cleanup()

    def _install(self) -> None:
        with slicer.util.tryWithErrorDisplay(_("The packages could not be installed."), waitCursor=True):
            torch_dependency.ensure(slicer.util.confirmOkCancelDisplay)
        self._show()

    def _ask_checkpoint(self) -> None:
        kinds = _("Float checkpoints (*.pth *.safetensors)")
        path = qt.QFileDialog.getOpenFileName(self._ui.checkpointButton, _("Choose a checkpoint"), "", kinds)
        if path:
            self._ui.checkpointEdit.setText(path)
            self._offer_output()

    def _ask_output(self) -> None:
        kinds = _("Packed models (*.safetensors)")
        start = self._ui.outputEdit.text
        path = qt.QFileDialog.getSaveFileName(self._ui.outputButton, _("New model"), start, kinds)
        if path:
            self._ui.outputEdit.setText(path)

    def _offer_output(self) -> None:
        """Propose a free name among this computer's models, as long as nobody chose another one."""
        checkpoint = self._ui.checkpointEdit.text.strip()
        if checkpoint and self._ui.outputEdit.text in ("", self._offered):
            try:
                self._offered = str(self._library.new_model_path(Path(checkpoint), self._ui.bitsBox.value))
            except OSError as error:
                self._say(str(error), is_error=True)
            self._ui.outputEdit.setText(self._offered)


def _absolute(text: str) -> str:
    return str(Path(text.strip()).expanduser().absolute()) if text.strip() else ""
