"""The value of the voxel under the mouse, as a radiologist reads it off a workstation."""

from __future__ import annotations

from typing import Any

from dfqsam_core.volume import Volume
from dfqsam_core.volume.geometry import nearest_voxel
from dfqsam_scene.nodes.place_mode import view_under_mouse
from dfqsam_scene.nodes.volume_node import ijk_from_world


def value_under_mouse(volume_node: Any, volume: Volume, unit: str) -> str:
    """Value, unit and voxel (I, J, K) where the mouse is in a slice view; "" beside the volume and all views."""
    crosshair = volume_node.GetScene().GetFirstNodeByClass("vtkMRMLCrosshairNode")
    position = [0.0, 0.0, 0.0]
    if crosshair is None or view_under_mouse(volume_node.GetScene()) is None:
        return ""
    if not crosshair.GetCursorPositionRAS(position):
        return ""
    nearest = nearest_voxel(ijk_from_world(volume_node, position))
    if not volume.geometry.contains(nearest):
        return ""
    ijk = nearest.astype(int)
    value = volume.voxels_kji[tuple(ijk[::-1])]
    return f"{value:.6g} {unit}".strip() + f" at {', '.join(map(str, ijk))}"
