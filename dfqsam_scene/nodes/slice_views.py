"""Which slice of a volume a slice view shows, which view is looked at, and how to go to a slice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from dfqsam_core.volume import SliceKey, VolumeGeometry
from dfqsam_core.volume.geometry import axis_index

from .volume_node import ijk_from_world, matrix_array, view_axis, world_from_ijk

_PLANES = ("sagittal", "coronal", "axial")


def plane_name(geometry: VolumeGeometry, axis: str) -> str:
    """Return the radiologists' word for slices perpendicular to `axis`: "axial", "coronal" or "sagittal"."""
    return _PLANES[geometry.anatomical_axes[axis_index(axis)]]


def slice_words(geometry: VolumeGeometry, key: SliceKey) -> str:
    """A slice as people count it, from 1: "axial slice 12"."""
    return f"{plane_name(geometry, key.axis)} slice {key.index + 1}"


def shown_slice(volume_node: Any, slice_node: Any) -> SliceKey | None:
    """The slice of the volume that a vtkMRMLSliceNode cuts in the volume's middle; None beside the volume."""
    shape = np.array(volume_node.GetImageData().GetDimensions())
    plane = matrix_array(slice_node.GetSliceToRAS())
    normal, centre = plane[:3, 2], world_from_ijk(volume_node, (shape - 1) / 2)
    point = centre - normal * np.dot(normal, centre - plane[:3, 3])
    axis = view_axis(volume_node, slice_node, point)
    index = int(np.rint(ijk_from_world(volume_node, point)[axis_index(axis)]))
    return SliceKey(axis, index) if 0 <= index < shape[axis_index(axis)] else None


def middle_of_slice(volume_node: Any, key: SliceKey) -> np.ndarray:
    """(3,): the world position of the middle of a slice, mm."""
    middle = (np.array(volume_node.GetImageData().GetDimensions()) - 1) / 2
    middle[axis_index(key.axis)] = key.index
    return world_from_ijk(volume_node, middle)


def plane_of(slice_node: Any) -> np.ndarray:
    """(4,): the normal of the plane that a slice view shows, and its distance from the origin, mm."""
    plane = matrix_array(slice_node.GetSliceToRAS())
    return np.append(plane[:3, 2], plane[:3, 2] @ plane[:3, 3])


def show_slice(volume_node: Any, key: SliceKey) -> None:
    """Move every slice view that shows slices of this axis to this one."""
    point = middle_of_slice(volume_node, key)
    for slice_node in slice_nodes(volume_node.GetScene()):
        if view_axis(volume_node, slice_node, point) == key.axis:
            slice_node.JumpSliceByOffsetting(*point.tolist())


def show_position(scene: Any, position_world: np.ndarray) -> None:
    """Put the crosshair to a place, (3,) world mm, and move every slice view to the slice through it."""
    crosshair = scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    if crosshair is not None:
        crosshair.SetCrosshairRAS(*position_world.tolist())
    for slice_node in slice_nodes(scene):
        slice_node.JumpSliceByOffsetting(*position_world.tolist())


def slice_nodes(scene: Any) -> list[Any]:
    """The vtkMRMLSliceNodes of a scene; the first ones belong to the usual three views."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")
    return [scene.GetNthNodeByClass(n, "vtkMRMLSliceNode") for n in range(count)]


class PresentSlice:
    """The slice in the view that the mouse was in last, before that in the first view; all without a timer.

    changed: called when another slice may be looked at; it is called often and should only take a note.
    """

    def __init__(self, scene: Any, changed: Callable[[], None]) -> None:
        self._scene = scene
        self._changed = changed
        self._slice_node: Any = None
        self._tags: list[tuple[Any, int]] = []
        crosshair = scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        if crosshair is not None:
            self._observe(crosshair, crosshair.CursorPositionModifiedEvent, lambda *_: self._mouse_moved(crosshair))
        self._listened: set[str] = set()
        self._observe(scene, scene.NodeAddedEvent, lambda *_: self._listen())
        self._listen()

    def key(self, volume_node: Any) -> SliceKey | None:
        """The slice of a volume that is looked at, None where no view shows one."""
        if self._slice_node is None or self._slice_node.GetScene() is None:
            self._slice_node = next(iter(slice_nodes(self._scene)), None)
        if self._slice_node is None or volume_node is None or volume_node.GetImageData() is None:
            return None
        with contextlib.suppress(np.linalg.LinAlgError):
            return shown_slice(volume_node, self._slice_node)
        return None

    def position_mm(self, volume_node: Any, key: SliceKey) -> float | None:
        """The offset of the view last looked at when it shows this slice, as Slicer's bar has it; None without one."""
        if self._slice_node is None:
            return None
        return float(matrix_array(self._slice_node.GetSliceToRAS())[:3, 2] @ middle_of_slice(volume_node, key))

    def close(self) -> None:
        """Stop listening."""
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        self._tags = []

    def _listen(self) -> None:
        """Hear of all slice views, those of another layout or monitor, too."""
        for node in slice_nodes(self._scene):
            if node.GetID() not in self._listened:
                self._listened.add(node.GetID())
                self._observe(node, "ModifiedEvent", lambda *_: self._changed())

    def _observe(self, node: Any, event: Any, react: Callable[..., None]) -> None:
        self._tags.append((node, node.AddObserver(event, react)))

    def _mouse_moved(self, crosshair: Any) -> None:
        under_mouse = crosshair.GetCursorPositionXYZ([0.0, 0.0, 0.0])
        if under_mouse is not None and under_mouse is not self._slice_node:
            self._slice_node = under_mouse
            self._changed()
