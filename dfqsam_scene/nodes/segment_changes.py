"""Which slices of a segmentation changed: ours one by one, those of others by their labelmaps' time stamps."""

from __future__ import annotations

from dfqsam_core.volume import SliceKey

from .segments import SegmentScene


class SegmentChanges:
    """For whoever keeps a copy of the voxels: what to read again."""

    def __init__(self, segments: SegmentScene) -> None:
        self._segments = segments
        self._seen = self._stamps()

    def take(self) -> tuple[list[SliceKey], bool]:
        """Slices that we wrote since the last call, and whether others changed voxels, which may be anywhere.

        A call for each moment of the main thread tells them apart: nobody else writes within one of ours.
        """
        written, now = self._segments.written, self._stamps()
        others = not written and any(stamp != self._seen.get(segment_id) for segment_id, stamp in now.items())
        self._segments.written, self._seen = [], now
        return list(dict.fromkeys(written)), others

    def _stamps(self) -> dict[str, int | None]:
        segmentation = self._segments.node.GetSegmentation()
        kind = segmentation.GetSourceRepresentationName()
        found = {
            segment_id: segmentation.GetSegment(segment_id).GetRepresentation(kind)
            for segment_id in segmentation.GetSegmentIDs()
        }
        return {
            segment_id: None if image is None or image.IsEmpty() else image.GetMTime()
            for segment_id, image in found.items()
        }
