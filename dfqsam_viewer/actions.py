"""Everything that the page can ask for, by name; the page can call nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dfqsam_core.errors import PromptError
from dfqsam_scene.nodes.segment_statistics import segment_sizes

from .logic import ViewerLogic

Action = Callable[..., None]


def segment_actions(logic: ViewerLogic) -> dict[str, Action]:
    """Segments of the list, beside the room's own verbs: visibility, surface."""

    def toggle_one(segment_id: str) -> None:
        logic.room.segment(segment_id)
        display = logic.segmentation_node.GetDisplayNode()
        display.SetSegmentVisibility(segment_id, not display.GetSegmentVisibility(segment_id))

    return {
        "toggle segment": toggle_one,
        "surface": partial(_show_surface, logic),
        "statistics": partial(_measure, logic),
        "opacity": partial(_set_opacity, logic),
        "outline only": partial(_set_outline_only, logic),
    }


def view_actions(logic: ViewerLogic) -> dict[str, Action]:
    """Slices, and the window of model and views."""

    def go(view: str, index: int) -> None:
        key = logic.key_of(view)
        if key is not None:
            logic.go_to(key.axis, int(index))

    def step(view: str, slices: int) -> None:
        key = logic.key_of(view)
        if key is not None:
            logic.go_to(key.axis, key.index + int(slices))

    def go_weak(view: str, direction: int) -> None:
        key = logic.key_of(view)
        strip = next((one for one in logic.room.state().strips if key is not None and one.axis == key.axis), None)
        index = None if strip is None or key is None else strip.next_weak(key.index, int(direction))
        if key is None or index is None:
            raise PromptError("There is no weak slice in this direction.")
        logic.go_to(key.axis, index)

    def fit() -> None:
        if logic.volume_node is not None:
            logic.world.fit()
            logic.world.fit_surface()

    return {
        "go": go,
        "step": step,
        "go weak": go_weak,
        "next slice": partial(logic.step, 1),
        "previous slice": partial(logic.step, -1),
        "fit": fit,
        "window": logic.change_window,
    }


def _measure(logic: ViewerLogic) -> None:
    volume = logic.require_volume()
    logic.sizes = segment_sizes(logic.segmentation_node, volume.geometry.acquisition_axis)


def _set_opacity(logic: ViewerLogic, percent: float) -> None:
    logic.require_volume()
    logic.segmentation_node.GetDisplayNode().SetOpacity2DFill(min(max(float(percent), 0.0), 100.0) / 100)


def _set_outline_only(logic: ViewerLogic, is_on: bool) -> None:
    logic.require_volume()
    logic.segmentation_node.GetDisplayNode().SetVisibility2DFill(not is_on)


def _show_surface(logic: ViewerLogic) -> None:
    logic.require_volume()
    logic.surface.show(logic.segmentation_node)
    if not logic.surface.is_shown:
        raise PromptError("All segments are empty, so there is no 3D model. Segment something first.")
    logic.world.fit_surface()
    logic.say("The 3D model shows the segments as they are now. Press it again after changes.")
