"""Puts the three sections of the Model panel together; each job behind them runs without Qt."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from dfqsam_scene.jobs.library import ModelLibrary, data_folder
from dfqsam_scene.jobs.worker import Worker

from .. import dependencies
from .compare_section import CompareSection
from .library_section import LibrarySection
from .quantize_section import QuantizeSection

_UI = Path(__file__).resolve().parents[2] / "Resources" / "UI" / "ModelPanel.ui"
_ERROR_STYLE = "border: 2px solid #c0392b; border-radius: 3px;"
# Ticks between two looks whether the packages are there now.
_LOOK_AGAIN = 33
_REST_SECONDS = 0.002


class ModelPanel:
    """Fills `container`; `tick` does what is due, from a timer in the main thread.

    on_model_chosen: a person wants to segment with this file. folder: of list, models and jobs; None for this user's.
    """

    def __init__(self, container: Any, on_model_chosen: Callable[[Path], None], folder: Path | None = None) -> None:
        widget = slicer.util.loadUI(str(_UI))
        if container.layout() is None:
            qt.QVBoxLayout(container)
        container.layout().addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        self.worker = Worker()
        self._chosen, self._folder = on_model_chosen, folder
        self.library: LibrarySection | None = None
        self.quantize: QuantizeSection | None = None
        self.compare: CompareSection | None = None
        self._ticks = 0
        self._start()

    def tick(self, has_rested: bool = False) -> bool:
        """Take over what threads and children finished; returns whether something is worked on.

        has_rested: whether this tick has let go of Python's lock already.
        """
        self._ticks += 1
        if self.worker.is_working and not has_rested:
            self.worker.rest()
        elif self._has_children and not has_rested:
            # The threads that read what children say get the lock nowhere else.
            time.sleep(_REST_SECONDS)
        self.worker.deliver()
        if self.quantize is not None and self.compare is not None:
            self.quantize.tick()
            self.compare.tick()
        elif self._ticks % _LOOK_AGAIN == 0:
            self._start()
        return self.worker.is_working or self._has_children

    def cleanup(self) -> None:
        """Slicer closes, or the module is reloaded: jobs stop, and what they finished can be resumed."""
        for section in (self.quantize, self.compare):
            if section is not None:
                section.cleanup()
        self.worker.close()

    def say(self, text: str, is_error: bool = False) -> None:
        """Show one sentence on top of the panel."""
        self.ui.modelMessageLabel.setText(text)
        self.ui.modelMessageLabel.setStyleSheet(_ERROR_STYLE if is_error else "")

    @property
    def _has_children(self) -> bool:
        """Whether a quantization or a comparison runs."""
        return any(section is not None and section.is_running for section in (self.quantize, self.compare))

    def _start(self) -> None:
        importlib.invalidate_caches()
        packages = dependencies.missing()
        for part in (self.ui.librarySection, self.ui.quantizeSection, self.ui.compareSection):
            part.setEnabled(not packages)
        if packages:
            self.say(_("Some packages are not installed yet: press Install in the tab Segment."))
            return
        library = ModelLibrary(self._folder or data_folder())
        section = LibrarySection(self.ui, library, self.worker, self.say, self._chosen)
        self.quantize = QuantizeSection(self.ui, library, self.say, section.add)
        quantize = self.quantize
        self.compare = CompareSection(
            self.ui, self.worker, self.say, lambda: section.selected, lambda: quantize.conventions
        )
        self.library = section
        self.say(_("For research only. Choose a model, or make one from a float checkpoint, without any patient data."))
        section.refresh()
