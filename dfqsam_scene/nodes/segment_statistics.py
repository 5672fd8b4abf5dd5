"""How large segments are: voxels, millilitres, slices."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np
import slicer
from vtkmodules.util.numpy_support import vtk_to_numpy

from dfqsam_core.volume.geometry import axis_index

from .segment_numbers import label_numbers


@dataclass(frozen=True)
class SegmentSize:
    """One segment. label: its number. slices: across the given axis that it is on. Overlaps count in each segment."""

    name: str
    label: int
    voxels: int
    ml: float
    slices: int


def segment_sizes(segmentation_node: Any, axis: str) -> tuple[SegmentSize, ...]:
    """Size of each segment of a vtkMRMLSegmentationNode; axis: slices are perpendicular to it, "I", "J" or "K"."""
    segmentation = segmentation_node.GetSegmentation()
    return tuple(
        SegmentSize(segmentation.GetSegment(segment_id).GetName(), label, *_size(segmentation_node, segment_id, axis))
        for segment_id, label in label_numbers(segmentation).items()
    )


def sizes_csv(sizes: Sequence[SegmentSize]) -> str:
    """A table with a head, as spreadsheets read it; millilitres with 3 digits."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([field.name for field in fields(SegmentSize)])
    table.writerows([_cell(part) for part in astuple(size)] for size in sizes)
    return text.getvalue()


def _cell(part: Any) -> str:
    if isinstance(part, float):
        return f"{part:.3f}"
    # A spreadsheet would run what begins so.
    text = str(part)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


def _size(segmentation_node: Any, segment_id: str, axis: str) -> tuple[int, float, int]:
    image = slicer.vtkOrientedImageData()
    if not segmentation_node.GetBinaryLabelmapRepresentation(segment_id, image) or image.IsEmpty():
        return 0, 0.0, 0
    covered = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1]) > 0
    count = int(np.count_nonzero(covered))
    across = tuple(n for n in range(3) if n != 2 - axis_index(axis))
    return count, count * float(np.prod(image.GetSpacing())) / 1000, int(covered.any(axis=across).sum())
