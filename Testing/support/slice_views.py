"""Slicer's own slice views, drawn offscreen, and a mouse for them (needs trame-slicer; no display, no browser)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# Set before VTK makes its first window; EGL draws without a display, by the processor where there is no graphics card.
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
os.environ.pop("DISPLAY", None)

import numpy as np
import vtk
from PIL import Image
from trame_slicer.core import SlicerApp
from trame_slicer.views import DirectViewFactory, ViewLayoutDefinition
from trame_slicer.views.render_scheduler import ScheduledRenderStrategy
from vtkmodules.util.numpy_support import vtk_to_numpy

from .mrml_scene import SceneWorld

_LAYOUT = {
    "Red": ViewLayoutDefinition.axial_view(),
    "Green": ViewLayoutDefinition.coronal_view(),
    "Yellow": ViewLayoutDefinition.sagittal_view(),
}


class _WhenAsked(ScheduledRenderStrategy):
    """As in Slicer, a change asks for drawing, and drawing itself waits until the program is idle."""


class SliceViewsWorld(SceneWorld):
    """A scene as Slicer shows it: slice views Red, Green and Yellow, a 3D view, crosshair, markups, segmentations."""

    def __init__(self, width: int = 400, height: int = 300) -> None:
        self.application = SlicerApp()
        self.scene = self.application.scene
        self.application.view_manager.register_factory(DirectViewFactory(do_render_offscreen=True))
        # trame-slicer listens for an event that VTK 9.6 announces as gone; nothing else may go unnoticed.
        vtk.vtkObject.GlobalWarningDisplayOff()
        views = {name: self.application.view_manager.create_view(spec) for name, spec in _LAYOUT.items()}
        three_d = self.application.view_manager.create_view(ViewLayoutDefinition.threed_view())
        vtk.vtkObject.GlobalWarningDisplayOn()
        self.three_d = Mouse(three_d, width, height)
        self.views = {name: SliceViewport(view, width, height) for name, view in views.items()}
        self.publish(
            {
                "volumes": self.application.volumes_logic,
                "segmentations": self.application.segmentations_logic,
                "markups": self.application.markups_logic._logic,
            }
        )

    def read_volume(self, path: Any, name: str, window: float = 400, level: float = 40) -> Any:
        """A volume read by Slicer's own storage node, with a display window."""
        node = super().read_volume(path, name)
        self.set_window(node, window, level)
        return node

    @staticmethod
    def set_window(node: Any, window: float, level: float) -> None:
        """Display a volume between level - window / 2 and level + window / 2."""
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().AutoWindowLevelOff()
        node.GetDisplayNode().SetWindowLevel(window, level)

    def show(self, volume_node: Any) -> None:
        """Show a volume in all views, each in the plane of its voxels, filling the view."""
        self.application.display_manager.show_volume_in_slice_background(volume_node)
        self.application.display_manager.reset_views()
        for viewport in self.views.values():
            viewport.node.RotateToVolumePlane(volume_node)
            viewport.view.fit_view_to_content()


