"""Which key does what on the page: those of prompting, and those for what Slicer itself offers in the module."""

from __future__ import annotations

from dfqsam_scene.prompting.keys import KEYS, TOOL_NAMES, tool_tip

# action: (key, what it does)
_OWN = {
    "brush": ("B", "brush: hold the button down and paint"),
    "eraser": ("Q", "eraser: hold the button down and rub out"),
    "larger brush": ("+", "larger brush"),
    "smaller brush": ("-", "smaller brush"),
    "ruler": ("T", "ruler: drag from one end to the other"),
    "crosshair": ("J", "crosshair: click where all views should go"),
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
# The tools that place no prompt: icon and name.
_OTHER_ICONS = {
    "brush": ("brush", "Brush"),
    "eraser": ("eraser", "Eraser"),
    "ruler": ("ruler", "Ruler"),
    "crosshair": ("crosshairs", "Crosshair"),
}


def tool_list() -> list[dict[str, str]]:
    """The tools in the order of their buttons: role, icon, name, a short one, and a sentence with the key."""
    prompts = [
        _tool(role, icon, TOOL_NAMES[role], short, f"{tool_tip(role)} ({KEYS[role][0]})")
        for role, (icon, short) in _ICONS.items()
    ]
    others = [(role, icon, name, *_OWN[role]) for role, (icon, name) in _OTHER_ICONS.items()]
    return prompts + [
        _tool(role, icon, name, "", f"{words[0].upper()}{words[1:]}. ({key})")
        for role, icon, name, key, words in others
    ]


def _tool(role: str, icon: str, name: str, short: str, words: str) -> dict[str, str]:
    return {"role": role, "icon": icon, "name": name, "short": short, "words": words}


def key_list() -> list[dict[str, str]]:
    """All keys in the order of the list that the page shows: action, key and what it does."""
    return [{"action": action, "key": key, "words": words} for action, (key, words) in (KEYS | _OWN).items()]
