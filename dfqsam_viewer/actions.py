"""Everything that the page can ask for, by name; the page can call nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dfqsam_core.errors import PromptError
from dfqsam_core.volume import choose_window
from dfqsam_scene.prompting.window_texts import DISPLAYED, displayed_window

from .desk import Desk
from .tools import ROLES
from .world import SURFACE

Action = Callable[..., None]


def prompt_actions(desk: Desk) -> dict[str, Action]:
    """Tools, previews, candidates, history: what the controller does."""

    def with_controller(name: str) -> None:
        getattr(desk.require_workspace().controller, name)()

    def cancel() -> None:
        workspace = desk.workspace
        if workspace is not None and workspace.controller.is_busy:
            workspace.controller.cancel()
        else:
            desk.tools.put_down()

    def choose(candidate: int) -> None:
        workspace, key = desk.require_workspace(), desk.key
        if key is not None and desk.segment_id:
            workspace.controller.choose_candidate(desk.segment_id, key, candidate)

    def toggle(role: str) -> None:
        desk.require_volume()
        if not desk.segment_id:
            desk.add_segment()
        desk.tools.toggle(role)

    def clear_slice() -> None:
        workspace, key = desk.require_workspace(), desk.key
        if key is not None and desk.segment_id:
            workspace.controller.clear_slice(desk.segment_id, key)

    history = {"undo": "undo", "redo": "redo", "accept": "accept_preview", "discard": "discard_preview"}
    return {
        **{role: partial(toggle, role) for role in ROLES},
        **{f"candidate {n + 1}": partial(choose, n) for n in range(3)},
        **{name: partial(with_controller, method) for name, method in history.items()},
        "cancel": cancel,
        "clear slice": clear_slice,
        "remove prompt": desk.remove_last_prompt,
        "propagate": partial(_propagate, desk),
        "auto accept": partial(_set_auto_accept, desk),
    }


def segment_actions(desk: Desk) -> dict[str, Action]:
    """Segments of the list: add, choose, name, colour, visibility, surface."""

    def choose(segment_id: str) -> None:
        desk.segment(segment_id)
        desk.segment_id = segment_id

    def rename(segment_id: str, name: str) -> None:
        text = " ".join(str(name).split())[:80]
        if text:
            desk.segment(segment_id).SetName(text)

    def recolor(segment_id: str, color: str) -> None:
        digits = str(color).lstrip("#")
        try:
            red, green, blue = bytes.fromhex(digits)
        except ValueError:
            raise PromptError(f"{color!r} is not a colour such as #ff8800.") from None
        desk.segment(segment_id).SetColor(red / 255, green / 255, blue / 255)

    def toggle_one(segment_id: str) -> None:
        desk.segment(segment_id)
        display = desk.segmentation_node.GetDisplayNode()
        display.SetSegmentVisibility(segment_id, not display.GetSegmentVisibility(segment_id))

    def toggle_all() -> None:
        if desk.segmentation_node is not None:
            display = desk.segmentation_node.GetDisplayNode()
            display.SetVisibility(not display.GetVisibility())

    return {
        "add segment": desk.add_segment,
        "choose segment": choose,
        "rename segment": rename,
        "recolor segment": recolor,
        "toggle segment": toggle_one,
        "toggle segments": toggle_all,
        "remove segment": desk.remove_segment,
        "surface": partial(_show_surface, desk),
    }


def view_actions(desk: Desk) -> dict[str, Action]:
    """Slices and window."""

    def go(view: str, index: int) -> None:
        key = desk.key_of(view)
        if key is not None:
            desk.go_to(key.axis, int(index))

    def go_to_prompt(axis: str, index: int, segment_id: str) -> None:
        desk.segment(segment_id)
        desk.segment_id = segment_id
        desk.go_to(str(axis), int(index))

    def fit() -> None:
        if desk.volume_node is not None:
            for view in desk.world.views.values():
                view.reset_view()

    def window(text: str) -> None:
        """A window for the model; the display follows, unless it is the display's own that the model shall have."""
        desk.require_workspace()
        volume = desk.require_volume()
        if text == DISPLAYED:
            desk.window = displayed_window(desk.volume_node)
        else:
            desk.show_window(choose_window(text, volume.voxels_kji, volume.modality))
            desk.window = text

    return {
        "go": go,
        "go to prompt": go_to_prompt,
        "next slice": partial(desk.step, 1),
        "previous slice": partial(desk.step, -1),
        "fit": fit,
        "window": window,
        "encode ahead": lambda is_on: desk.require_workspace().encode_ahead(bool(is_on)),
    }


def _propagate(desk: Desk, first: int | None = None, last: int | None = None) -> None:
    """Along the axis of the present view; without a range, through the whole volume."""
    workspace, key = desk.require_workspace(), desk.key
    if key is None or not desk.segment_id:
        raise PromptError("Look at a slice with prompts of the chosen segment first.")
    end = desk.require_volume().geometry.size_along(key.axis) - 1
    low, high = sorted((0 if first is None else int(first), end if last is None else int(last)))
    workspace.controller.propagate(desk.segment_id, key.axis, max(low, 0), min(high, end))


def _set_auto_accept(desk: Desk, is_on: bool) -> None:
    desk.auto_accept = bool(is_on)
    if desk.workspace is not None and desk.auto_accept:
        desk.workspace.controller.accept_preview()


def _show_surface(desk: Desk) -> None:
    desk.require_volume()
    desk.surface.show(desk.segmentation_node)
    if not desk.surface.is_shown:
        raise PromptError("All segments are empty, so there is no surface. Segment something first.")
    desk.world.views[SURFACE].reset_view()
    desk.world.views[SURFACE].reset_focal_point()
    desk.say("The surface shows the segments as they are now. Press it again after changes.")
