"""Reads a ViewState off a room; nothing here changes anything."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from slicer.i18n import tr as _

from dfqsam_core.errors import short
from dfqsam_core.runtime.engines.parts import ENCODE_STAGE
from dfqsam_core.volume import SliceKey, ThoroughCost

from ..jobs.card_text import card_summary, kind_words
from ..jobs.time_left import in_words
from ..nodes.roles import NEEDS, ROLES
from ..nodes.segment_numbers import label_numbers
from ..nodes.slice_views import plane_name
from .choice import Choice
from .controller import Controller
from .keeping import Keeping
from .prompt_words import describe
from .status import seconds_text
from .strips import read_strips
from .view_state import (
    CandidateMask,
    Ends,
    ModelWords,
    NextPrompt,
    Place,
    PromptRow,
    SegmentRow,
    StopRow,
    Training,
    ViewState,
    WindowWords,
    Work,
)
from .workspace import Workspace
from .workspace_loader import WorkspaceLoader


class Room(Protocol):
    """The part of `Prompting` that is shown."""

    choice: Choice
    loader: WorkspaceLoader
    keeping: Keeping | None

    @property
    def workspace(self) -> Workspace | None:
        """The open workspace."""

    @property
    def key(self) -> SliceKey | None:
        """The slice that is looked at."""

    @property
    def tool(self) -> str:
        """The wanted tool."""

    @property
    def sentence(self) -> tuple[str, bool]:
        """The sentence to show."""


def view_state(room: Room) -> ViewState:
    """Return what there is to see now."""
    choice, workspace, key = room.choice, room.workspace, room.key
    controller = None if workspace is None else workspace.controller
    message, is_error = room.sentence
    prompts = _prompts(room)
    segment_id = "" if workspace is None else workspace.segment_id or ""
    return ViewState(
        message=message,
        is_error=is_error,
        busy=room.loader.is_loading or (controller is not None and controller.is_busy),
        is_working=controller is not None and controller.is_busy,
        progress=None if controller is None else _work(controller),
        tool=room.tool,
        can_place=choice.volume_node is not None,
        segments=segment_rows(choice.segmentation_node, segment_id or choice.segment_id),
        prompts=prompts,
        candidates=_candidates(workspace, key),
        place=_place(workspace, key, segment_id, prompts),
        ends=_ends(controller, key, segment_id),
        stops=_stops(controller, segment_id),
        next_prompt=_next_prompt(workspace),
        strips=read_strips(controller, segment_id),
        window=_window(choice, workspace),
        model=_model(room),
        training=_training(room),
        seconds=seconds_text(
            None if controller is None else controller.encoding_seconds,
            None if controller is None else controller.decoding_seconds,
        ),
        can_undo=_can_undo(room),
        can_redo=room.loader.history_of(choice).can_redo if controller is None else controller.can_redo,
        has_preview=controller is not None and controller.preview is not None,
        can_propagate=any(row.segment == segment_id for row in prompts),
        can_clear=key is not None
        and any((row.segment, row.axis, row.index) == (segment_id, key.axis, key.index) for row in prompts),
        auto_accept=choice.auto_accept,
        refine=choice.refine,
        protect_others=choice.protect_others,
        encode_ahead=choice.encode_ahead,
        thorough=choice.thorough,
        thorough_cost=_thorough_cost(controller, key, segment_id) if choice.thorough else "",
        offer="" if room.keeping is None else room.keeping.offer,
    )


def segment_rows(segmentation_node: Any, chosen: str) -> tuple[SegmentRow, ...]:
    """The segments of a vtkMRMLSegmentationNode in its order; none for no node."""
    if segmentation_node is None:
        return ()
    segmentation, display = segmentation_node.GetSegmentation(), segmentation_node.GetDisplayNode()
    rows = []
    for segment_id, label in label_numbers(segmentation).items():
        segment = segmentation.GetSegment(segment_id)
        visible = display is None or bool(display.GetSegmentVisibility(segment_id))
        color = "#" + "".join(f"{round(255 * part):02x}" for part in segment.GetColor())
        rows.append(SegmentRow(segment_id, label, short(segment.GetName()), color, visible, segment_id == chosen))
    return tuple(rows)


def _training(room: Room) -> Training:
    chosen, is_asked = room.choice.conventions, room.loader.asks_conventions
    if room.workspace is None:
        return Training(chosen, is_asked, (), "", True)
    refuse = room.workspace.session.slices.conventions.why_refused
    refused = tuple(role for role in ROLES if refuse(NEEDS[role]))
    return Training(chosen, is_asked, refused, refuse({"point", "box", "mask"}), not refuse({"mask"}))


def _can_undo(room: Room) -> bool:
    if room.workspace is not None:
        return room.workspace.controller.can_undo
    waiting = room.loader.waiting
    return bool(waiting is not None and waiting.requests) or room.loader.history_of(room.choice).can_undo


def _prompts(room: Room) -> tuple[PromptRow, ...]:
    listening = room.workspace or room.loader.waiting
    if listening is None:
        return ()
    geometry, segmentation = listening.geometry, room.choice.segmentation_node.GetSegmentation()
    return tuple(
        PromptRow(
            segment_id,
            short(segmentation.GetSegment(segment_id).GetName()),
            key.axis,
            key.index,
            plane_name(geometry, key.axis),
            describe(prompt),
            prompt,
        )
        for (segment_id, key), prompts in listening.prompts().items()
        for prompt in prompts
    )


def _candidates(workspace: Workspace | None, key: SliceKey | None) -> tuple[CandidateMask, ...]:
    if workspace is None or not workspace.segment_id or key is None:
        return ()
    prediction = workspace.controller.prediction(workspace.segment_id, key)
    if prediction is None:
        return ()
    values = [float(value) for value in prediction.predicted_iou]
    # Beside candidates of the model the one without an estimate is the mask as a correction alone edited it.
    without = _("edit") if len(values) > 1 else "–"
    return tuple(
        CandidateMask(without if np.isnan(value) else f"{value:.2f}", n == prediction.chosen)
        for n, value in enumerate(values)
    )


def _place(
    workspace: Workspace | None, key: SliceKey | None, segment_id: str, prompts: tuple[PromptRow, ...]
) -> Place | None:
    if key is None or workspace is None:
        return None
    geometry = workspace.session.volume.geometry
    prompted = {row.index for row in prompts if (row.segment, row.axis) == (segment_id, key.axis)}
    last = geometry.size_along(key.axis) - 1
    return Place(key.axis, key.index, last, plane_name(geometry, key.axis), tuple(sorted(prompted)))


def _work(controller: Controller) -> Work | None:
    progress, seconds = controller.progress, controller.time_left.seconds
    if progress is None:
        return None
    parts = [progress.message]
    if progress.stage == ENCODE_STAGE:
        parts = [_("Preparing the slice, {percent} %").format(percent=100 * progress.done // max(progress.total, 1))]
    elif progress.total:
        share = _("{percent} %, {done} of {total} slices")
        parts = [share.format(percent=100 * progress.done // progress.total, done=progress.done, total=progress.total)]
    if seconds is not None:
        parts.append(_("{time} left").format(time=in_words(seconds)))
    return Work(progress.done, progress.total, ", ".join(parts))


def _ends(controller: Controller | None, key: SliceKey | None, segment_id: str) -> Ends:
    if controller is None or key is None:
        return Ends(None, None)
    extent = controller.extent(segment_id, key.axis)
    return Ends(extent.first, extent.last)


def _thorough_cost(controller: Controller | None, key: SliceKey | None, segment_id: str) -> str:
    label = None if controller is None else controller.writer.known_label(segment_id)
    if controller is None or key is None or label is None:
        return ""
    return ThoroughCost.of(controller.session, label, key.axis).sentence(controller.encoding_seconds)


def _next_prompt(workspace: Workspace | None) -> NextPrompt | None:
    place = None if workspace is None else workspace.controller.next_prompt
    if workspace is None or place is None or place[0] not in workspace.segments.segment_ids:
        return None
    segment_id, key = place
    return NextPrompt(segment_id, key.axis, key.index, plane_name(workspace.session.volume.geometry, key.axis))


def _stops(controller: Controller | None, segment_id: str) -> tuple[StopRow, ...]:
    stops = () if controller is None or controller.stops_of != segment_id else controller.stops
    return tuple(StopRow(stop.direction, stop.last_index, stop.reason) for stop in stops)


def _window(choice: Choice, workspace: Workspace | None) -> WindowWords:
    if workspace is None:
        return WindowWords(choice.window, None, None)
    return WindowWords(choice.window, workspace.window.width, workspace.window.level)


def _model(room: Room) -> ModelWords:
    """What answers the prompts; nobody shall take a float model's answer for a 4-bit one's."""
    model = room.loader.model
    if model is None:
        return ModelWords("", "", "")
    path = room.loader.model_path
    name, summary = "" if path is None else path.stem, "\n".join(card_summary(model.card, model.digest))
    return ModelWords(name, kind_words(model.card), summary)
