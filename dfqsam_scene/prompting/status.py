"""The one sentence that every front end shows: what happened, or what to do next; and the seconds of a click."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from .workspace_loader import WorkspaceLoader

CHOOSE_VOLUME = _("Choose a volume. One to try with is in Sample Data, DFQSAMSlicer.")


def sentence(
    loader: WorkspaceLoader,
    volume_node: Any,
    segmentation_node: Any,
    tool: str | None,
    without_volume: str = CHOOSE_VOLUME,
) -> tuple[str, bool]:
    """Return what to say, and whether it is a refusal or failure: errors first, then work, then advice.

    without_volume: the advice where no volume is chosen.
    """
    workspace = loader.workspace
    if loader.message:
        return loader.message, True
    if workspace is not None and workspace.controller.is_error:
        return workspace.controller.message, True
    if volume_node is None:
        return without_volume, False
    if loader.waiting is not None and loader.waiting.requests:
        return _("Loading the model; what you placed is answered when it is there."), False
    if loader.is_loading:
        return _("Loading the model; everything else can be used meanwhile."), False
    if workspace is None:
        if segmentation_node is None:
            return _("Choose a tool: a segmentation and a segment are made for you. Or choose your own above."), False
        return _("Choose a tool to begin."), False
    controller = workspace.controller
    if controller.message or workspace.notice:
        return controller.message or workspace.notice, False
    if controller.is_busy:
        return _("Working on it…"), False
    if controller.preview is not None:
        return _("The mask shown in yellow is not written yet: accept or discard it, or add prompts."), False
    return _advice(tool), False


def _advice(tool: str | None) -> str:
    return {
        "positive": _("Click inside the structure, in any slice view."),
        "negative": _("Click where the segment should not be."),
        "box": _("Drag a box around the structure, or click two opposite corners, in one slice view."),
        "scribble": _("Hold the button down and draw a line through the structure, in one slice view."),
        "scribble_out": _("Hold the button down and draw a line through what the segment should not have."),
        "roi": _("Drag a box in one slice view: it becomes a box in space, with handles to change its depth and size."),
        "lasso": _("Hold the button down and draw around the structure, in one slice view."),
        "lasso_out": _("Hold the button down and draw around what the segment should not have."),
        "brush": _("Hold the button down and paint what belongs to the segment. + and - change the size."),
        "eraser": _("Hold the button down and rub out what does not belong to it. + and - change the size."),
        "ruler": _("Drag from one end to the other, or click both, in one slice view."),
        "crosshair": _("Click in a slice view: the other views go there."),
    }.get(tool or "", _("Choose a tool, then click in a slice view."))


def seconds_text(encoding: float | None, decoding: float | None) -> str:
    """How long this computer took; None for what was not measured yet."""
    if encoding is None and decoding is None:
        return _("Seconds for a click are measured on this computer with the first one.")
    parts = []
    if encoding is not None:
        parts.append(_("first click on a slice {time}").format(time=_time(encoding)))
    if decoding is not None:
        parts.append(_("click on a prepared slice {time}").format(time=_time(decoding)))
    return _("Measured on this computer: ") + ", ".join(parts) + "."


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
