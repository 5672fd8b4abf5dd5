"""Slicer's Segment Editor without its panel: modifies a segment under the settings that the user made there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import numpy_to_vtk

from dfqsam_core.volume import SliceKey
from dfqsam_core.volume.geometry import axis_index

from .volume_node import SceneError

_OWN_TAG = "DFQSAMSlicer"
# The tag of the node that Slicer's own Segment Editor module keeps its settings in.
_SLICER_TAG = "SegmentEditor"
_CLASS = "vtkMRMLSegmentEditorNode"


class SegmentEditor:
    """vtkSlicerSegmentEditorLogic on a settings node of our own, hidden and not saved.

    What is selected in Slicer's Segment Editor stays as it is: its settings are copied before each use, never changed.
    settings_node: the vtkMRMLSegmentEditorNode to copy from; None for that of Slicer's Segment Editor module.
    """

    def __init__(self, volume_node: Any, segmentation_node: Any, ijk_to_ras: np.ndarray) -> None:
        """ijk_to_ras: (4, 4), of the volume's voxels in the segmentation's space."""
        self._ijk_to_ras = ijk_to_ras
        self.settings_node: Any = None
        self._volume_node = volume_node
        self._segmentation_node = segmentation_node
        self._settings = _own_settings_node(segmentation_node.GetScene())
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._logic.SetMRMLScene(segmentation_node.GetScene())
        self._logic.SetSegmentEditorNode(self._settings)

    def use_settings_of_slicer(self, segment_id: str) -> None:
        """Take over masking, intensity range and overwrite mode from Slicer's Segment Editor (or its defaults)."""
        theirs = self.settings_node or self._segmentation_node.GetScene().GetSingletonNode(_SLICER_TAG, _CLASS)
        self._use(segment_id, theirs or slicer.vtkMRMLSegmentEditorNode())

    def use_no_settings(self, segment_id: str) -> None:
        """Edit everywhere and overwrite nothing."""
        self._use(segment_id, slicer.vtkMRMLSegmentEditorNode())
        self.allow_overlap()

    def protect(self, others: Iterable[str]) -> list[str]:
        """Overwrite none of these segments in what follows; returns those that the mode until now keeps apart."""
        apart = [other for other in others if self.overwrites(other)]
        self.allow_overlap()
        return apart

    def allow_overlap(self) -> None:
        """Overwrite no other segment in what follows."""
        self._settings.SetOverwriteMode(self._settings.OverwriteNone)

    def overwrites(self, other_id: str) -> bool:
        """Return whether the overwrite mode lets an edit take voxels of the segment `other_id`."""
        mode, display = self._settings.GetOverwriteMode(), self._segmentation_node.GetDisplayNode()
        if mode == self._settings.OverwriteVisibleSegments:
            return display is not None and display.GetSegmentVisibility(other_id)
        return mode != self._settings.OverwriteNone

    def require_masks(self, images: Iterable[Any]) -> None:
        """Raise SceneError where Slicer's logic cannot mask such edits: it would change nothing, or all, silently."""
        own, segmentation = self._settings, self._segmentation_node.GetSegmentation()
        single = slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment
        if own.GetMaskMode() == single and segmentation.GetSegment(own.GetMaskSegmentID() or "") is None:
            raise SceneError(
                "The Segment Editor allows edits only inside a segment that is not there any more. "
                "Choose another editable area there (Masking)."
            )
        if own.GetSourceVolumeIntensityMask() and not all(map(self._is_aligned, images)):
            source = _name(own.GetSourceVolumeNode())
            raise SceneError(
                f"The Segment Editor's intensity range cannot be applied: the volume {source} "
                f"does not cover the geometry of the segmentation {_name(self._segmentation_node)}. Switch the range "
                "off there (Masking), or choose the volume that the segmentation was made on as its source volume."
            )

    def replace(self, segment_id: str, key: SliceKey, present: np.ndarray, wanted: np.ndarray) -> bool:
        """Remove and add what differs on a slice, as far as the settings allow; False where nothing does.

        present, wanted: (rows, columns) bool in storage order. Raises as `require_masks` does.
        """
        # Often one of the two is nothing, and the work on the rest is smaller.
        steps = (
            (self._logic.ModificationModeRemove, present & ~wanted),
            (self._logic.ModificationModeAdd, wanted & ~present),
        )
        edits = [(mode, self._oriented_image(key, voxels)) for mode, voxels in steps if voxels.any()]
        if edits:
            # Before the first of them: a write happens whole or not at all.
            self.require_masks([image for _, image in edits])
        for mode, image in edits:
            extent = image.GetExtent()
            self._logic.ModifySegmentByLabelmap(self._segmentation_node, segment_id, image, mode, extent, False, False)
        return bool(edits)

    def _oriented_image(self, key: SliceKey, voxels: np.ndarray) -> Any:
        """vtkOrientedImageData (uint8) of a plane's bounding box; voxels: (rows, columns) bool, not empty."""
        spans = [np.flatnonzero(voxels.any(axis=axis))[[0, -1]] for axis in (0, 1)]
        normal = axis_index(key.axis)
        extent = [extreme for span in spans for extreme in span.tolist()]
        extent[2 * normal : 2 * normal] = [key.index, key.index]
        (column_0, column_1), (row_0, row_1) = spans
        cropped = np.ascontiguousarray(voxels[row_0 : row_1 + 1, column_0 : column_1 + 1], np.uint8)
        image = slicer.vtkOrientedImageData()
        image.SetExtent(extent)
        image.GetPointData().SetScalars(numpy_to_vtk(cropped.ravel(), deep=True))
        matrix = vtk.vtkMatrix4x4()
        matrix.DeepCopy(self._ijk_to_ras.ravel().tolist())
        image.SetGeometryFromImageToWorldMatrix(matrix)
        return image

    def _is_aligned(self, image: Any) -> bool:
        """Whether the source volume, resampled by Slicer's logic, has an intensity for every voxel of the image."""
        if not self._logic.UpdateAlignedSourceVolume():
            return False
        source = self._logic.GetAlignedSourceVolume()
        inner, outer = image.GetExtent(), source.GetExtent()
        return slicer.vtkOrientedImageDataResample.DoGeometriesMatch(image, source) and all(
            outer[n] <= inner[n] and inner[n + 1] <= outer[n + 1] for n in (0, 2, 4)
        )

    def _use(self, segment_id: str, source: Any) -> None:
        own = self._settings
        own.SetAndObserveSegmentationNode(self._segmentation_node)
        own.SetAndObserveSourceVolumeNode(source.GetSourceVolumeNode() or self._volume_node)
        own.SetSelectedSegmentID(segment_id)
        own.SetOverwriteMode(source.GetOverwriteMode())
        own.SetMaskMode(source.GetMaskMode())
        own.SetMaskSegmentID(source.GetMaskSegmentID())
        own.SetSourceVolumeIntensityMask(source.GetSourceVolumeIntensityMask())
        own.SetSourceVolumeIntensityMaskRange(source.GetSourceVolumeIntensityMaskRange())
        self._logic.SetSegmentationNode(self._segmentation_node)
        self._logic.SetSourceVolumeNode(own.GetSourceVolumeNode())


def _own_settings_node(scene: Any) -> Any:
    found = scene.GetSingletonNode(_OWN_TAG, _CLASS)
    if found is None:
        found = scene.CreateNodeByClass(_CLASS)
        found.UnRegister(None)
        found.SetSingletonTag(_OWN_TAG)
        found.SetName(_OWN_TAG)
        found.SetHideFromEditors(True)
        found.SetSaveWithScene(False)
        scene.AddNode(found)
    return found


def _name(node: Any) -> str:
    return repr(node.GetName())
