"""Shows a prediction that is not accepted yet, in a segmentation of its own that is neither listed nor saved."""

from __future__ import annotations

from typing import Any

import numpy as np

from dfqsam_core.volume import SliceKey

from .preview import Preview
from .segments import SegmentScene, new_segmentation
from .volume_node import SceneError

_COLOR = (1.0, 0.85, 0.1)
_NAME = "DFQSAMSlicer preview"


class SegmentationPreview:
    """Paints previews over one volume; its node is made with the first one."""

    def __init__(self, volume_node: Any) -> None:
        self._volume_node = volume_node
        self._segments: SegmentScene | None = None
        self._shown: SliceKey | None = None

    def show(self, preview: Preview | None) -> None:
        """Show this one instead of what was shown; None for nothing."""
        try:
            if self._segments is not None:
                self._segments.check()
        except SceneError:
            # The scene took the node, or the volume moved away from it: the next preview has one of its own.
            self.remove()
        if self._shown is not None and self._segments is not None:
            before, self._shown = self._shown, None
            self._paint(before, np.zeros_like(self._segments.read(self._segments.segment_ids[0], before)))
        if preview is not None and preview.prediction is not None:
            self._paint(preview.key, preview.prediction.mask)
            self._shown = preview.key

    def remove(self) -> None:
        """Take the node out of the scene again."""
        if self._segments is not None and self._segments.node.GetScene() is not None:
            self._segments.node.GetScene().RemoveNode(self._segments.node)
        self._segments = self._shown = None

    def _paint(self, key: SliceKey, mask: np.ndarray) -> None:
        if self._segments is None:
            self._segments = self._start()
        self._segments.restore(self._segments.segment_ids[0], key, mask)

    def _start(self) -> SegmentScene:
        node = new_segmentation(self._volume_node, _NAME, is_hidden=True)
        node.SetSaveWithScene(False)
        node.GetDisplayNode().SetSaveWithScene(False)
        segments = SegmentScene(self._volume_node, node)
        segment_id = segments.add_segment(_NAME)
        node.GetSegmentation().GetSegment(segment_id).SetColor(*_COLOR)
        return segments
