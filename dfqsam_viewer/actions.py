"""Everything that the page can ask for, by name; the page can call nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dfqsam_core.errors import PromptError, short

from .logic import ViewerLogic
from .world import SURFACE

Action = Callable[..., None]


def segment_actions(logic: ViewerLogic) -> dict[str, Action]:
    """Segments of the list, beside the room's own verbs: name, colour, visibility, surface."""

    def rename(segment_id: str, name: str) -> None:
        text = short(str(name), 80)
        if text:
            logic.room.segment(segment_id).SetName(text)

    def recolor(segment_id: str, color: str) -> None:
        digits = str(color).lstrip("#")
        try:
            red, green, blue = bytes.fromhex(digits)
        except ValueError:
            raise PromptError(f"{color!r} is not a colour such as #ff8800.") from None
        logic.room.segment(segment_id).SetColor(red / 255, green / 255, blue / 255)

    def toggle_one(segment_id: str) -> None:
        logic.room.segment(segment_id)
        display = logic.segmentation_node.GetDisplayNode()
        display.SetSegmentVisibility(segment_id, not display.GetSegmentVisibility(segment_id))

    return {
        "rename segment": rename,
        "recolor segment": recolor,
        "toggle segment": toggle_one,
        "surface": partial(_show_surface, logic),
    }


def view_actions(logic: ViewerLogic) -> dict[str, Action]:
    """Slices, and the window of model and views."""

    def go(view: str, index: int) -> None:
        key = logic.key_of(view)
        if key is not None:
            logic.go_to(key.axis, int(index))

    def fit() -> None:
        if logic.volume_node is not None:
            for view in logic.world.views.values():
                view.reset_view()

    return {
        "go": go,
        "next slice": partial(logic.step, 1),
        "previous slice": partial(logic.step, -1),
        "fit": fit,
        "window": logic.change_window,
    }


def _show_surface(logic: ViewerLogic) -> None:
    logic.require_volume()
    logic.surface.show(logic.segmentation_node)
    if not logic.surface.is_shown:
        raise PromptError("All segments are empty, so there is no surface. Segment something first.")
    logic.world.views[SURFACE].reset_view()
    logic.world.views[SURFACE].reset_focal_point()
    logic.say("The surface shows the segments as they are now. Press it again after changes.")
