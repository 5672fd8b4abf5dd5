"""Which key does what on the page: those of the Slicer module, and those for what Slicer itself offers there."""

from __future__ import annotations

from DFQSAMSlicerLib.segment_panel.shortcuts import KEYS as PANEL_KEYS

# action: (key, what it does)
_OWN = {
    "open": ("Ctrl+O", "open a volume, segmentation or scene"),
    "save": ("Ctrl+S", "save segments or the scene"),
    "next slice": ("ArrowUp", "next slice in the view under the mouse (also the wheel)"),
    "previous slice": ("ArrowDown", "slice before"),
    "propagate": ("G", "propagate to the slices of the range"),
    "surface": ("V", "surface of the segments in the fourth view"),
    "toggle segments": ("S", "hide or show all segments"),
    "enlarge": ("F", "one view as large as all four, and back"),
    "fit": ("R", "fit the volume into the views again"),
    "add segment": ("Insert", "new segment"),
    "keys": ("?", "this list"),
}
_PANEL_WORDS = {
    "positive": "point inside the structure",
    "negative": "point outside it",
    "box": "box around it: two opposite corners",
    "accept": "accept the preview",
    "discard": "discard the preview",
    "candidate 1": "first candidate mask",
    "candidate 2": "second candidate mask",
    "candidate 3": "third candidate mask",
    "undo": "take the last action back",
    "redo": "repeat it",
    "remove prompt": "remove the newest prompt of the slice",
    "cancel": "cancel what runs, or put the tool down",
}


def key_list() -> list[dict[str, str]]:
    """All keys in the order of the list that the page shows: action, key and what it does."""
    panel = [(action, key, _PANEL_WORDS[action]) for action, (key, _) in PANEL_KEYS.items()]
    own = [(action, key, words) for action, (key, words) in _OWN.items()]
    return [{"action": action, "key": key, "words": words} for action, key, words in [*panel, *own]]
