"""The folder of journals: what this process writes, and what others left behind when they were killed."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from dfqsam_core.errors import OutputError

from .journal_file import Entries, JournalFile

FOLDER = "journals"
# The last entry of the first complete state: a file without it was cut off before there was one.
WHOLE = ("whole",)
_SUFFIX = ".journal"
_NAME_DIGITS = 40
# The oldest ones go when there are more; files that a process has open do not count.
_MOST_FILES, _MOST_BYTES = 20, 2**30


class Journals:
    """Journals of volumes, which are known by their digest alone: no name of a patient or a file is kept.

    folder: made for this user alone when something is first written there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, digest: str) -> JournalFile:
        """A new, empty journal of the volume with this digest; raises OutputError where none can be made."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            self._drop_oldest()
            return JournalFile.create(self._folder / f"{digest[:_NAME_DIGITS]}-{secrets.token_hex(6)}{_SUFFIX}")
        except OSError as error:
            raise OutputError(
                f"Work cannot be kept against a crash in {self._folder}: {error.strerror}. Save it now and then."
            ) from error

    def are_there(self) -> bool:
        """Return whether there is any journal, for whatever volume, open or left."""
        return bool(self._paths())

    def take_left(self, digest: str) -> JournalFile | None:
        """The newest journal of this volume that nobody has open any more, opened; None where there is none."""
        for path in reversed(self._paths(digest[:_NAME_DIGITS])):
            journal = JournalFile.take(path)
            if journal is None:
                continue
            if WHOLE in journal.entries_at_start:
                return journal
            journal.delete()
        return None

    def compacted(self, journal: JournalFile, digest: str) -> JournalFile:
        """A journal of the same entries without those that were replaced, instead of the given one."""
        new = self.create(digest)
        entries: Entries = journal.read()
        whole = entries.pop(WHOLE, None)
        try:
            for entry in entries.items():
                new.append([entry])
            if whole:
                new.append([(WHOLE, whole)])
        except OutputError:
            new.delete()
            raise
        journal.delete()
        return new

    def _paths(self, digest: str = "") -> list[Path]:
        """Oldest first."""
        found: list[tuple[int, Path]] = []
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._folder):
                if entry.name.endswith(_SUFFIX) and entry.name.startswith(digest):
                    with contextlib.suppress(OSError):
                        found.append((entry.stat(follow_symlinks=False).st_mtime_ns, Path(entry.path)))
        return [path for _, path in sorted(found)]

    def _drop_oldest(self) -> None:
        paths, kept = self._paths()[::-1], 0
        for n, path in enumerate(paths):
            with contextlib.suppress(OSError):
                kept += path.stat(follow_symlinks=False).st_size
            if n >= _MOST_FILES - 1 or kept > _MOST_BYTES:
                journal = JournalFile.take(path)
                if journal is not None:
                    journal.delete()
