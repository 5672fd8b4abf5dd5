"""Which key does what on the page: those of prompting, and those for what Slicer itself offers in the module."""

from __future__ import annotations

from dfqsam_scene.prompting.keys import KEYS, TOOL_NAMES, tool_tip

# action: (key, what it does)
_OWN = {
    "open": ("Ctrl+O", "open a volume, segmentation or scene"),
    "save": ("Ctrl+S", "save segments or the scene"),
    "next slice": ("ArrowUp", "next slice in the view under the mouse (also the wheel)"),
    "previous slice": ("ArrowDown", "slice before"),
    "propagate": ("G", "propagate to the slices of the range"),
    "surface": ("V", "3D model of the segments in the fourth view"),
    "enlarge": ("F", "one view as large as all four, and back"),
    "fit": ("R", "fit the volume into the views again"),
    "add segment": ("Insert", "new segment"),
    "keys": ("?", "this list"),
}

# By role: of Material Design Icons, which the page has; and what a narrow page writes beside it.
_ICONS = {
    "positive": ("plus-circle", ""),
    "negative": ("minus-circle", ""),
    "scribble": ("draw", "+"),
    "scribble_out": ("draw", "−"),
    "lasso": ("lasso", "+"),
    "lasso_out": ("lasso", "−"),
    "box": ("selection", ""),
    "roi": ("cube-scan", "3D"),
}


def tool_list() -> list[dict[str, str]]:
    """The tools in the order of their buttons: role, icon, name, a short one, and a sentence with the key."""
    return [
        {
            "role": role,
            "icon": icon,
            "name": TOOL_NAMES[role],
            "short": short,
            "words": f"{tool_tip(role)} ({KEYS[role][0]})",
        }
        for role, (icon, short) in _ICONS.items()
    ]


def key_list() -> list[dict[str, str]]:
    """All keys in the order of the list that the page shows: action, key and what it does."""
    return [{"action": action, "key": key, "words": words} for action, (key, words) in (KEYS | _OWN).items()]
