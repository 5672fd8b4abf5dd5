"""Which model predicts: an embedded one, or a file of the person's own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.network.conventions import CONVENTIONS
from dfqsam_core.resources import DEMO_CHECKPOINT, DEMO_MODEL, resource_path
from dfqsam_scene.jobs.library import FLOAT_TITLE, PACKED_TITLE, embedded_models
from dfqsam_scene.prompting.convention_words import convention_choices
from dfqsam_scene.prompting.view_state import ViewState

# Where a model lies is a matter of this computer, so it is kept in Slicer's settings and not in the scene.
_SETTING = "DFQSAMSlicer/ModelFile"
# What a person said of a file, which its tensors do not tell, and of which one: several Slicers share the settings.
_CONVENTIONS = "DFQSAMSlicer/ModelConventions"
# Kept for the embedded float checkpoint: its own path changes with each installation.
_FLOAT = "embedded:float"


def chosen_model() -> Path:
    """The model that was chosen last; raises DFQSAMError where the embedded one is missing from this copy."""
    saved = slicer.app.userSettings().value(_SETTING)
    if saved == _FLOAT:
        return resource_path(DEMO_CHECKPOINT)
    return Path(str(saved)) if saved else resource_path(DEMO_MODEL)


def chosen_conventions() -> str:
    """Return what was said of that model, "" for nothing."""
    settings = slicer.app.userSettings()
    name, _space, file = str(settings.value(_CONVENTIONS) or "").partition(" ")
    return name if name in CONVENTIONS and file == settings.value(_SETTING) else ""


class ModelChoice:
    """The embedded models and one file of the person's own, remembered, with what was said of how it was trained.

    chosen: hears its path, None for the packed one, and the conventions, "" for none. conventions: hears these alone.
    """

    def __init__(self, ui: Any, chosen: Callable[[Path | None, str], None], conventions: Callable[[str], None]) -> None:
        self._box, self._conventions_box = ui.modelBox, ui.conventionsBox
        self._chosen, self._conventions = chosen, conventions
        self._conventions_box.addItems(list(convention_choices().values()))
        self._conventions_box.connect("activated(int)", self._say)
        self._conventions_box.setVisible(False)
        # By row of the box.
        self._paths: list[Path | None] = [None, *embedded_models()[1:]]
        self._embedded = len(self._paths)
        self._box.connect("activated(int)", lambda _n: self._remember())
        ui.modelFileButton.connect("clicked()", self._ask)
        self._box.addItems([PACKED_TITLE, FLOAT_TITLE][: self._embedded])
        if slicer.app.userSettings().value(_SETTING):
            with contextlib.suppress(DFQSAMError):
                self._show(chosen_model())
            self._chosen(self._paths[self._box.currentIndex], chosen_conventions())

    def show(self, state: ViewState) -> None:
        """Show what was said of the model, where it has to be said."""
        self._conventions_box.setVisible(state.training.is_asked or bool(state.training.conventions))
        self._conventions_box.setCurrentIndex(list(convention_choices()).index(state.training.conventions))

    def use(self, path: Path) -> None:
        """Choose a file, as if a person had done it here."""
        self._show(path)
        self._remember()

    def _ask(self) -> None:
        own = self._paths[self._embedded :]
        folder = str(own[0].parent) if own and own[0] else ""
        kinds = _("Models (*.safetensors *.pth)")
        path = qt.QFileDialog.getOpenFileName(self._box, _("Choose a model"), folder, kinds)
        if path:
            self.use(Path(path))

    def _show(self, path: Path) -> None:
        embedded = embedded_models()
        if path in embedded:
            self._box.setCurrentIndex(embedded.index(path))
            return
        while self._box.count > self._embedded:
            self._box.removeItem(self._embedded)
        self._paths[self._embedded :] = [path]
        self._box.addItem(path.name)
        self._box.setItemData(self._embedded, str(path), qt.Qt.ToolTipRole)
        self._box.setCurrentIndex(self._embedded)

    def _remember(self) -> None:
        slicer.app.userSettings().setValue(_SETTING, self._saved_name())
        slicer.app.userSettings().setValue(_CONVENTIONS, "")
        self._chosen(self._paths[self._box.currentIndex], "")

    def _saved_name(self) -> str:
        """How the settings call what is chosen here."""
        row = self._box.currentIndex
        return "" if row == 0 else str(self._paths[row]) if row == self._embedded else _FLOAT

    def _say(self, row: int) -> None:
        name = list(convention_choices())[row]
        slicer.app.userSettings().setValue(_CONVENTIONS, f"{name} {self._saved_name()}" if name else "")
        self._conventions(name)
