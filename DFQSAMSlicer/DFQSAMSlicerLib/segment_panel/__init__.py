"""The Segment panel: widgets of DFQSAMSlicer.ui on one side, the room of prompting on the other. Needs Slicer's Qt."""

from .panel import SegmentPanel

__all__ = ["SegmentPanel"]
