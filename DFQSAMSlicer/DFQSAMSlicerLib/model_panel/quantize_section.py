"""From a float checkpoint to a packed model: the widgets of `Quantizing`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from dfqsam_scene.jobs.library import ModelLibrary, embedded_checkpoint
from dfqsam_scene.jobs.quantization import QuantizationSettings
from dfqsam_scene.jobs.quantizing import QuantizationState, Quantizing, recipes
from dfqsam_scene.prompting.convention_words import convention_choices

from .. import torch_dependency

Say = Callable[..., None]
# Pictures of many images and unfinished jobs are many files: they are not looked through with every tick.
_LOOK_SECONDS = 0.3


class QuantizeSection:
    """Draws a Quantizing and hands it what is set here; finished: lists a new model's file with a sentence."""

    def __init__(self, ui: Any, library: ModelLibrary, say: Say, finished: Callable[[Path, str], None]) -> None:
        self._ui, self._library, self._say, self._finished = ui, library, say, finished
        self.quantizing = Quantizing(library, self._take)
        self._said = ("", False)
        self._offered = ""
        self._looked = 0.0
        self._picture: tuple[str, int] | None = None
        ui.recipeBox.addItems(list(recipes()))
        ui.checkpointConventionsBox.addItems(list(convention_choices().values()))
        ui.checkpointEdit.setText(embedded_checkpoint())
        for button, react in (
            (ui.checkpointButton, self._ask_checkpoint),
            (ui.outputButton, self._ask_output),
            (ui.estimateButton, lambda: self._do(lambda: self.quantizing.estimate(self.settings()))),
            (ui.quantizeButton, lambda: self._do(lambda: self.quantizing.start(self.settings()))),
            (ui.cancelQuantizeButton, lambda: self._do(self.quantizing.cancel)),
            (ui.resumeButton, lambda: self._do(lambda: self.quantizing.resume(self._chosen_job()))),
            (ui.discardJobButton, self._discard),
            (ui.installQuantizeButton, self._install),
        ):
            button.connect("clicked()", react)
        ui.checkpointEdit.connect("editingFinished()", self._offer_output)
        # Chosen or typed: what was said of another file says nothing of this one.
        ui.checkpointEdit.connect("textChanged(QString)", lambda _text: ui.checkpointConventionsBox.setCurrentIndex(0))
        ui.bitsBox.connect("valueChanged(int)", lambda _bits: self._offer_output())
        self._show()

    @property
    def is_running(self) -> bool:
        """True where a child process is listened to."""
        return self.quantizing.is_followed

    def tick(self) -> None:
        """Follow what runs."""
        if self.quantizing.poll() and (
            not self.quantizing.is_running or time.monotonic() - self._looked > _LOOK_SECONDS
        ):
            self._show()

    def cleanup(self) -> None:
        """Let nothing run on."""
        self.quantizing.close()

    def settings(self) -> QuantizationSettings:
        """Return what is set in the panel."""
        ui = self._ui
        self._offer_output()
        return QuantizationSettings(
            checkpoint=_absolute(ui.checkpointEdit.text),
            output=_absolute(ui.outputEdit.text),
            recipe=ui.recipeBox.currentText,
            bits=ui.bitsBox.value,
            seed=ui.seedBox.value,
            images=ui.imagesBox.value or None,
            conventions=self.conventions,
        )

    @property
    def conventions(self) -> str:
        """The conventions chosen for the checkpoint, "" for none."""
        return list(convention_choices())[self._ui.checkpointConventionsBox.currentIndex]

    def _do(self, verb: Callable[[], None]) -> None:
        verb()
        self._show()

    def _take(self, path: Path, note: str) -> None:
        # The name is taken now.
        self._ui.outputEdit.setText("")
        self._offer_output()
        self._finished(path, note)
        self._said = (note, False)

    def _show(self) -> None:
        """Draw the state."""
        ui, state = self._ui, self.quantizing.state()
        self._looked = time.monotonic()
        is_running = state.state == "running"
        if (state.message, state.is_error) not in (self._said, ("", False)):
            self._said = state.message, state.is_error
            self._say(state.message, is_error=state.is_error)
        packages = torch_dependency.missing()
        names = ", ".join(package.text for package in packages)
        ui.quantizeNeedsLabel.setVisible(bool(packages))
        ui.installQuantizeButton.setVisible(bool(packages))
        ui.quantizeNeedsLabel.setText(_("Quantizing needs {names}; segmenting does not.").format(names=names))
        ui.quantizeButton.setEnabled(not is_running and not packages)
        ui.resumeButton.setEnabled(not packages)
        ui.cancelQuantizeButton.setEnabled(is_running)
        ui.estimateButton.setEnabled(not state.is_estimating)
        ui.estimateLabel.setText(state.estimate)
        ui.estimateLabel.setVisible(bool(state.estimate))
        self._show_progress(state, is_running)
        self._show_unfinished(state)

    def _show_progress(self, state: QuantizationState, is_running: bool) -> None:
        ui = self._ui
        ui.quantizeProgressBar.setVisible(is_running)
        # Without a number to show Qt moves the bar by itself.
        ui.quantizeProgressBar.setRange(0, state.total)
        ui.quantizeProgressBar.setValue(state.done)
        ui.timeLeftLabel.setVisible(is_running)
        ui.timeLeftLabel.setText(state.line)
        try:
            newest = (state.picture, Path(state.picture).stat().st_mtime_ns) if state.picture else None
        except OSError:
            # The job ended and cleared its folder: the last picture stays.
            newest = None
        if newest is None or newest == self._picture:
            return
        pixmap = qt.QPixmap(state.picture)
        # One that is only half written is shown with the next look.
        if not pixmap.isNull():
            self._picture = newest
            ui.pictureLabel.setPixmap(pixmap)
            ui.pictureLabel.setVisible(True)

    def _show_unfinished(self, state: QuantizationState) -> None:
        box = self._ui.unfinishedBox
        if [job.folder for job in state.unfinished] != [box.itemData(n) for n in range(box.count)]:
            box.clear()
            for job in state.unfinished:
                box.addItem(job.text, job.folder)
        self._ui.unfinishedRow.setVisible(box.count > 0)

    def _chosen_job(self) -> str:
        box = self._ui.unfinishedBox
        return box.itemData(box.currentIndex) or ""

    def _discard(self) -> None:
        if self._chosen_job() and slicer.util.confirmOkCancelDisplay(
            _("Delete what this quantization has finished so far?")
        ):
            self._do(lambda: self.quantizing.discard(self._chosen_job()))

    def _install(self) -> None:
        # No hour-glass: it would lie over the question, and over the installer's own window of progress.
        with slicer.util.tryWithErrorDisplay(_("The packages could not be installed.")):
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
