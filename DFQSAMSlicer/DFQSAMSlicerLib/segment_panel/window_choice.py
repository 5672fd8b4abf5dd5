"""Through which window the model sees the volume: a list, two numbers, and a picture of the present slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from dfqsam_core.base.interpolation import resize_nearest
from dfqsam_core.network.conventions import SAM_MED2D
from dfqsam_core.runtime.preprocess import network_pixels
from dfqsam_core.volume import WINDOW_PRESETS, SliceFrame, SliceKey, Volume, WindowLevel
from dfqsam_scene.nodes.slice_views import plane_name
from dfqsam_scene.prompting.view_state import WindowWords
from dfqsam_scene.prompting.window_texts import AUTO, DISPLAYED, OWN, window_text

from .pictures import pixmap_of

# A larger picture would make the panel wider.
_LARGEST_SIDE = 256


class WindowChoice:
    """Tells the text of the window that a person chose: "auto", "displayed", a preset's name, or "WIDTH,LEVEL"."""

    def __init__(self, ui: Any, chosen: Callable[[str], None]) -> None:
        self._ui = ui
        self._chosen = chosen
        self._texts = [AUTO, DISPLAYED, *WINDOW_PRESETS, OWN]
        names = {AUTO: _("Automatic"), DISPLAYED: _("Take from display"), OWN: _("Own numbers")}
        ui.windowBox.addItems([names.get(text, text) for text in self._texts])
        ui.windowBox.connect("activated(int)", self._activated)
        for box in (ui.windowWidthBox, ui.windowLevelBox):
            box.connect("valueChanged(double)", lambda _value: self._numbers())

    def show(self, window: WindowWords) -> None:
        """Show the choice, and the numbers of the window that is in use."""
        self._ui.windowBox.setCurrentIndex(self._texts.index(window.text if window.text in self._texts else OWN))
        for box, value in ((self._ui.windowWidthBox, window.width), (self._ui.windowLevelBox, window.level)):
            if value is not None and not box.hasFocus():
                box.blockSignals(True)
                box.setValue(value)
                box.blockSignals(False)

    def _activated(self, n: int) -> None:
        if self._texts[n] == OWN:
            self._numbers()
        else:
            self._chosen(self._texts[n])

    def _numbers(self) -> None:
        self._chosen(window_text(self._ui.windowWidthBox.value, self._ui.windowLevelBox.value))


class ModelView:
    """The present slice as the model gets it; painted again only when it would look different."""

    def __init__(self, ui: Any) -> None:
        self._picture, self._note = ui.modelViewLabel, ui.modelViewNote
        self._shown: tuple[Any, ...] | None = None

    def show(self, volume: Volume | None, key: SliceKey | None, window: WindowLevel | None, model: Any = None) -> None:
        """Show a slice through a window as a model gets it; None for anything that is not known."""
        state = (id(volume), key, window, id(model))
        if state == self._shown:
            return
        self._shown = state
        if volume is None or key is None or window is None or model is None:
            self._picture.clear()
            self._picture.setText("–")
            self._note.setText("")
            return
        seen = seen_by_model(volume, key, window, model)
        self._picture.setPixmap(pixmap_of(resize_nearest(seen, *[min(_LARGEST_SIDE, len(seen))] * 2)))
        self._note.setText(
            _("{plane} slice {number}, {side} x {side} pixels").format(
                plane=plane_name(volume.geometry, key.axis), number=key.index + 1, side=model.image_size
            )
        )


def seen_by_model(volume: Volume, key: SliceKey, window: WindowLevel, model: Any) -> np.ndarray:
    """uint8 (side, side): a slice as the network gets it, one of its three equal channels."""
    slice_view = SliceFrame.of(volume.geometry, key.axis).view(volume.voxels_kji, key.index)
    conventions = getattr(model, "conventions", SAM_MED2D)
    pixels = network_pixels(window.apply(slice_view), model.image_size, "RGB", conventions)
    return np.ascontiguousarray(np.rint(pixels[:, :, 0]).astype(np.uint8))
