"""A segment taken out of a segmentation, kept small, and put back as it was: name, colour, tags, place and voxels."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from .segment_rows import SegmentFacts, segment_facts
from .volume_node import SceneError, matrix_array


@dataclass(frozen=True, eq=False)
class KeptVoxels:
    """Voxels of one segment: (6,) extent and (4, 4) image to world; deflated: eight voxels in a byte."""

    extent: tuple[int, ...]
    image_to_world: np.ndarray
    deflated: bytes

    @classmethod
    def of(cls, segmentation_node: Any, segment_id: str) -> KeptVoxels | None:
        """Return what a segment covers now, None for nothing."""
        image = slicer.vtkOrientedImageData()
        if not segmentation_node.GetBinaryLabelmapRepresentation(segment_id, image) or image.IsEmpty():
            return None
        matrix = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        covered = vtk_to_numpy(image.GetPointData().GetScalars()) > 0
        packed = zlib.compress(np.packbits(covered).tobytes(), 1)
        return cls(tuple(image.GetExtent()), matrix_array(matrix).copy(), packed) if covered.any() else None

    def image(self) -> Any:
        """A new vtkOrientedImageData (uint8) of them."""
        sizes = np.diff(np.reshape(self.extent, (3, 2))).ravel() + 1
        packed = np.frombuffer(zlib.decompress(self.deflated), np.uint8)
        image = slicer.vtkOrientedImageData()
        image.SetExtent(list(self.extent))
        image.GetPointData().SetScalars(numpy_to_vtk(np.unpackbits(packed, count=int(sizes.prod())), deep=True))
        matrix = vtk.vtkMatrix4x4()
        matrix.DeepCopy(self.image_to_world.ravel().tolist())
        image.SetGeometryFromImageToWorldMatrix(matrix)
        return image


@dataclass(frozen=True, eq=False)
class SegmentRecord:
    """All of one segment. index: its place in the list. visible: whether it is shown. voxels: None for none."""

    facts: SegmentFacts
    index: int
    visible: bool
    voxels: KeptVoxels | None

    @classmethod
    def of(cls, segmentation_node: Any, segment_id: str, with_voxels: bool = False) -> SegmentRecord | None:
        """A segment as it is now; None where there is no such one."""
        ids = list(segmentation_node.GetSegmentation().GetSegmentIDs())
        if segment_id not in ids:
            return None
        facts = replace(segment_facts(segmentation_node)[ids.index(segment_id)], segment=None)
        display = segmentation_node.GetDisplayNode()
        visible = display is None or bool(display.GetSegmentVisibility(segment_id))
        voxels = KeptVoxels.of(segmentation_node, segment_id) if with_voxels else None
        return cls(facts, ids.index(segment_id), visible, voxels)

    def put_back(self, segmentation_node: Any) -> None:
        """Add the segment with all it had, below its own ID; raises SceneError where Slicer refuses its voxels."""
        segmentation = segmentation_node.GetSegmentation()
        self.facts.add_to(segmentation)
        segment_id = self.facts.id
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        if self.voxels is not None and not logic.SetBinaryLabelmapToSegment(
            self.voxels.image(), segmentation_node, segment_id, logic.MODE_REPLACE
        ):
            segmentation.RemoveSegment(segment_id)
            raise SceneError(f"The segment {self.facts.name!r} cannot be put back. Nothing was changed.")
        segmentation.SetSegmentIndex(segment_id, min(self.index, segmentation.GetNumberOfSegments() - 1))
        if segmentation_node.GetDisplayNode() is not None:
            segmentation_node.GetDisplayNode().SetSegmentVisibility(segment_id, self.visible)


def describe_as(segmentation_node: Any, segment_id: str, facts: SegmentFacts) -> None:
    """Give a segment the name, colour and number of these facts; raises SceneError when it is gone."""
    segment = segmentation_node.GetSegmentation().GetSegment(segment_id)
    if segment is None:
        raise SceneError(f"The segment {facts.name!r} is gone. Choose another one.")
    segment.SetName(facts.name)
    segment.SetColor(*facts.color)
    for tag, value in facts.tags:
        segment.SetTag(tag, value)
