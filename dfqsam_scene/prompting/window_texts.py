"""How a chosen window is written in the parameter node; `choose_window` of the core understands it."""

from __future__ import annotations

from typing import Any

AUTO, DISPLAYED, OWN = "auto", "displayed", "own"


def window_text(width: float, level: float) -> str:
    """A window as text that `choose_window` understands."""
    return f"{width:.10g},{level:.10g}"


def displayed_window(volume_node: Any) -> str:
    """The window that a volume is displayed with, as text; "auto" where it is not displayed."""
    display = volume_node.GetDisplayNode()
    return (
        AUTO if display is None or not display.GetWindow() > 0 else window_text(display.GetWindow(), display.GetLevel())
    )
