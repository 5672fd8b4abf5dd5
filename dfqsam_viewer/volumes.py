"""Volumes and label maps of the core as nodes of the scene, and segments of the scene as a label map of the core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import numpy_to_vtk

from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import SliceKey, Volume
from dfqsam_scene.nodes.segment_numbers import LABEL_TAG, label_numbers
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
    segmentation = new_segmentation(volume_node, name)
    representation = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    for value, low_kji, voxels in _pieces(labels.voxels_kji):
        # Slicer's import looks at the whole grid for each label, and an empty segment at all the others.
        segment = slicer.vtkSegment()
        segment.SetName(names.get(value, f"label {value}"))
        segment.SetTag(LABEL_TAG, str(value))
        segment.AddRepresentation(representation, _oriented_image(low_kji, voxels, volume))
        segmentation.GetSegmentation().AddSegment(segment)
    found = label_numbers(segmentation.GetSegmentation()).values()
    for value in sorted(set(names) - set(found)):
        segment_id = segmentation.GetSegmentation().AddEmptySegment("", names[value])
        segmentation.GetSegmentation().GetSegment(segment_id).SetTag(LABEL_TAG, str(value))
    return segmentation


def _pieces(labels_kji: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Each label with the first voxel (3,) of its box and the box's voxels, uint8 (K, J, I); one pass over all."""
    flat = labels_kji.ravel()
    places = np.flatnonzero(flat)
    places = places[np.argsort(flat[places], kind="stable")]
    values, starts = np.unique(flat[places], return_index=True)
    for value, own in zip(values.tolist(), np.split(places, starts[1:]), strict=False):
        kji = np.array(np.unravel_index(own, labels_kji.shape))
        low = kji.min(axis=1)
        voxels = np.zeros(kji.max(axis=1) - low + 1, np.uint8)
        voxels[tuple(kji - low[:, None])] = 1
        yield int(value), low, voxels


def _oriented_image(low_kji: np.ndarray, voxels_kji: np.ndarray, volume: Volume) -> Any:
    image = slicer.vtkOrientedImageData()
    ends = np.stack([low_kji, low_kji + voxels_kji.shape - 1], axis=1)[::-1]
    image.SetExtent(ends.ravel().tolist())
    image.GetPointData().SetScalars(numpy_to_vtk(voxels_kji.ravel(), deep=True))
    image.SetGeometryFromImageToWorldMatrix(_ijk_to_ras(volume))
    return image


def label_map(segments: SegmentScene) -> tuple[np.ndarray, dict[int, str]]:
    """(K, J, I) uint16 of all segments on the volume's grid, and label to name.

    Where segments overlap, the first in the list keeps the voxel, as in `dfqsam segment`.
    """
    numbers = label_numbers(segments.node.GetSegmentation())
    labels = np.zeros(segments.grid.shape_ijk[::-1], np.uint16)
    for index in range(labels.shape[0]):
        plane = labels[index]
        for segment_id, number in numbers.items():
            plane[segments.read(segment_id, SliceKey("K", index)) & (plane == 0)] = number
    return labels, {number: segments.segment_name(segment_id) for segment_id, number in numbers.items()}


def _fill(node: Any, voxels_kji: np.ndarray, volume: Volume) -> None:
    image = vtk.vtkImageData()
    image.SetDimensions(volume.geometry.shape_ijk)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(voxels_kji).ravel(), deep=True))
    node.SetIJKToRASMatrix(_ijk_to_ras(volume))
    node.SetAndObserveImageData(image)


def _ijk_to_ras(volume: Volume) -> Any:
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(volume.geometry.ijk_to_ras.ravel().tolist())
    return matrix


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
        raise VolumeError("The labels are not where the volume is. Open the volume that they belong to.")
    if labels.voxels_kji.dtype.kind == "f" and (labels.voxels_kji % 1 != 0).any():
        raise VolumeError("This is not a label map: it has values that are not whole numbers. Open it as a volume.")
