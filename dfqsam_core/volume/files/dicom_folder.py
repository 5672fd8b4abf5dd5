"""The entries of a DICOM folder: which are images, which are something else, and which could be a lost slice."""

from __future__ import annotations

import filecmp
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import VolumeError
from .dicom_frames import Frame, frames_in_file
from .dicom_kinds import NoImageError, NotDicomError, RefusedImageError
from .links import refuse_outside

_DICOM_ENDINGS = {".dcm", ".dicom", ".dic", ".dc3", ".ima"}
_SYSTEM_FILES = {"dicomdir", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
_SYSTEM_FOLDERS = {"lost+found", "system volume information", "$recycle.bin", "@eadir"}
_OTHER_KINDS = (
    b"\x1f\x8b", b"PK", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"%PDF", b"MZ", b"\x7fELF",
    b"\xd0\xcf\x11\xe0", b"SQLite", b"NRRD", b"ObjectType", b"\x5c\x01\0\0", b"\0\0\x01\x5c", b"\0\x05\x16\x07",
)  # fmt: skip
# Endings that packing and copying put behind a name.
_COVERS = {".gz", ".bz2", ".xz", ".zst", ".zip", ".part", ".partial", ".filepart", ".tmp", ".crdownload", ".download"}
_POINTERS = (b"version https://git-lfs", b"/annex/objects/")
# The first element of a data set without preamble: group 2 or 8, then a value representation or a small length.
_HEADERLESS = re.compile(rb"[\x02\x08]\0.[\x00-\x1f]([A-Z]{2}|..\0\0)|\0[\x02\x08][\x00-\x1f].[A-Z]{2}", re.DOTALL)


@dataclass
class FolderContent:
    """The content of a folder.

    frames: of all images. refused: images that cannot be used. unknown: what is no DICOM. passed_over: with reasons.
    """

    folder: Path
    frames: list[Frame] = field(default_factory=list)
    refused: list[RefusedImageError] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)

    def refuse_loss(self, series: str) -> None:
        """Raise VolumeError for the first entry that could be a slice of `series` and cannot be used."""
        for error in self.refused:
            if error.series in ("", series):
                raise error
        nameless = next((frame.path for frame in self.frames if series and not frame.series), None)
        if nameless is not None:
            raise VolumeError(f"{nameless} does not say to which series it belongs. Export it again, or remove it.")
        slices = {frame.path for frame in self.frames}
        endings, names = {_ending(path) for path in slices}, {_without_numbers(path.name) for path in slices}
        for path in self.unknown:
            if fault := _lost_slice(path, endings, names):
                raise VolumeError(
                    f"{path} {fault}: it may be a slice of the series. Get it again, or remove it from the folder."
                )

    def left_out(self, series: str) -> tuple[str, ...]:
        """Everything in the folder that is no part of `series`, by name and with the reason."""
        other = sorted({frame.path for frame in self.frames if frame.series != series})
        lines = [f"{self._name(path)}: of another series" for path in other]
        lines += [str(error).replace(f"{self.folder}{os.sep}", "") for error in self.refused]
        lines += [f"{self._name(path)}: not a DICOM file" for path in self.unknown]
        return tuple(self.passed_over + lines)

    def note(self, path: Path, reason: str) -> None:
        """Write down that an entry is passed over."""
        self.passed_over.append(f"{self._name(path)}: {reason}")

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.folder)


def scan_folder(folder: Path, within: Sequence[Path] | None = None) -> FolderContent:
    """Look at every file below `folder`, links followed.

    within: folders that links may not lead out of. Raises VolumeError for a link that does, a folder that cannot be
    opened, and a folder without any image, with the reason of one that was refused.
    """
    content = FolderContent(folder)
    copies: dict[str, Path] = {}
    for path in _files(folder, content, {os.path.realpath(folder)}, within):
        try:
            frames = frames_in_file(path)
        except NotDicomError:
            content.unknown.append(path)
        except NoImageError as error:
            content.note(path, error.reason)
        except RefusedImageError as error:
            content.refused.append(error)
        else:
            other = copies.setdefault(frames[0].instance or str(path), path)
            if other is path:
                content.frames += frames
            else:
                _pass_over_copy(content, path, other, frames[0].series)
    if not content.frames:
        content.refuse_loss("")
        reason = str(content.refused[-1]) if content.refused else "it holds no DICOM file with an image"
        raise VolumeError(f"No volume could be read from the folder {folder}: {reason}")
    return content


