"""Which model predicts, and the essence of its card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from dfqsam_core.resources import DEMO_MODEL, resource_path

# Where a model lies is a matter of this computer, so it is kept in Slicer's settings and not in the scene.
_SETTING = "DFQSAMSlicer/ModelFile"


def chosen_model() -> Path:
    """The model that was chosen last; raises DFQSAMError where the embedded one is missing from this copy."""
    saved = slicer.app.userSettings().value(_SETTING)
    return Path(str(saved)) if saved else resource_path(DEMO_MODEL)


class ModelChoice:
    """The embedded model and one file of the person's own, which is remembered; chosen: its path, None for embedded."""

    def __init__(self, ui: Any, chosen: Callable[[Path | None], None]) -> None:
        self._box = ui.modelBox
        self._chosen = chosen
        self._own: Path | None = None
        self._box.connect("activated(int)", lambda _n: self._remember())
        ui.modelFileButton.connect("clicked()", self._ask)
        self._box.addItem(_("Demonstration model (embedded)"))
        saved = slicer.app.userSettings().value(_SETTING)
        if saved:
            self._show_own(Path(str(saved)))
            self._chosen(self._own)

    def use(self, path: Path) -> None:
        """Choose a file, as if a person had done it here."""
        self._show_own(path)
        self._remember()

    def _ask(self) -> None:
        folder = str(self._own.parent) if self._own else ""
        kinds = _("Models (*.safetensors *.pth)")
        path = qt.QFileDialog.getOpenFileName(self._box, _("Choose a model"), folder, kinds)
        if path:
            self.use(Path(path))

    def _show_own(self, path: Path) -> None:
        self._own = path
        while self._box.count > 1:
            self._box.removeItem(1)
        self._box.addItem(path.name)
        self._box.setItemData(1, str(path), qt.Qt.ToolTipRole)
        self._box.setCurrentIndex(1)

    def _remember(self) -> None:
        is_own = self._own is not None and self._box.currentIndex == 1
        slicer.app.userSettings().setValue(_SETTING, str(self._own) if is_own else "")
        self._chosen(self._own if is_own else None)
