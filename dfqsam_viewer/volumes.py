"""Volumes and label maps of the core as nodes of the scene, and segments of the scene as a label map of the core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import numpy_to_vtk

from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import SliceKey, Volume
from dfqsam_scene.nodes.segment_rows import LABEL_TAG
from dfqsam_scene.nodes.segments import SegmentScene, new_segmentation

_SAME_PLACE_MM = 0.1


def add_volume(scene: Any, volume: Volume, name: str) -> Any:
    """Add a vtkMRMLScalarVolumeNode with the voxels (copied) and the grid of a volume."""
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    _fill(node, volume.voxels_kji, volume)
    node.CreateDefaultDisplayNodes()
    return node


def add_label_map(volume_node: Any, volume: Volume, labels: Volume, name: str, names: Mapping[int, str]) -> Any:
    """Add a segmentation of a label map on the grid of `volume`; returns its node.

    names: label to segment name; others are called "label N". Raises VolumeError for another grid.
    """
    _check_grid(volume, labels)
    scene = volume_node.GetScene()
    values = [int(value) for value in np.unique(labels.voxels_kji) if value != 0]
    segmentation = new_segmentation(volume_node, name)
    for value in values:
        # One at a time: a label map's import names segments by colour tables, which the file does not have.
        node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
        _fill(node, (labels.voxels_kji == value).astype(np.uint8), volume)
        segment_id = segmentation.GetSegmentation().AddEmptySegment("", names.get(value, f"label {value}"))
        ids = vtk.vtkStringArray()
        ids.InsertNextValue(segment_id)
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        logic.ImportLabelmapToSegmentationNode(node, segmentation, ids)
        segmentation.GetSegmentation().GetSegment(segment_id).SetTag(LABEL_TAG, str(value))
        scene.RemoveNode(node)
    return segmentation


def label_map(segments: SegmentScene) -> tuple[np.ndarray, dict[int, str]]:
    """(K, J, I) uint16 of all segments on the volume's grid, and label to name.

    A segment keeps the number of the label map it came from; others get the lowest free one. Where segments overlap,
    the first in the list keeps the voxel, as in `dfqsam segment`.
    """
    numbers = _numbers(segments)
    labels = np.zeros(segments.grid.shape_ijk[::-1], np.uint16)
    for index in range(labels.shape[0]):
        plane = labels[index]
        for segment_id, number in numbers.items():
            plane[segments.read(segment_id, SliceKey("K", index)) & (plane == 0)] = number
    return labels, {number: segments.segment_name(segment_id) for segment_id, number in numbers.items()}


def _numbers(segments: SegmentScene) -> dict[str, int]:
    known: dict[str, int] = {}
    for segment_id in segments.segment_ids:
        tag = vtk.reference("")
        if segments.node.GetSegmentation().GetSegment(segment_id).GetTag(LABEL_TAG, tag):
            number = int(tag.get()) if tag.get().isdecimal() else 0
            if 0 < number <= 65535 and number not in known.values():
                known[segment_id] = number
    free = (number for number in range(1, 65536) if number not in known.values())
    return {segment_id: known.get(segment_id) or next(free) for segment_id in segments.segment_ids}


def _fill(node: Any, voxels_kji: np.ndarray, volume: Volume) -> None:
    image = vtk.vtkImageData()
    image.SetDimensions(volume.geometry.shape_ijk)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(voxels_kji).ravel(), deep=True))
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(volume.geometry.ijk_to_ras.ravel().tolist())
    node.SetIJKToRASMatrix(matrix)
    node.SetAndObserveImageData(image)


def _check_grid(volume: Volume, labels: Volume) -> None:
    mine, theirs = volume.geometry, labels.geometry
    if mine.shape_ijk != theirs.shape_ijk:
        raise VolumeError(
            f"The labels have {theirs.shape_ijk} voxels, the volume {mine.shape_ijk}. "
            "Open the volume that they belong to."
        )
    # The first voxel and the last ones along each axis: two opposite corners would also fit a grid with axes swapped.
    corners = np.vstack([np.zeros(3), np.diag(mine.shape_ijk) - np.eye(3)])
    if np.abs(mine.from_ijk(corners, "RAS") - theirs.from_ijk(corners, "RAS")).max() > _SAME_PLACE_MM:
        raise VolumeError("The labels lie at another place than the volume. Open the volume that they belong to.")
    if labels.voxels_kji.dtype.kind == "f" and (labels.voxels_kji % 1 != 0).any():
        raise VolumeError("This is no label map: it has values that are not whole numbers. Open it as a volume.")
