"""What a segment is beside its voxels, as plain values that can be kept in a file and given to a new segment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import vtk

from .segment_numbers import LABEL_TAG

_TAGS = (LABEL_TAG, "TerminologyEntry", "Segmentation.Status")
_LONGEST = 4096


@dataclass(frozen=True)
class SegmentFacts:
    """ID, name, colour (three numbers, 0 to 1) and tags that are kept; segment: the vtkSegment, None in a file."""

    id: str
    name: str
    color: tuple[float, ...]
    tags: tuple[tuple[str, str], ...]
    segment: Any

    def as_json(self) -> list[Any]:
        """For `from_json`."""
        return [self.id, self.name, list(self.color), [list(tag) for tag in self.tags]]

    @classmethod
    def from_json(cls, item: Any) -> SegmentFacts:
        """Return what `as_json` gave; raises ValueError or TypeError for anything else."""
        segment_id, name, color, tags = item
        found = cls(
            str(segment_id), str(name), tuple(map(float, color)), tuple((str(a), str(b)) for a, b in tags), None
        )
        texts = [found.id, found.name, *(text for tag in found.tags for text in tag)]
        if len(found.color) != 3 or not found.id or max(map(len, texts)) > _LONGEST or "\0" in "".join(texts):
            raise ValueError(f"no segment: {item!r:.100}")
        return found

    def changed(self, old: SegmentFacts, new: SegmentFacts) -> SegmentFacts:
        """These with what differs between two others, each part only where it still is as in `old`."""
        tags, before = dict(self.tags), dict(old.tags)
        tags |= {name: value for name, value in new.tags if tags.get(name) == before.get(name)}
        return replace(
            self,
            name=new.name if self.name == old.name else self.name,
            color=new.color if self.color == old.color else self.color,
            tags=tuple(tags.items()),
        )

    def add_to(self, segmentation: Any) -> None:
        """Add an empty segment like this one to a vtkSegmentation."""
        segmentation.AddEmptySegment(self.id, self.name, list(self.color))
        for name, value in self.tags:
            if name in _TAGS:
                segmentation.GetSegment(self.id).SetTag(name, value)


def segment_facts(segmentation_node: Any) -> tuple[SegmentFacts, ...]:
    """The segments of a node in its order."""
    segmentation = segmentation_node.GetSegmentation()
    found = [(segment_id, segmentation.GetSegment(segment_id)) for segment_id in segmentation.GetSegmentIDs()]
    return tuple(
        SegmentFacts(segment_id, segment.GetName()[:_LONGEST], segment.GetColor(), _tags(segment), segment)
        for segment_id, segment in found
    )


def _tags(segment: Any) -> tuple[tuple[str, str], ...]:
    values = [(name, vtk.reference("")) for name in _TAGS]
    return tuple((name, str(value.get())) for name, value in values if segment.GetTag(name, value))
