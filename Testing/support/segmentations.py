"""What a segmentation of the scene holds, by other ways than the module's own: Slicer's utilities, files, SimpleITK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
from slicer.util import arrayFromSegmentBinaryLabelmap
from vtkmodules.util.numpy_support import vtk_to_numpy

_NODE = slicer.vtkMRMLSegmentEditorNode
OVERWRITE_MODES = {
    "all": _NODE.OverwriteAllSegments,
    "visible": _NODE.OverwriteVisibleSegments,
    "none": _NODE.OverwriteNone,
}


def whole(segments: Any, segment_id: str) -> np.ndarray:
    """(K, J, I) bool of a segment, by Slicer's own utility; segments: a SegmentScene."""
    labelmap = slicer.vtkOrientedImageData()
    segments.node.GetBinaryLabelmapRepresentation(segment_id, labelmap)
    if labelmap.IsEmpty():
        return np.zeros(segments.grid.shape_ijk[::-1], bool)
    return arrayFromSegmentBinaryLabelmap(segments.node, segment_id, segments.volume_node).astype(bool)


def voxels_of(segmentation_node: Any, segment_id: str) -> list[list[int]]:
    """Voxels (K, J, I) of a segment on the segmentation's own grid; it needs no volume."""
    labelmap = slicer.vtkOrientedImageData()
    assert segmentation_node.GetBinaryLabelmapRepresentation(segment_id, labelmap)
    low_kji = labelmap.GetExtent()[4::-2]
    found = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(labelmap.GetDimensions()[::-1])
    return (np.argwhere(found) + low_kji).tolist()


def covered_slices(segments: Any, segment_id: str) -> list[int]:
    """Indices along K of the slices that a segment has voxels on."""
    return np.flatnonzero(whole(segments, segment_id).any(axis=(1, 2))).tolist()


def saved(segments: Any, path: Path) -> tuple[dict[str, np.ndarray], sitk.Image]:
    """{segment name: (K, J, I) bool} and the image, as SimpleITK reads the .seg.nrrd that Slicer writes."""
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(path))
    storage.SetCropToMinimumExtent(False)
    assert storage.WriteData(segments.node)
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    array = array[..., None] if array.ndim == 3 else array
    found = {}
    for n in range(len(segments.segment_ids)):
        layer, value = (int(image.GetMetaData(f"Segment{n}_{name}")) for name in ("Layer", "LabelValue"))
        found[image.GetMetaData(f"Segment{n}_Name")] = array[..., layer] == value
    return found, image


def save_and_reload(world: Any, segments: Any, folder: Path) -> tuple[Any, Any]:
    """Save the scene in a new folder, close it, and load it; returns the volume and segmentation nodes of then."""
    scene = world.scene
    folder.mkdir()
    scene.SetRootDirectory(str(folder))
    scene.StartState(scene.SaveState)
    for node in [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]:
        if node.IsA("vtkMRMLStorableNode") and node.GetSaveWithScene() and not node.IsA("vtkMRMLColorNode"):
            node.AddDefaultStorageNode()
            storage = node.GetStorageNode()
            if storage is not None:
                storage.SetFileName(str(folder / f"{node.GetID()}.{storage.GetDefaultWriteFileExtension()}"))
                assert storage.WriteData(node)
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Commit()
    scene.EndState(scene.SaveState)
    names = segments.volume_node.GetName(), segments.node.GetName()
    scene.Clear(0)
    assert segments.node.GetScene() is None
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Import(None)
    volume_node, segmentation_node = map(scene.GetFirstNodeByName, names)
    return volume_node, segmentation_node
