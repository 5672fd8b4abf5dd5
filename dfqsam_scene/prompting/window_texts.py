"""How a chosen window is written where choices are kept; only here such a text becomes a window."""

from __future__ import annotations

from typing import Any

from dfqsam_core.volume import Volume, WindowLevel, choose_window
from dfqsam_core.volume.window import parse_window

AUTO, DISPLAYED, OWN = "auto", "displayed", "own"


def window_text(width: float, level: float) -> str:
    """A window as text that `window_of` understands."""
    return f"{width:.10g},{level:.10g}"


def displayed_window(volume_node: Any) -> str:
    """The window that a volume is displayed with, as text; "auto" where it is not displayed."""
    display = volume_node.GetDisplayNode()
    return (
        AUTO if display is None or not display.GetWindow() > 0 else window_text(display.GetWindow(), display.GetLevel())
    )


def check_window(text: str) -> None:
    """Raise VolumeError for a text that is no window; no voxel is looked at."""
    if text != AUTO:
        parse_window(text)


def window_of(text: str, volume: Volume) -> WindowLevel:
    """The window that a text stands for on a volume; "auto" looks at all its voxels. Raises VolumeError."""
    return choose_window(text, volume.voxels_kji, volume.modality)
