"""The page's dialogs for files: one folder of the roots at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .documents import LABEL_MAPS, OPENED, SAVED
from .roots import Entry, Roots

_ENDINGS = {
    "open": OPENED,
    "labels": LABEL_MAPS,
    "save": SAVED,
    "model": (".safetensors", ".pth"),
    "checkpoint": (".safetensors", ".pth"),
}
_TITLES = {
    "open": "Open a volume, a segmentation (.seg.nrrd) or a scene (.mrb)",
    "labels": "Open a label map on the present volume",
    "save": "Save segments or the scene",
    "model": "Choose a packed model or a float checkpoint",
    "checkpoint": "Choose the float checkpoint to quantize",
}


@dataclass
class FileDialog:
    """Which dialog is open, on which folder; entries: of the folder; error: why the last choice was refused.

    number: of the dialogs so far, so that what was typed and ticked in one is not taken for the next.
    """

    roots: Roots
    kind: str = ""
    folder: Path | None = None
    entries: list[Entry] = field(default_factory=list)
    name: str = ""
    error: str = ""
    number: int = 0

    def show(self, kind: str, name: str = "") -> None:
        """Open a dialog on the folder that was used last, on the first of the roots where that is gone."""
        self.kind, self.name, self.number = kind, name, self.number + 1
        is_there = self.folder is not None and self.folder.is_dir()
        self.go(str(self.folder if is_there else self.roots.folders[0]))

    def go(self, folder: str) -> None:
        """Look into a folder; raises PlaceError outside the roots."""
        place = self.roots.resolve(folder)
        # Listed here and not whenever the page is drawn, which scrolling does many times a second.
        self.entries = self.roots.entries(place, _ENDINGS.get(self.kind, ()))
        self.folder, self.error = place, ""

    def close(self) -> None:
        """Close the dialog."""
        self.kind = self.error = ""

    def state(self) -> dict[str, Any] | None:
        """Return what the page shows, None while no dialog is open."""
        if not self.kind or self.folder is None:
            return None
        parent = self.roots.parent(self.folder)
        return {
            "kind": self.kind,
            "number": self.number,
            "title": _TITLES[self.kind],
            "folder": str(self.folder),
            "parent": "" if parent is None else str(parent),
            "roots": [str(root) for root in self.roots.folders],
            "entries": [
                {"name": entry.name, "path": entry.path, "is_folder": entry.is_folder, "size": _size(entry.bytes)}
                for entry in self.entries
            ],
            "name": self.name,
            "endings": ", ".join(_ENDINGS[self.kind]),
            "error": self.error,
        }


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB" if count else ""
