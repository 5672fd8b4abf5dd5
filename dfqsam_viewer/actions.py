"""Everything that the page can ask for, by name; the page can call nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dfqsam_core.errors import PromptError, short

from .desk import Desk
from .world import SURFACE

Action = Callable[..., None]


def segment_actions(desk: Desk) -> dict[str, Action]:
    """Segments of the list, beside the room's own verbs: name, colour, visibility, surface."""

    def rename(segment_id: str, name: str) -> None:
        text = short(str(name), 80)
        if text:
            desk.room.segment(segment_id).SetName(text)

    def recolor(segment_id: str, color: str) -> None:
        digits = str(color).lstrip("#")
        try:
            red, green, blue = bytes.fromhex(digits)
        except ValueError:
            raise PromptError(f"{color!r} is not a colour such as #ff8800.") from None
        desk.room.segment(segment_id).SetColor(red / 255, green / 255, blue / 255)

    def toggle_one(segment_id: str) -> None:
        desk.room.segment(segment_id)
        display = desk.segmentation_node.GetDisplayNode()
        display.SetSegmentVisibility(segment_id, not display.GetSegmentVisibility(segment_id))

    def toggle_all() -> None:
        if desk.segmentation_node is not None:
            display = desk.segmentation_node.GetDisplayNode()
            display.SetVisibility(not display.GetVisibility())

    return {
        "rename segment": rename,
        "recolor segment": recolor,
        "toggle segment": toggle_one,
        "toggle segments": toggle_all,
        "surface": partial(_show_surface, desk),
    }


def view_actions(desk: Desk) -> dict[str, Action]:
    """Slices, and the window of model and views."""

    def go(view: str, index: int) -> None:
        key = desk.key_of(view)
        if key is not None:
            desk.go_to(key.axis, int(index))

    def fit() -> None:
        if desk.volume_node is not None:
            for view in desk.world.views.values():
                view.reset_view()

    return {
        "go": go,
        "next slice": partial(desk.step, 1),
        "previous slice": partial(desk.step, -1),
        "fit": fit,
        "window": desk.change_window,
    }


def _show_surface(desk: Desk) -> None:
    desk.require_volume()
    desk.surface.show(desk.segmentation_node)
    if not desk.surface.is_shown:
        raise PromptError("All segments are empty, so there is no surface. Segment something first.")
    desk.world.views[SURFACE].reset_view()
    desk.world.views[SURFACE].reset_focal_point()
    desk.say("The surface shows the segments as they are now. Press it again after changes.")
