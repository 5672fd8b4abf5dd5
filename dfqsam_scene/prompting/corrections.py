"""Verbs for what is done by hand and looked at, beside prompts: brush, eraser, whole-mask corrections, rulers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from dfqsam_core.errors import PromptError
from dfqsam_core.volume.brush import MAX_BRUSH_MM, MIN_BRUSH_MM

from ..nodes.roles import OTHER_ROLES
from ..nodes.rulers import middle_of_ruler, remove_ruler
from ..nodes.slice_views import show_position
from .hand_edits import Kind, MaskEdit
from .verbs import Verbs

_LARGER = 1.25


class Corrections:
    """Raises DFQSAMError with a sentence for people."""

    def __init__(self, verbs: Verbs) -> None:
        self._room, self._verbs = verbs.room, verbs

    def by_name(self) -> dict[str, Callable[..., None]]:
        """All of them; the tools are toggled."""
        return {
            **{role: partial(self._verbs.toggle_tool, role) for role in OTHER_ROLES},
            "brush size": self.size_brush,
            "larger brush": lambda: self.size_brush(self._room.choice.brush.diameter_mm * _LARGER),
            "smaller brush": lambda: self.size_brush(self._room.choice.brush.diameter_mm / _LARGER),
            "ball brush": self.use_ball,
            "correct": self.correct,
            "remove ruler": self.remove_ruler,
            "go to ruler": self.go_to_ruler,
        }

    def size_brush(self, diameter_mm: float) -> None:
        """Give brush and eraser another diameter, mm; one beyond what is possible becomes the nearest possible one."""
        size = float(diameter_mm)
        if not np.isfinite(size):
            raise PromptError(f"The size of a brush is a number of millimetres, found {diameter_mm!r}.")
        size = round(min(max(size, MIN_BRUSH_MM), MAX_BRUSH_MM), 1)
        self._room.choose(brush=replace(self._room.choice.brush, diameter_mm=size))

    def use_ball(self, is_on: bool) -> None:
        """Let brush and eraser reach neighbouring slices as a ball does, or stay on the slice that is shown."""
        self._room.choose(brush=replace(self._room.choice.brush, is_ball=bool(is_on)))

    def correct(self, kind: Kind, amount: float = 0.0, on_slice: bool = False) -> None:
        """As MaskEdit has it, of the chosen segment; on_slice: on the present slice alone."""
        workspace = self._room.require_workspace()
        key = self._room.key if on_slice else None
        if not workspace.segment_id:
            raise PromptError("No segment is chosen. Choose the one to correct.")
        if on_slice and key is None:
            raise PromptError("No view shows a slice of the volume. Look at the slice to correct first.")
        workspace.controller.edit(MaskEdit(workspace.segment_id, kind, float(amount), key))

    def remove_ruler(self, ruler_id: str) -> None:
        """Take a ruler away."""
        remove_ruler(self._scene(), ruler_id)
        self._room.note_change()

    def go_to_ruler(self, ruler_id: str) -> None:
        """Show the middle of a ruler in all views."""
        scene = self._scene()
        show_position(scene, middle_of_ruler(scene, ruler_id))

    def _scene(self) -> Any:
        return self._room.require_volume_node().GetScene()