class Mouse:
    """Mouse and keys in one view; pixel positions (x, y) are from the lower left."""

    def __init__(self, view: Any, width: int, height: int) -> None:
        self.view = view
        self.node = view.get_view_node()
        view.set_scheduled_render(_WhenAsked())
        view.interactor().UpdateSize(width, height)
        view.render_window().SetSize(width, height)

    def click(self, pixel: tuple[int, int]) -> None:
        """Move the mouse there, press and release its left button."""
        self.move(pixel)
        self.press()
        self.release()

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Press the left button at the start and release it at the end."""
        self.move(start)
        self.press()
        self.move(((start[0] + end[0]) // 2, (start[1] + end[1]) // 2))
        self.move(end)
        self.release()

    def move(self, pixel: tuple[int, int]) -> None:
        """Move the mouse into the view and to a pixel."""
        interactor = self.view.interactor()
        interactor.InvokeEvent("EnterEvent")
        for step in (3, 0):
            interactor.SetEventInformation(pixel[0] - step, pixel[1], 0, 0, "\0", 0, None)
            interactor.InvokeEvent("MouseMoveEvent")

    def press(self) -> None:
        """Press the left button."""
        self.view.interactor().InvokeEvent("LeftButtonPressEvent")

    def release(self) -> None:
        """Release the left button."""
        self.view.interactor().InvokeEvent("LeftButtonReleaseEvent")

    def right_click(self, pixel: tuple[int, int]) -> None:
        """Click the right button."""
        self.move(pixel)
        self.view.interactor().InvokeEvent("RightButtonPressEvent")
        self.view.interactor().InvokeEvent("RightButtonReleaseEvent")

    def key(self, symbol: str) -> None:
        """Press and release a key, by VTK's name of it, where the mouse is."""
        interactor = self.view.interactor()
        x, y = interactor.GetEventPosition()
        interactor.SetEventInformation(x, y, 0, 0, "\0", 0, symbol)
        for event in ("KeyPressEvent", "CharEvent", "KeyReleaseEvent"):
            interactor.InvokeEvent(event)

    def wheel(self, steps: int) -> None:
        """Turn the wheel forwards, or backwards for a negative number."""
        for _ in range(abs(steps)):
            self.view.interactor().InvokeEvent("MouseWheelForwardEvent" if steps > 0 else "MouseWheelBackwardEvent")

    def leave(self) -> None:
        """Move the mouse out of the view."""
        self.view.interactor().InvokeEvent("LeaveEvent")

    def picture(self, path: Path | None = None) -> np.ndarray:
        """What the view shows, uint8 (rows, columns, 3), its first row on top; also written as a PNG where asked."""
        self.view.render_window().Render()
        grabber = vtk.vtkWindowToImageFilter()
        grabber.SetInput(self.view.render_window())
        grabber.ReadFrontBufferOff()
        grabber.Update()
        image = grabber.GetOutput()
        columns, rows, _ = image.GetDimensions()
        pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)[::-1, :, :3].copy()
        if path is not None:
            Image.fromarray(pixels).save(path, optimize=True)
            pixels = np.asarray(Image.open(path))
        return pixels


class SliceViewport(Mouse):
    """One slice view: what it shows, and mouse and keys in it."""

    def __init__(self, view: Any, width: int, height: int) -> None:
        super().__init__(view, width, height)
        # The interactor tells nobody of its new size since VTK 9.6; the slice node must know it.
        view._logic.ResizeSliceNode(width, height)

    def go_to(self, world_ras: Any) -> None:
        """Show the slice through a point, in the middle of the view."""
        self.node.JumpSliceByCentering(*np.asarray(world_ras, float).tolist())

    def pixel(self, world_ras: Any) -> tuple[int, int]:
        """The pixel nearest to a point of the world."""
        to_ras = vtk.vtkMatrix4x4()
        to_ras.DeepCopy(self.node.GetXYToRAS())
        to_ras.Invert()
        x, y = to_ras.MultiplyPoint((*np.asarray(world_ras, float).tolist(), 1.0))[:2]
        return round(x), round(y)

    def world(self, pixel: tuple[int, int]) -> np.ndarray:
        """(3,) RAS of a pixel in the plane that is shown."""
        return np.array(self.node.GetXYToRAS().MultiplyPoint((*pixel, 0.0, 1.0))[:3])


def around(pixels: np.ndarray, pixel: tuple[int, int], reach: int = 3) -> np.ndarray:
    """The square of a picture around a pixel that is counted from the lower left."""
    row, column = len(pixels) - 1 - pixel[1], pixel[0]
    return pixels[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]


def differing(first: np.ndarray, second: np.ndarray, by: int = 12) -> np.ndarray:
    """(rows, columns) bool: where two pictures differ by more than `by` of 255 in a channel."""
    return (np.abs(first.astype(int) - second.astype(int)) > by).any(axis=2)
