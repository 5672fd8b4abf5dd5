"""The number of a segment in label maps: given once, kept through every file, shown beside its name."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from dfqsam_core.volume.prompts import MAX_LABEL

# Slicer numbers its own LabelValue anew when it merges labelmaps; the tag stays with the segment.
LABEL_TAG = "DFQSAMSlicer.label"


def label_numbers(segmentation: Any) -> dict[str, int]:
    """Number by segment ID, 1..65535, no two alike: a segment's own tag, else its LabelValue, else the lowest free."""
    segments = {segment_id: segmentation.GetSegment(segment_id) for segment_id in segmentation.GetSegmentIDs()}
    numbers: dict[str, int] = {}
    for number_of in (_tagged, lambda segment: segment.GetLabelValue()):
        for segment_id, segment in segments.items():
            number = number_of(segment)
            if segment_id not in numbers and 0 < number <= MAX_LABEL and number not in numbers.values():
                numbers[segment_id] = number
    free = (number for number in range(1, MAX_LABEL + 1) if number not in numbers.values())
    return {segment_id: numbers.get(segment_id) or next(free) for segment_id in segments}


def keep_numbers(segmentation: Any) -> None:
    """Let every segment of a vtkSegmentation keep the number that it has now, whatever happens to the others."""
    for segment_id, number in label_numbers(segmentation).items():
        segment = segmentation.GetSegment(segment_id)
        if _tagged(segment) != number:
            segment.SetTag(LABEL_TAG, str(number))


def give_free_number(segmentation: Any, segment_id: str) -> None:
    """Number a new segment: the lowest number that no other one has."""
    others = {number for other, number in label_numbers(segmentation).items() if other != segment_id}
    free = next(number for number in range(1, MAX_LABEL + 1) if number not in others)
    segmentation.GetSegment(segment_id).SetTag(LABEL_TAG, str(free))


def give_number(segmentation: Any, segment_id: str, number: int) -> None:
    """Give a segment this number, unless another one has it."""
    if number not in {taken for other, taken in label_numbers(segmentation).items() if other != segment_id}:
        segmentation.GetSegment(segment_id).SetTag(LABEL_TAG, str(number))


def write_numbers(segmentation: Any) -> None:
    """Give the voxels the numbers as LabelValue, before Slicer's writers look at them; what they cover stays.

    Only a single labelmap keeps its values there. Segments that overlap need several: then the tags alone tell.
    """
    kind = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    if segmentation.GetSourceRepresentationName() != kind:
        return
    keep_numbers(segmentation)
    numbers = label_numbers(segmentation)
    # Merges what does not overlap, as the writers do.
    segmentation.CollapseBinaryLabelmaps(False)
    segments = {segment_id: segmentation.GetSegment(segment_id) for segment_id in numbers}
    images = [segment.GetRepresentation(kind) for segment in segments.values()]
    drawn = [image for image in images if image is not None and not image.IsEmpty()]
    values = {segment.GetLabelValue(): numbers[segment_id] for segment_id, segment in segments.items()}
    is_single = all(image is drawn[0] for image in drawn) and len(values) == len(numbers)
    if not drawn or not is_single or all(value == number for value, number in values.items()):
        return
    renumbered = _renumbered(drawn[0], values)
    for segment_id, segment in segments.items():
        segment.SetLabelValue(numbers[segment_id])
        segment.AddRepresentation(kind, renumbered)


def _tagged(segment: Any) -> int:
    tag = vtk.reference("")
    is_number = segment.GetTag(LABEL_TAG, tag) and tag.get().isdecimal() and len(tag.get()) <= len(str(MAX_LABEL))
    return int(tag.get()) if is_number else 0


def _renumbered(image: Any, values: dict[int, int]) -> Any:
    voxels = vtk_to_numpy(image.GetPointData().GetScalars())
    table = np.zeros(
        max(int(voxels.max(initial=0)), *values) + 1, np.uint8 if max(values.values()) < 256 else np.uint16
    )
    table[list(values)] = list(values.values())
    renumbered = slicer.vtkOrientedImageData()
    renumbered.DeepCopy(image)
    renumbered.GetPointData().SetScalars(numpy_to_vtk(table[voxels], deep=True))
    return renumbered
