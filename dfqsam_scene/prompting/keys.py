"""Which key does what, and in what words: the only place that knows, for all front ends."""

from __future__ import annotations

# verb: (key, what it does)
KEYS = {
    "positive": ("P", "point inside the structure"),
    "negative": ("N", "point outside it"),
    # Not B: in Slicer's slice views that is the previous slice.
    "box": ("X", "box around it: drag, or click two opposite corners"),
    "scribble": ("C", "scribble through it: hold the button down and draw"),
    "scribble_out": ("M", "scribble through what does not belong to it"),
    "roi": ("O", "box in space: drag on one slice, then change it by its handles"),
    "lasso": ("L", "lasso around it: hold the button down and draw"),
    "lasso_out": ("K", "lasso around what does not belong to it"),
    "accept": ("A", "accept the preview"),
    "discard": ("D", "discard the preview"),
    "candidate 1": ("1", "first candidate mask"),
    "candidate 2": ("2", "second candidate mask"),
    "candidate 3": ("3", "third candidate mask"),
    "undo": ("Ctrl+Z", "take the last action back"),
    "redo": ("Ctrl+Y", "repeat it"),
    "remove prompt": ("Del", "remove the chosen prompt, else the newest one of the slice"),
    "starts here": ("Home", "the segment starts on this slice; again: take that back"),
    "ends here": ("End", "the segment ends on this slice; again: take that back"),
    "next prompt": ("W", "go to where one more prompt would help most, after a propagation"),
    "next segment": ("E", "next segment"),
    "clear segment": ("Ctrl+Del", "reset the segment: take back its prompts on all slices"),
    "toggle segments": ("S", "hide or show all segments"),
    "cancel": ("Esc", "cancel what runs, or put the tool down"),
}
# Of the tools, by role, as short as a narrow panel needs.
TOOL_NAMES = {
    "positive": "Point +",
    "negative": "Point −",
    "scribble": "Scribble +",
    "scribble_out": "Scribble −",
    "lasso": "Lasso +",
    "lasso_out": "Lasso −",
    "box": "Box",
    "roi": "3D box",
}


def tool_tip(role: str) -> str:
    """Return what a tool or another verb with a key is for, in a sentence."""
    words = KEYS[role][1]
    return f"{words[0].upper()}{words[1:]}."
