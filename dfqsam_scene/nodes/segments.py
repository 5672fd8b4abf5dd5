"""The only file that touches segments: reads and writes one slice of one segment, as Slicer's Segment Editor would.

Nothing here deletes or renames a node, changes a display, or writes to a volume.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import vtk_to_numpy

from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import SliceKey, VolumeGeometry
from dfqsam_core.volume.geometry import AXES, axis_index
from dfqsam_core.volume.slices import plane_shape

from .segment_editor import SegmentEditor
from .volume_node import SceneError, ijk_to_ras, matrix_array

# Share of a voxel by which two grids may differ and still be one.
_SAME_GRID = 1e-3


@dataclass(frozen=True, eq=False)
class SegmentChange:
    """The voxels of one segment on one slice before and after; small, as a history keeps many of them.

    shape: (rows, columns). deflated: of (2, bytes) uint8, eight voxels in a byte.
    """

    segment_id: str
    slice: SliceKey
    shape: tuple[int, ...]
    deflated: bytes

    @classmethod
    def of(cls, segment_id: str, key: SliceKey, before: np.ndarray, after: np.ndarray) -> SegmentChange:
        """Change from `before` to `after`, both (rows, columns) bool in storage order."""
        packed = np.packbits(np.stack([before, after]).reshape(2, -1), axis=1)
        return cls(segment_id, key, before.shape, zlib.compress(packed.tobytes(), 1))

    @property
    def before(self) -> np.ndarray:
        """(rows, columns) bool in storage order; a new array."""
        return self._plane(0)

    @property
    def after(self) -> np.ndarray:
        """(rows, columns) bool in storage order; a new array."""
        return self._plane(1)

    def _plane(self, n: int) -> np.ndarray:
        packed = np.frombuffer(zlib.decompress(self.deflated), np.uint8).reshape(2, -1)
        return np.unpackbits(packed[n], count=self.shape[0] * self.shape[1]).view(bool).reshape(self.shape)


def new_segmentation(volume_node: Any, name: str, is_hidden: bool = False) -> Any:
    """Add a segmentation node on the grid of a volume, beside it under the same parent transform.

    is_hidden: in no list, nor in the Data tree, which looks at a node when it is added.
    """
    node = volume_node.GetScene().CreateNodeByClass("vtkMRMLSegmentationNode")
    node.UnRegister(None)
    node.SetName(name)
    node.SetHideFromEditors(is_hidden)
    node = volume_node.GetScene().AddNode(node)
    node.CreateDefaultDisplayNodes()
    # The parent comes first: the reference geometry is computed in the node's own frame at the time of the call, and
    # the other order makes saving resample the segments.
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    return node


class SegmentScene:
    """One segmentation node as seen from the grid of one volume.

    Raises SceneError when the segmentation cannot hold voxels of that grid exactly.
    """

    def __init__(self, volume_node: Any, segmentation_node: Any) -> None:
        self.volume_node = volume_node
        self.node = segmentation_node
        self._check_presence()
        self._image = volume_node.GetImageData()
        self._name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        if self.node.GetSegmentation().GetSourceRepresentationName() != self._name:
            raise SceneError(
                f"The segmentation {self.node.GetName()!r} is made of surfaces or contours. Open it once in the "
                "Segment Editor, which offers to convert it to binary labelmaps, or make a new segmentation."
            )
        self.grid = VolumeGeometry(self._grid_matrix(), volume_node.GetImageData().GetDimensions())
        self._shapes = {axis: plane_shape(self.grid.shape_ijk[::-1], axis) for axis in AXES}
        self._check_labelmaps()
        if all(self._labelmap(segment_id)[0] is None for segment_id in self.segment_ids):
            # Masks and saved files of a segmentation without a voxel take this grid.
            self.node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
        self._editor = SegmentEditor(volume_node, segmentation_node, self.grid.ijk_to_ras)
        # Slices that were written here, for whoever keeps a copy of the voxels and empties the list.
        self.written: list[SliceKey] = []

    @property
    def segment_ids(self) -> tuple[str, ...]:
        """Segment IDs in the order of the segmentation."""
        return tuple(self.node.GetSegmentation().GetSegmentIDs())

    def segment_name(self, segment_id: str) -> str:
        """Return what people call a segment."""
        return self._segment(segment_id).GetName()

    def add_segment(self, name: str) -> str:
        """Add an empty segment and return its ID."""
        return self.node.GetSegmentation().AddEmptySegment("", name)

    def follow_settings(self, editor_node: Any) -> None:
        """Take masking and overwrite mode from this vtkMRMLSegmentEditorNode instead of Slicer's Segment Editor's."""
        self._editor.settings_node = editor_node

    def read(self, segment_id: str, key: SliceKey) -> np.ndarray:
        """(rows, columns) bool in storage order: what a segment covers on a slice now; a new array."""
        self.check()
        return self._plane(segment_id, key)

    def is_empty(self, segment_id: str) -> bool:
        """Return whether a segment has no voxel at all; raises SceneError when it is gone."""
        return self._labelmap(segment_id)[0] is None

    def _plane(self, segment_id: str, key: SliceKey) -> np.ndarray:
        plane = np.zeros(self._shapes[key.axis], bool)
        labelmap, value = self._labelmap(segment_id)
        if labelmap is None:
            return plane
        low, high = self._bounds(labelmap)
        first, last = np.maximum(low, 0), np.minimum(high, np.array(self.grid.shape_ijk) - 1)
        normal = axis_index(key.axis)
        if not first[normal] <= key.index <= last[normal] or (first > last).any():
            return plane
        first[normal] = last[normal] = key.index
        i, j, k = [slice(a, b + 1) for a, b in zip(first - low, last - low, strict=True)]
        stored = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape((high - low + 1)[::-1])[k, j, i]
        columns, rows = [slice(first[n], last[n] + 1) for n in range(3) if n != normal]
        plane[rows, columns] = stored.squeeze(axis=2 - normal) == value
        return plane

    def box(self, segment_id: str, margin: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """First voxel (3,) IJK and voxels, a new array (K, J, I) bool, of the box around what a segment covers.

        margin: voxels more along I, J and K, as far as the volume reaches. Raises as `read` does.
        """
        self.check()
        labelmap, value = self._labelmap(segment_id)
        nothing = np.zeros(3, int), np.zeros((0, 0, 0), bool)
        if labelmap is None:
            return nothing
        low, high = self._bounds(labelmap)
        stored = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape((high - low + 1)[::-1]) == value
        spans = [np.flatnonzero(stored.any(axis=tuple({0, 1, 2} - {2 - n}))) for n in range(3)]
        if not spans[0].size:
            return nothing
        first = np.maximum(low + [span[0] for span in spans] - margin, 0)
        end = np.minimum(low + [span[-1] for span in spans] + margin, np.array(self.grid.shape_ijk) - 1)
        if (first > end).any():
            return nothing
        voxels = np.zeros((end - first + 1)[::-1], bool)
        inner_low, inner_high = np.maximum(first, low), np.minimum(end, high)
        inside = [slice(a, b + 1) for a, b in zip(inner_low - first, inner_high - first, strict=True)]
        of_stored = [slice(a, b + 1) for a, b in zip(inner_low - low, inner_high - low, strict=True)]
        voxels[tuple(inside[::-1])] = stored[tuple(of_stored[::-1])]
        return first, voxels

    def drawn_slices(self, segment_id: str) -> range:
        """Indices along K of the slices that may have voxels of a segment."""
        labelmap, _ = self._labelmap(segment_id)
        if labelmap is None:
            return range(0)
        low, high = self._bounds(labelmap)
        return range(max(int(low[2]), 0), min(int(high[2]), self.grid.shape_ijk[2] - 1) + 1)

    def planes(self, segment_id: str, key: SliceKey) -> dict[str, np.ndarray]:
        """As `read`, of every segment; the given one comes first."""
        self.check()
        return {other: self._plane(other, key) for other in dict.fromkeys([segment_id, *self.segment_ids])}

    def write(
        self,
        segment_id: str,
        key: SliceKey,
        mask: np.ndarray,
        protect_others: bool = True,
        planes: dict[str, np.ndarray] | None = None,
    ) -> tuple[SegmentChange, ...]:
        """Make a segment cover `mask` on one slice, as far as the Segment Editor's settings allow.

        mask: (rows, columns) bool in storage order. Masking and intensity range of the Segment Editor hold, so that
        voxels outside them keep what they have. protect_others: no other segment changes; where the overwrite mode
        says that segments do not overlap, their voxels are left out. Otherwise the overwrite mode decides.
        planes: what `planes` gave just now, to save reading it again. Returns every change that this made, this
        segment's first.
        """
        before = planes or self.planes(segment_id, key)
        wanted = mask.astype(bool)
        self._editor.use_settings_of_slicer(segment_id)
        if protect_others:
            for other in self._editor.protect([other for other in before if other != segment_id]):
                wanted &= ~before[other]
        if self._editor.replace(segment_id, key, before[segment_id], wanted):
            self.written.append(key)
        after = {other: self._plane(other, key) for other in before}
        return tuple([SegmentChange.of(n, key, before[n], after[n]) for n in before if (before[n] != after[n]).any()])

    def restore(self, segment_id: str, key: SliceKey, mask: np.ndarray) -> None:
        """Make a segment cover exactly `mask` on one slice, whatever the settings; no other segment changes."""
        present = self.read(segment_id, key)
        self._editor.use_no_settings(segment_id)
        if self._editor.replace(segment_id, key, present, mask.astype(bool)):
            self.written.append(key)

    def check(self) -> None:
        """Raise SceneError when a node is gone, has another image, or moved against the other since this was made."""
        self._check_presence()
        if self.volume_node.GetImageData() is not self._image:
            raise SceneError(
                f"The volume {self.volume_node.GetName()!r} holds another image now. Choose it again to segment that."
            )
        if np.abs(self._grid_matrix() - self.grid.ijk_to_ras).max() > _SAME_GRID:
            raise SceneError(
                f"The volume {self.volume_node.GetName()!r} or the segmentation {self.node.GetName()!r} has moved. "
                "Move it back, or choose both again to continue where they are now."
            )

    def _check_presence(self) -> None:
        if self.volume_node is None or self.volume_node.GetScene() is None:
            raise SceneError("There is no volume any more. Load it again, or choose another one.")
        if self.node is None or self.node.GetScene() is None:
            raise SceneError("There is no segmentation. Choose one, or make a new one.")

    def _segment(self, segment_id: str) -> Any:
        segment = self.node.GetSegmentation().GetSegment(segment_id)
        if segment is None:
            raise SceneError(
                f"The segmentation {self.node.GetName()!r} has no segment {segment_id!r} any more. Choose another one."
            )
        return segment

    def _labelmap(self, segment_id: str) -> tuple[Any, int]:
        """A segment's labelmap (None while it is empty), shared with other segments, and its value in there."""
        segment = self._segment(segment_id)
        labelmap = segment.GetRepresentation(self._name)
        empty = labelmap is None or labelmap.IsEmpty() or labelmap.GetPointData().GetScalars() is None
        return (None if empty else labelmap), segment.GetLabelValue()

    def _bounds(self, labelmap: Any) -> tuple[np.ndarray, np.ndarray]:
        """First and last voxel (3,) of a labelmap on the volume's grid; raises SceneError for another grid."""
        matrix = vtk.vtkMatrix4x4()
        labelmap.GetImageToWorldMatrix(matrix)
        relative = np.linalg.solve(self.grid.ijk_to_ras, np.reshape(matrix.GetData(), (4, 4)))
        extent = np.array(labelmap.GetExtent()).reshape(3, 2)
        corners = relative[:3, :3] @ extent + relative[:3, 3:]
        shift = np.rint(relative[:3, 3]).astype(int)
        if np.abs(corners - extent - shift[:, None]).max() > _SAME_GRID:
            raise SceneError(
                f"The segmentation {self.node.GetName()!r} is drawn on another grid than the volume "
                f"{self.volume_node.GetName()!r}. Choose the volume that it was made on, or make a new segmentation."
            )
        return extent[:, 0] + shift, extent[:, 1] + shift

    def _check_labelmaps(self) -> None:
        for segment_id in self.segment_ids:
            labelmap, _ = self._labelmap(segment_id)
            if labelmap is not None:
                self._bounds(labelmap)

    def _grid_matrix(self) -> np.ndarray:
        """(4, 4): from the volume's voxels to the segmentation's own frame."""
        source, target = self.volume_node.GetParentTransformNode(), self.node.GetParentTransformNode()
        if source is target:
            return ijk_to_ras(self.volume_node)
        if not all(node is None or node.IsTransformToWorldLinear() for node in (source, target)):
            raise SceneError(
                f"The volume {self.volume_node.GetName()!r} and the segmentation {self.node.GetName()!r} are under "
                "different transforms, one of them not linear. Put both under the same one (module Transforms)."
            )
        between = vtk.vtkMatrix4x4()
        slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(source, target, between)
        matrix = matrix_array(between) @ ijk_to_ras(self.volume_node)
        try:
            return VolumeGeometry(matrix, self.volume_node.GetImageData().GetDimensions()).ijk_to_ras
        except VolumeError as error:
            raise SceneError(f"The segmentation's transform does not fit the volume's. {error}") from error
