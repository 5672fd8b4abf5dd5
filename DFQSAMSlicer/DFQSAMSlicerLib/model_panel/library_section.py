"""The list of models on this computer, and the card of the chosen one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from dfqsam_core.base.outputs import write_json
from dfqsam_core.errors import DFQSAMError
from dfqsam_core.progress import Cancelled
from dfqsam_scene.jobs.library import LibraryModel, ModelLibrary, card_text, describe
from dfqsam_scene.jobs.worker import Job, Worker

Say = Callable[..., None]
Description = tuple[LibraryModel, dict[str, Any]]


class LibrarySection:
    """Shows a ModelLibrary; files are read in the worker's thread.

    say: shows a sentence. chosen: a person wants to segment with this file. selected: the entry chosen in the list.
    """

    def __init__(
        self, ui: Any, library: ModelLibrary, worker: Worker, say: Say, chosen: Callable[[Path], None]
    ) -> None:
        self._ui, self._library, self._worker, self._say, self._chosen = ui, library, worker, say, chosen
        self._models: tuple[LibraryModel, ...] = ()
        self._description: dict[str, Any] | None = None
        self._reading: Job | None = None
        ui.libraryList.connect("currentRowChanged(int)", lambda _row: self._show_selected())
        for button, react in (
            (ui.useModelButton, self._use),
            (ui.addModelButton, self._ask),
            (ui.removeModelButton, self._remove),
            (ui.copyCardButton, self._copy),
            (ui.exportCardButton, self._export),
        ):
            button.connect("clicked()", react)

    @property
    def selected(self) -> LibraryModel | None:
        """The entry that is chosen in the list."""
        row = self._ui.libraryList.currentRow
        return self._models[row] if 0 <= row < len(self._models) else None

    def refresh(self, select: str = "") -> None:
        """Read the list again and choose the entry of the path `select`, else the first."""
        try:
            self._models = self._library.models()
        except DFQSAMError as error:
            self._models = ()
            self._say(str(error), is_error=True)
        self._ui.libraryList.blockSignals(True)
        self._ui.libraryList.clear()
        for row, model in enumerate(self._models):
            self._ui.libraryList.addItem(_line(model))
            self._ui.libraryList.item(row).setToolTip(_tip(model))
        paths = [model.path for model in self._models]
        self._ui.libraryList.setCurrentRow(paths.index(select) if select in paths else 0)
        self._ui.libraryList.blockSignals(False)
        self._show_selected()

    def add(self, path: Path, note: str = "") -> None:
        """Read a file in the worker's thread and list it; note: what to say then."""

        def done(found: Description) -> None:
            with self._sentences():
                self._library.add(found[0])
                self.refresh(found[0].path)
                self._say(note or _("{name} is listed.").format(name=found[0].name))

        self._say(_("Reading {name}…").format(name=path.name))
        self._worker.submit(Job(lambda report: describe(path, report), done, self._failed))

    def _show_selected(self) -> None:
        model, self._description = self.selected, None
        self._ui.cardText.setPlainText("" if model is None else model.state or _("Reading the card…"))
        self._ui.useModelButton.setEnabled(model is not None)
        self._ui.removeModelButton.setEnabled(model is not None and not model.is_embedded)
        self._enable_card(False)
        if self._reading is not None:
            self._reading.cancelled.set()
        if model is not None and Path(model.path).is_file():
            self._reading = self._worker.submit(self._reading_of(Path(model.path)))

    def _reading_of(self, path: Path) -> Job:
        def failed(error: BaseException) -> None:
            # A reading that is not wanted any more may fail all the same, for instance at a file that is gone.
            if not job.cancelled.is_set():
                self._ui.cardText.setPlainText(str(error))

        job = Job(lambda report: describe(path, report), self._show_card, failed, topic="card")
        return job

    def _show_card(self, found: Description) -> None:
        entry, description = found
        model = self.selected
        if model is None or model.path != entry.path:
            return
        self._description = description
        changed = bool(model.sha256) and model.sha256 != entry.sha256
        warning = _("The file is not the one that was listed: its SHA-256 differs.") + "\n\n" if changed else ""
        self._ui.cardText.setPlainText(warning + card_text(description))
        self._enable_card(True)

    def _enable_card(self, enabled: bool) -> None:
        self._ui.copyCardButton.setEnabled(enabled)
        self._ui.exportCardButton.setEnabled(enabled)

    def _use(self) -> None:
        if self.selected is not None:
            self._chosen(Path(self.selected.path))

    def _ask(self) -> None:
        kinds = _("Models (*.safetensors *.pth)")
        path = qt.QFileDialog.getOpenFileName(self._ui.addModelButton, _("Add a model"), "", kinds)
        if path:
            self.add(Path(path))

    def _remove(self) -> None:
        model = self.selected
        if model is not None:
            with self._sentences():
                self._library.remove(model.path)
                self.refresh()
                self._say(_("{name} is off the list. Its file stays: {path}").format(name=model.name, path=model.path))

    def _copy(self) -> None:
        qt.QApplication.clipboard().setText(self._ui.cardText.toPlainText())
        self._say(_("The card is copied."))

    def _export(self) -> None:
        model = self.selected
        if model is None or self._description is None:
            return
        name = str(Path(model.path).with_suffix(".card.json"))
        path = qt.QFileDialog.getSaveFileName(self._ui.exportCardButton, _("Export the card"), name, "JSON (*.json)")
        if path:
            with self._sentences():
                # The dialog has asked before it let an existing file be chosen.
                write_json(path, self._description, force=True)
                self._say(_("The card is saved: {path}").format(path=path))

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, Cancelled):
            self._say(str(error), is_error=True)

    @contextlib.contextmanager
    def _sentences(self) -> Any:
        try:
            yield
        except DFQSAMError as error:
            self._say(str(error), is_error=True)


def _line(model: LibraryModel) -> str:
    parts = [model.title, f"{model.bytes / 1e6:.1f} MB"]
    if model.sha256:
        parts.append(f"SHA-256 {model.sha256[:12]}…")
    return " · ".join([*parts, model.state or model.kind])


def _tip(model: LibraryModel) -> str:
    return "\n".join(filter(None, [model.path, model.sha256 and f"SHA-256 {model.sha256}", model.state]))
