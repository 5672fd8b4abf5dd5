"""What the page shows of a desk, as plain values; nothing here changes anything."""

from __future__ import annotations

from typing import Any

import numpy as np
from DFQSAMSlicerLib.segment_panel.prompt_list import describe

from dfqsam_core.volume import WINDOW_PRESETS, SliceKey
from dfqsam_scene.jobs.card_text import card_summary
from dfqsam_scene.nodes.slice_views import plane_name
from dfqsam_scene.nodes.volume_node import matrix_array
from dfqsam_scene.prompting.status import seconds_text, sentence
from dfqsam_scene.prompting.workspace import Workspace

from .desk import Desk
from .world import SLICES

# Ends of the R, A and S axes, from negative to positive.
_LETTERS = ("LR", "PA", "IS")

# What the page knows before there is anything to show.
EMPTY: dict[str, Any] = {
    "message": "Starting…",
    "is_error": False,
    "busy": True,
    "progress": None,
    "stops": [],
    "seconds": "",
    "volume": None,
    "unsaved": False,
    "window_state": {"text": "auto", "model": "", "display": ""},
    "windows": sorted(WINDOW_PRESETS),
    "segments": [],
    "all_visible": True,
    "prompts": [],
    "candidates": [],
    "place": None,
    "views": dict.fromkeys(SLICES),
    "tool": "",
    "auto_accept": True,
    "surface_shown": False,
    "can_undo": False,
    "can_redo": False,
    "has_preview": False,
    "is_working": False,
    "can_propagate": False,
    "model": {"name": "", "kind": "", "summary": ""},
    "models": [],
    "card": {},
    "quantization": {"state": "", "recipes": [], "unfinished": [], "message": "", "checkpoint": ""},
    "dialog": None,
}
# What only the page itself changes.
PAGE: dict[str, Any] = {
    "page": "segment",
    "large": "",
    "keys_shown": False,
    "first_slice": 0,
    "last_slice": 0,
    "save_name": "",
    "save_replace": False,
    "recipe": "default",
    "bits": 4,
    "seed": 0,
}


def shown(desk: Desk) -> dict[str, Any]:
    """All values of the page that follow the desk."""
    workspace, key = desk.workspace, desk.key
    return {
        **_status(desk),
        **_volume(desk),
        "segments": _segments(desk),
        "all_visible": desk.segmentation_node is None or bool(desk.segmentation_node.GetDisplayNode().GetVisibility()),
        "prompts": [] if workspace is None else _prompts(desk, workspace),
        "candidates": [] if workspace is None or key is None else _candidates(desk, workspace, key),
        "place": _place(desk, key),
        "views": {view: _view(desk, view) for view in SLICES},
        "tool": desk.tools.wanted or "",
        "auto_accept": desk.auto_accept,
        "surface_shown": desk.surface.is_shown,
        "model": _model(desk),
        **_history(workspace),
    }


def _status(desk: Desk) -> dict[str, Any]:
    text, is_error = sentence(desk.opening, desk.volume_node, desk.segmentation_node, desk.tools.wanted)
    if desk.volume_node is None and not is_error:
        text = "Open a CT or MR volume, or the sample."
    if desk.notice:
        text, is_error = desk.notice, desk.notice_is_error
    controller = None if desk.workspace is None else desk.workspace.controller
    progress = None if controller is None else controller.progress
    return {
        "message": text,
        "is_error": is_error,
        "busy": desk.opening.is_loading or (controller is not None and controller.is_busy),
        "progress": None
        if progress is None
        else {"done": progress.done, "total": progress.total, "text": progress.message},
        "stops": [
            f"{'down' if stop.direction < 0 else 'up'} to slice {stop.last_index + 1}: {stop.reason}"
            for stop in (() if controller is None else controller.stops)
        ],
        "seconds": seconds_text(
            None if controller is None else controller.encoding_seconds,
            None if controller is None else controller.decoding_seconds,
        ),
    }


def _volume(desk: Desk) -> dict[str, Any]:
    if desk.volume is None or desk.volume_node is None:
        return {"volume": None, "unsaved": False, "window_state": {"text": desk.window, "model": "", "display": ""}}
    spacing = " × ".join(f"{mm:.2f}" for mm in desk.volume.geometry.spacing_mm)
    size = " × ".join(map(str, desk.volume.geometry.shape_ijk))
    display, workspace = desk.volume_node.GetDisplayNode(), desk.workspace
    return {
        "volume": {"name": desk.volume_node.GetName(), "size": f"{size} voxels of {spacing} mm"},
        "unsaved": desk.has_unsaved_work,
        "window_state": {
            "text": desk.window,
            "model": "" if workspace is None else f"{workspace.window.width:.0f} / {workspace.window.level:.0f}",
            "display": f"{display.GetWindow():.0f} / {display.GetLevel():.0f}",
        },
    }


