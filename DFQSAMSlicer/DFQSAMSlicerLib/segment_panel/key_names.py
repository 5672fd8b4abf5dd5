"""Says in the tooltip of each button which key does the same."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from dfqsam_scene.nodes.roles import ROLES
from dfqsam_scene.prompting.keys import KEYS

# Button of each verb that has a key.
WIDGETS = {
    **{role: f"{role}Button" for role in ROLES},
    "accept": "acceptButton",
    "discard": "discardButton",
    "candidate 1": "candidateButton1",
    "candidate 2": "candidateButton2",
    "candidate 3": "candidateButton3",
    "undo": "undoButton",
    "redo": "redoButton",
    "remove prompt": "removePromptButton",
    "next segment": "nextSegmentButton",
    "clear segment": "clearSegmentButton",
    "toggle segments": "toggleSegmentsButton",
    "cancel": "cancelButton",
    "starts here": "startsButton",
    "ends here": "endsButton",
    "next prompt": "nextPromptButton",
}


def name_keys(ui: Any) -> None:
    """Say in the tooltip of each button which key does the same."""
    for name, widget_name in WIDGETS.items():
        widget = getattr(ui, widget_name)
        widget.setToolTip(widget.toolTip + " " + _("Key: {key}").format(key=KEYS[name][0]))
