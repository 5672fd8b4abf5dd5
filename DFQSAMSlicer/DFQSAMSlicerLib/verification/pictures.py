"""Pictures for the report: what a slice view shows, or the voxels themselves where nothing is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy

_OUTLINE = (255, 200, 0)


def picture_of_view(interactor: Any) -> bytes:
    """PNG of what a view with a render window shows now."""
    window = interactor.GetRenderWindow()
    window.Render()
    grabber = vtk.vtkWindowToImageFilter()
    grabber.SetInput(window)
    grabber.ReadFrontBufferOff()
    grabber.Update()
    return _png(grabber.GetOutput())


def picture_of_slice(plane: np.ndarray, mask: np.ndarray, low: float, high: float) -> bytes:
    """PNG of a slice with a mask's outline.

    plane: (rows, columns) grey values, shown from `low` (black) to `high` (white). mask: (rows, columns) bool.
    """
    grey = np.clip((plane - low) * (255.0 / (high - low)), 0, 255).astype(np.uint8)
    colors = np.repeat(grey[..., None], 3, axis=2)
    inner = mask.copy()
    inner[1:] &= mask[:-1]
    inner[:-1] &= mask[1:]
    inner[:, 1:] &= mask[:, :-1]
    inner[:, :-1] &= mask[:, 1:]
    colors[mask & ~inner] = _OUTLINE
    image = vtk.vtkImageData()
    image.SetDimensions(plane.shape[1], plane.shape[0], 1)
    # VTK counts rows from below.
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(colors[::-1]).reshape(-1, 3), deep=True))
    return _png(image)


def _png(image: Any) -> bytes:
    writer = vtk.vtkPNGWriter()
    writer.SetInputData(image)
    writer.WriteToMemoryOn()
    writer.Write()
    return bytes(vtk_to_numpy(writer.GetResult()).tobytes())