def _model(desk: Desk) -> dict[str, str]:
    """What answers the prompts; nobody shall take a float model's answer for a 4-bit one's."""
    model = desk.opening.model
    if model is None:
        return {"name": "", "kind": "", "summary": ""}
    card = model.card
    kind = "float" if card is None else f"{card['effective_bits_per_weight']['total']:.1f} bits/weight"
    return {"name": desk.model_path.stem, "kind": kind, "summary": "\n".join(card_summary(card, model.digest))}


def _segments(desk: Desk) -> list[dict[str, Any]]:
    if desk.segmentation_node is None:
        return []
    segmentation, display = desk.segmentation_node.GetSegmentation(), desk.segmentation_node.GetDisplayNode()
    return [
        {
            "id": segment_id,
            "name": segmentation.GetSegment(segment_id).GetName(),
            "color": _hex(segmentation.GetSegment(segment_id).GetColor()),
            "visible": bool(display.GetSegmentVisibility(segment_id)),
            "chosen": segment_id == desk.segment_id,
        }
        for segment_id in segmentation.GetSegmentIDs()
    ]


def _prompts(desk: Desk, workspace: Workspace) -> list[dict[str, Any]]:
    geometry = workspace.controller.canvas.session.volume.geometry
    return [
        {
            "segment": segment_id,
            "name": workspace.segments.segment_name(segment_id),
            "axis": key.axis,
            "index": key.index,
            "text": f"{describe(prompt)}, {plane_name(geometry, key.axis)} {key.index + 1}",
        }
        for (segment_id, key), prompts in workspace.prompts().items()
        for prompt in prompts
    ]


def _candidates(desk: Desk, workspace: Workspace, key: SliceKey) -> list[dict[str, Any]]:
    prediction = workspace.controller.prediction(desk.segment_id, key) if desk.segment_id else None
    if prediction is None:
        return []
    return [
        {"text": "–" if np.isnan(value) else f"{value:.2f}", "chosen": n == prediction.chosen}
        for n, value in enumerate(float(value) for value in prediction.predicted_iou)
    ]


def _place(desk: Desk, key: SliceKey | None) -> dict[str, Any] | None:
    """Where the next key acts: axis and index from 0, the plane's name, how many slices it has."""
    if key is None or desk.volume is None:
        return None
    geometry = desk.volume.geometry
    return {
        "axis": key.axis,
        "index": key.index,
        "last": geometry.size_along(key.axis) - 1,
        "plane": plane_name(geometry, key.axis),
    }


def _view(desk: Desk, view: str) -> dict[str, Any] | None:
    """Slice and the patient's directions at the edges of a view; None where it shows no slice of the volume."""
    key = desk.key_of(view)
    if key is None or desk.volume is None:
        return None
    plane = matrix_array(desk.world.slice_node(view).GetSliceToRAS())[:3, :3]
    right, top = (_directions(plane[:, column]) for column in (0, 1))
    return {
        "index": key.index,
        "last": desk.volume.geometry.size_along(key.axis) - 1,
        "axis": key.axis,
        "right": right[1],
        "left": right[0],
        "top": top[1],
        "bottom": top[0],
    }


def _directions(vector_ras: np.ndarray) -> tuple[str, str]:
    """Letters at the negative and the positive end of a direction: "L" and "R" for (1, 0, 0)."""
    largest = int(np.abs(vector_ras).argmax())
    ends = _LETTERS[largest]
    return (ends[0], ends[1]) if vector_ras[largest] > 0 else (ends[1], ends[0])


def _history(workspace: Workspace | None) -> dict[str, Any]:
    controller = None if workspace is None else workspace.controller
    return {
        "can_undo": controller is not None and controller.can_undo,
        "can_redo": controller is not None and controller.can_redo,
        "has_preview": controller is not None and controller.preview is not None,
        "is_working": controller is not None and controller.is_busy,
        "can_propagate": workspace is not None
        and any(owner == workspace.segment_id for owner, _ in workspace.prompts()),
    }


def _hex(color: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in color)
