"""Gives an empty segment all its voxels at once."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import numpy_to_vtk

from .segments import SegmentScene
from .volume_node import SceneError


def fill_segment(segments: SegmentScene, segment_id: str, voxels_kji: np.ndarray) -> None:
    """Make a segment cover exactly (K, J, I) bool on the volume's grid; no other segment changes.

    Raises SceneError where Slicer refuses them.
    """
    spans = [np.flatnonzero(voxels_kji.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    if not spans[0].size:
        return
    box = tuple(slice(int(span[0]), int(span[-1]) + 1) for span in spans)
    image = slicer.vtkOrientedImageData()
    image.SetExtent([bound for part in box[::-1] for bound in (part.start, part.stop - 1)])
    cropped = np.ascontiguousarray(voxels_kji[box], np.uint8)
    image.GetPointData().SetScalars(numpy_to_vtk(cropped.ravel(), deep=True))
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(segments.grid.ijk_to_ras.ravel().tolist())
    image.SetGeometryFromImageToWorldMatrix(matrix)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    if not logic.SetBinaryLabelmapToSegment(image, segments.node, segment_id, logic.MODE_REPLACE):
        raise SceneError(f"The voxels of {segments.segment_name(segment_id)!r} cannot be put into the segmentation.")
