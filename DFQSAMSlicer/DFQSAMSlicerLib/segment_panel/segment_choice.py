"""The list of segments of the chosen segmentation; it follows what people do to them elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from .pictures import color_icon


class SegmentChoice:
    """Shows segments with their colours, and tells which one a person chose; add: a person wants a new one."""

    def __init__(self, ui: Any, chosen: Callable[[str], None], add: Callable[[], None], changed: Callable[[], None]):
        self._box = ui.segmentBox
        self._changed = changed
        self._node: Any = None
        self._tags: list[int] = []
        self._shown: tuple[Any, ...] | None = None
        self._ids: tuple[str, ...] = ()
        self._box.connect("activated(int)", lambda n: chosen(self._ids[n]))
        ui.addSegmentButton.connect("clicked()", add)

    def show(self, segmentation_node: Any, segment_id: str) -> None:
        """Show the segments of a node (None: none), with `segment_id` as the chosen one."""
        if segmentation_node is not self._node:
            self._observe(segmentation_node)
        ids = () if self._node is None else tuple(self._node.GetSegmentation().GetSegmentIDs())
        segments = [self._node.GetSegmentation().GetSegment(found) for found in ids]
        state = ([(s.GetName(), s.GetColor()) for s in segments], ids, segment_id)
        if state == self._shown:
            return
        self._shown, self._ids = state, ids
        self._box.clear()
        for segment in segments:
            self._box.addItem(color_icon(*segment.GetColor()), segment.GetName())
        self._box.setCurrentIndex(ids.index(segment_id) if segment_id in ids else -1)

    def close(self) -> None:
        """Stop listening."""
        self._observe(None)

    def _observe(self, node: Any) -> None:
        for tag in self._tags:
            self._node.RemoveObserver(tag)
        self._node, self._tags, self._shown = node, [], None
        if node is not None:
            events = slicer.vtkSegmentation
            kinds = (events.SegmentAdded, events.SegmentRemoved, events.SegmentModified, events.SegmentsOrderModified)
            self._tags = [node.AddObserver(kind, lambda *_: self._changed()) for kind in kinds]