def _pass_over_copy(content: FolderContent, path: Path, other: Path, series: str) -> None:
    if path.name.startswith(".") or filecmp.cmp(path, other, shallow=False):
        content.note(path, f"a copy of {other.name}")
    else:
        content.refused.append(
            RefusedImageError(
                f"{path} and {other} call themselves one image (SOPInstanceUID) and differ. Remove the wrong one.",
                series,
            )
        )


def _files(folder: Path, content: FolderContent, seen: set[str], within: Sequence[Path] | None) -> Iterator[Path]:
    """Files below a folder in the order of their names, links followed, each once."""
    try:
        # Hidden files last: of two copies the one in sight is the slice.
        entries = sorted(os.scandir(folder), key=lambda entry: (entry.name.startswith("."), entry.name))
    except OSError as error:
        raise VolumeError(f"The folder {folder} cannot be opened: {error.strerror}. It may hold slices.") from error
    folders = []
    for entry in entries:
        path = Path(entry.path)
        if entry.is_symlink():
            refuse_outside(path, within)
            real = os.path.realpath(path)
            if real in seen:
                continue
            seen.add(real)
        if _is_folder(entry):
            folders.append(path)
        elif _is_plain(path) and path.name.lower() not in _SYSTEM_FILES and not path.name.startswith(".partial-"):
            yield path
        elif path.name.lower() in _SYSTEM_FILES or path.name.startswith("."):
            content.note(path, "a file of the system")
        else:
            content.unknown.append(path)
    for path in folders:
        if path.name.startswith(".") or path.name.lower() in _SYSTEM_FOLDERS:
            content.note(path, "a folder of the system")
        else:
            yield from _files(path, content, seen, within)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_plain(path: Path) -> bool:
    """Whether a path leads to a plain file: no link to nothing, no pipe that would never end."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def _ending(path: Path) -> str:
    """Ending of a name as far as it tells a kind: numbers are one ending, and what is too long is none."""
    suffix = path.suffix.lower()
    return "#" if suffix[1:].isdigit() else suffix if len(suffix) <= 6 else ""


def _without_numbers(name: str) -> str:
    """What the names of slices have in common."""
    return re.sub(r"\d+", "#", name)


def _lost_slice(path: Path, endings: set[str], names: set[str]) -> str:
    """What is wrong with a file that could be a slice, by its name or content; nothing where it is something else.

    endings, names: of the slices that are there, names without their numbers.
    """
    if path.name.startswith("."):
        return ""
    start = _first_bytes(path)
    is_named_so = _ending(path) in _DICOM_ENDINGS | endings
    if start is None:
        # A link to nothing may have led to a folder, too.
        return "cannot be opened" if is_named_so or not path.suffix else ""
    if start.startswith(_POINTERS):
        return "only points to a file that was not fetched"
    if _HEADERLESS.match(start):
        return "is DICOM without its meta header"
    is_other = _is_text(start) or start.startswith(_OTHER_KINDS) or start[344:347] in (b"n+1", b"ni1")
    is_numbered = "#" in _without_numbers(path.name) and _without_numbers(path.name) in names
    if _ending(path) in _DICOM_ENDINGS or is_numbered or (is_named_so and not is_other):
        return "is not a DICOM file" if start.strip(b"\0") else "is empty"
    inner_ending = not _DICOM_ENDINGS.isdisjoint(suffix.lower() for suffix in path.suffixes)
    is_inside = path.suffix.lower() in _COVERS and _without_numbers(path.stem) in names
    if (inner_ending or is_inside) and not _is_text(start):
        return "is packed, or not wholly copied"
    return ""


def _first_bytes(path: Path) -> bytes | None:
    """The beginning of a plain file, None where it cannot be read."""
    if not _is_plain(path):
        return None
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError:
        return None


def _is_text(start: bytes) -> bool:
    return bool(start) and not re.search(rb"[\0-\x08\x0e-\x1a]", start)
