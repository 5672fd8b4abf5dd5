"""The folders that the file dialogs show: what lies outside, also by a link, cannot be opened or written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dfqsam_core.errors import DFQSAMError

# A folder with more entries than this is a pile of DICOM slices, which is opened as a whole.
_MOST = 2000


class PlaceError(DFQSAMError):
    """A file is outside the folders that the viewer may use, or not there."""


@dataclass(frozen=True)
class Entry:
    """One line of a file dialog; path: absolute. bytes: of a file, 0 for a folder."""

    name: str
    path: str
    is_folder: bool
    bytes: int


class Roots:
    """Folders that may be looked into, with all that is below them."""

    def __init__(self, folders: Iterable[Path]) -> None:
        resolved = dict.fromkeys(folder.resolve() for folder in folders)
        self.folders = tuple(folder for folder in resolved if folder.is_dir())
        if not self.folders:
            raise PlaceError("None of the given folders is there. Name one that is, with --root DIR.")

    def resolve(self, path: str | Path) -> Path:
        """The real place of a path, links followed; raises PlaceError outside the roots."""
        try:
            place = Path(path).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise PlaceError(f"{str(path)[:200]!r} is not a path that can be used: {error}.") from error
        if not self._hold(place):
            raise PlaceError(
                f"{place} is outside the folders of this viewer ({', '.join(map(str, self.folders))}). "
                "Start it with --root DIR to use another one."
            )
        return place

    def parent(self, folder: Path) -> Path | None:
        """The folder above, None where that is outside."""
        return folder.parent if self._hold(folder.parent) else None

    def entries(self, folder: str | Path, suffixes: tuple[str, ...]) -> list[Entry]:
        """Folders, then files whose names end in one of `suffixes`, by name; hidden ones and foreign links left out."""
        place = self.resolve(folder)
        if not place.is_dir():
            raise PlaceError(f"{place} is not a folder. Choose one.")
        try:
            names = sorted(place.iterdir(), key=lambda path: path.name.lower())[:_MOST]
        except OSError as error:
            raise PlaceError(f"{place} cannot be read: {error.strerror}. Choose another folder.") from error
        found = [entry for path in names if (entry := self._entry(path, suffixes)) is not None]
        return sorted(found, key=lambda entry: not entry.is_folder)

    def _hold(self, place: Path) -> bool:
        return any(place.is_relative_to(root) for root in self.folders)

    def _entry(self, path: Path, suffixes: tuple[str, ...]) -> Entry | None:
        if path.name.startswith("."):
            return None
        try:
            # A page cannot show, nor name, what is no text.
            path.name.encode()
            place = self.resolve(path)
            if place.is_dir():
                return Entry(path.name, str(path), True, 0)
            if place.is_file() and path.name.lower().endswith(suffixes):
                return Entry(path.name, str(path), False, place.stat().st_size)
        except (PlaceError, OSError, UnicodeEncodeError):
            return None
        return None
