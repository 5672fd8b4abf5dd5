"""Which key does what, and in what words: the only place that knows, for all front ends."""

from __future__ import annotations

# verb: (key, what it does)
KEYS = {
    "positive": ("P", "point inside the structure"),
    "negative": ("N", "point outside it"),
    # Not B: in Slicer's slice views that is the previous slice.
    "box": ("X", "box around it: drag, or click two opposite corners"),
    "accept": ("A", "accept the preview"),
    "discard": ("D", "discard the preview"),
    "candidate 1": ("1", "first candidate mask"),
    "candidate 2": ("2", "second candidate mask"),
    "candidate 3": ("3", "third candidate mask"),
    "undo": ("Ctrl+Z", "take the last action back"),
    "redo": ("Ctrl+Y", "repeat it"),
    "remove prompt": ("Del", "remove the chosen prompt, else the newest one of the slice"),
    "cancel": ("Esc", "cancel what runs, or put the tool down"),
}
