"""A person's hands in the slice views: the mouse where views are drawn, else the markups that the mouse would fill."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import vtk

from dfqsam_scene.nodes.slice_views import middle_of_slice, slice_nodes
from dfqsam_scene.nodes.volume_node import view_axis, world_from_ijk

from .timing import Skipped

Ijk = tuple[float, float, float]
Views = Iterable[tuple[Any, Any]]


def drawing_view(views: Views, volume_node: Any, key: Any) -> tuple[Any, Any] | None:
    """(vtkMRMLSliceNode, interactor) of the first view of this slice's axis that is drawn; None without one."""
    middle = middle_of_slice(volume_node, key)
    for slice_node, interactor in views:
        if interactor.GetRenderWindow() is not None and view_axis(volume_node, slice_node, middle) == key.axis:
            return slice_node, interactor
    return None


def enter_view(volume_node: Any, key: Any) -> None:
    """Let the scene know that the mouse is in a slice view of this axis, where views are not drawn.

    Raises Skipped in a Slicer without slice views: there is nothing to click on.
    """
    scene = volume_node.GetScene()
    crosshair, middle = scene.GetFirstNodeByClass("vtkMRMLCrosshairNode"), middle_of_slice(volume_node, key)
    if crosshair is not None:
        fitting = (node for node in slice_nodes(scene) if view_axis(volume_node, node, middle) == key.axis)
        slice_node = next(fitting, None)
        if slice_node is None:
            raise Skipped("There are no slice views here, so nothing can be clicked.")
        crosshair.SetCursorPositionXYZ([0.0, 0.0, 0.0], slice_node)


def place(markups_node: Any, volume_node: Any, places_ijk: Iterable[Ijk], view: tuple[Any, Any] | None) -> None:
    """Click voxels one after the other with the tool that is down."""
    for ijk in places_ijk:
        world = world_from_ijk(volume_node, ijk)
        if view is None:
            markups_node.AddControlPointWorld(world.tolist())
        else:
            _move(view[1], pixel_of(view[0], world))
            view[1].InvokeEvent("LeftButtonPressEvent")
            view[1].InvokeEvent("LeftButtonReleaseEvent")


def stroke(markups_node: Any, volume_node: Any, places_ijk: list[Ijk], view: tuple[Any, Any] | None) -> None:
    """Press the button at the first voxel, move over the others, and release it at the last."""
    if view is None:
        # All at once, as a stroke's markups hear of it from a script.
        was_modifying = markups_node.StartModify()
        place(markups_node, volume_node, places_ijk, None)
        markups_node.EndModify(was_modifying)
        return
    pixels = [pixel_of(view[0], world_from_ijk(volume_node, ijk)) for ijk in places_ijk]
    _move(view[1], pixels[0])
    view[1].InvokeEvent("LeftButtonPressEvent")
    for pixel in pixels[1:]:
        _move(view[1], pixel)
    view[1].InvokeEvent("LeftButtonReleaseEvent")


def pixel_of(slice_node: Any, world: np.ndarray) -> tuple[int, int]:
    """(x, y) from the lower left: the pixel of a slice view nearest to a point in RAS, mm."""
    to_pixel = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(slice_node.GetXYToRAS(), to_pixel)
    x, y = to_pixel.MultiplyPoint((*world.tolist(), 1.0))[:2]
    return round(x), round(y)


def _move(interactor: Any, pixel: tuple[int, int]) -> None:
    interactor.InvokeEvent("EnterEvent")
    # Slicer's widgets listen to movement: a press out of nowhere is none.
    for step in (3, 0):
        interactor.SetEventInformation(pixel[0] - step, pixel[1], 0, 0, "\0", 0, None)
        interactor.InvokeEvent("MouseMoveEvent")
