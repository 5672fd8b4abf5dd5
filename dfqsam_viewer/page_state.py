"""What the page shows, as plain values; nothing here changes anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from dfqsam_core.errors import short
from dfqsam_scene.nodes.organ_names import ORGANS
from dfqsam_scene.nodes.rulers import rulers
from dfqsam_scene.nodes.volume_node import matrix_array
from dfqsam_scene.prompting.convention_words import convention_choices
from dfqsam_scene.prompting.strips import Strip
from dfqsam_scene.prompting.view_state import PromptRow, StopRow, ViewState

from .logic import ViewerLogic
from .strip_picture import strip_state
from .world import SLICES

# Ends of the R, A and S axes, from negative to positive.
_LETTERS = ("LR", "PA", "IS")

# What the page knows before there is anything to show.
EMPTY: dict[str, Any] = {
    "message": "Starting…",
    "is_error": False,
    "busy": True,
    "progress": None,
    "ends": {"first": None, "last": None},
    "stops": [],
    "next_prompt": None,
    "seconds": "",
    "volume": None,
    "unsaved": False,
    "window_state": {"text": "auto", "model": "", "display": ""},
    "windows": [],
    "segments": [],
    "all_visible": True,
    "prompts": [],
    "can_place": False,
    "can_clear": False,
    "candidates": [],
    "place": None,
    "views": dict.fromkeys(SLICES),
    "tool": "",
    "auto_accept": True,
    "refine": False,
    "training": {"conventions": "", "is_asked": False, "refused_tools": [], "why_refused": "", "can_refine": True},
    "convention_choices": [],
    "protect_others": True,
    "encode_ahead": True,
    "thorough": False,
    "thorough_cost": "",
    "offer": "",
    "surface_shown": False,
    "can_undo": False,
    "can_redo": False,
    "has_preview": False,
    "is_working": False,
    "can_propagate": False,
    "model": {"name": "", "kind": "", "summary": ""},
    "models": [],
    "card": {},
    "quantization": {"state": "", "recipes": [], "unfinished": [], "message": "", "checkpoint": "", "estimate": ""},
    "dialog": None,
    "sizes": None,
    "organs": list(ORGANS),
    "opacity": 50,
    "outline_only": False,
    "under_mouse": "",
    "brush": {"size": 10.0, "is_ball": False},
    "rulers": [],
    "answered": 0,
    "large": "",
    "keys_shown": False,
    "first_slice": 0,
    "last_slice": 0,
    "by_hand": False,
}
# What only the page itself changes.
PAGE: dict[str, Any] = {
    "page": "segment",
    "on_slice": False,
    "smooth_kind": "median",
    "smooth_mm": 3.0,
    "least_part": 1.0,
    "recipe": "default",
    "bits": 4,
    "seed": 0,
    "images": 0,
    "trained_as": "",
}


def page_state(logic: ViewerLogic) -> dict[str, Any]:
    """All values of the page that follow the viewer's logic."""
    state, brush = logic.room.state(), logic.room.choice.brush
    strips = {strip.axis: strip for strip in state.strips}
    # The page draws the strips with their views.
    return {
        **asdict(replace(state, strips=())),
        "prompts": [_prompt(row) for row in state.prompts],
        "stops": [_stop(row) for row in state.stops],
        **_volume(logic, state),
        "all_visible": _all_visible(logic.segmentation_node),
        "views": {view: _view(logic, view, strips) for view in SLICES},
        "surface_shown": logic.surface.is_shown,
        "windows": list(logic.presets),
        "convention_choices": [{"name": name, "words": words} for name, words in convention_choices().items()],
        "sizes": None if logic.sizes is None else [asdict(size) | {"ml": f"{size.ml:.1f}"} for size in logic.sizes],
        **_look(logic.segmentation_node),
        "brush": {"size": brush.diameter_mm, "is_ball": brush.is_ball},
        "rulers": [{"id": row.id, "text": f"{row.length_mm:.1f} mm"} for row in rulers(logic.world.scene)],
    }


def _look(segmentation_node: Any) -> dict[str, Any]:
    if segmentation_node is None:
        return {}
    display = segmentation_node.GetDisplayNode()
    return {"opacity": round(100 * display.GetOpacity2DFill()), "outline_only": not display.GetVisibility2DFill()}


def _all_visible(segmentation_node: Any) -> bool:
    return segmentation_node is None or bool(segmentation_node.GetDisplayNode().GetVisibility())


def _prompt(row: PromptRow) -> dict[str, Any]:
    """As the page lists it, where slices are counted from 1."""
    return {
        "segment": row.segment,
        "name": row.name,
        "axis": row.axis,
        "index": row.index,
        "text": f"{row.text}, {row.plane} {row.index + 1}",
    }


def _stop(row: StopRow) -> str:
    return f"{'down' if row.direction < 0 else 'up'} to slice {row.last_index + 1}: {row.reason}"


def _volume(logic: ViewerLogic, state: ViewState) -> dict[str, Any]:
    window = state.window
    model = "" if window.width is None else f"{window.width:.0f} / {window.level:.0f}"
    if logic.volume is None or logic.volume_node is None:
        return {"volume": None, "unsaved": False, "window_state": {"text": window.text, "model": "", "display": ""}}
    spacing = " × ".join(f"{mm:.2f}" for mm in logic.volume.geometry.spacing_mm)
    size = " × ".join(map(str, logic.volume.geometry.shape_ijk))
    display = logic.volume_node.GetDisplayNode()
    shown_window = f"{display.GetWindow():.0f} / {display.GetLevel():.0f}"
    return {
        "volume": {
            "name": short(logic.volume_node.GetName()),
            "caption": short(logic.caption),
            "size": f"{size} voxels of {spacing} mm",
        },
        "unsaved": logic.has_unsaved_work,
        "window_state": {"text": window.text, "model": model, "display": shown_window},
    }


def _view(logic: ViewerLogic, view: str, strips: Mapping[str, Strip]) -> dict[str, Any] | None:
    """Slice and the patient's directions at the edges of a view; None where it shows no slice of the volume."""
    key = logic.key_of(view)
    if key is None or logic.volume is None:
        return None
    plane = matrix_array(logic.world.slice_node(view).GetSliceToRAS())[:3, :3]
    right, top = (_directions(plane[:, column]) for column in (0, 1))
    return {
        "index": key.index,
        "last": logic.volume.geometry.size_along(key.axis) - 1,
        "axis": key.axis,
        "right": right[1],
        "left": right[0],
        "top": top[1],
        "bottom": top[0],
        "strip": strip_state(strips[key.axis], key.index) if key.axis in strips else None,
    }


def _directions(vector_ras: np.ndarray) -> tuple[str, str]:
    """Letters at the negative and the positive end of a direction: "L" and "R" for (1, 0, 0)."""
    largest = int(np.abs(vector_ras).argmax())
    ends = _LETTERS[largest]
    return (ends[0], ends[1]) if vector_ras[largest] > 0 else (ends[1], ends[0])
