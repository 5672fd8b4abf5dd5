"""The Segment panel: the widgets of DFQSAMSlicer.ui on one side, workspace and scene on the other. Needs Slicer's Qt.

The browser viewer has the panel's words, keys and windows from other files here: only `panel` needs Qt at import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .panel import SegmentPanel

__all__ = ["SegmentPanel"]


def __getattr__(name: str) -> Any:
    if name == "SegmentPanel":
        from .panel import SegmentPanel

        return SegmentPanel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
