"""Work that is not saved yet survives a crash: it is kept while it is done, and offered again on the same volume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from dfqsam_core.errors import DFQSAMError, PromptError
from dfqsam_core.progress import ProgressCallback

from ..jobs.journal_file import JournalFile
from ..jobs.journals import Journals
from ..jobs.worker import Job, Worker
from ..nodes.volume_node import read_volume_node
from .kept_work import restore, summary
from .work_journal import WorkJournal
from .workspace import Workspace


class Keeping:
    """Journals of the segmentations that are prompted on, and what an earlier run left of the present volume.

    folder: for the journals. offer: what was left, in a sentence, until that is continued or discarded; else empty.
    changed: called when that changed. failed: called with the reason where work cannot be kept.
    """

    def __init__(
        self, folder: Path, worker: Worker, changed: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        self._journals, self._worker, self._changed, self._failed = Journals(folder), worker, changed, failed
        self._open: dict[Any, WorkJournal] = {}
        self._left: JournalFile | None = None
        self._volume_node: Any = None
        self._present: WorkJournal | None = None
        self.offer = ""

    @property
    def is_behind(self) -> bool:
        """True where `follow` shall be called again soon, though nothing has changed."""
        return self._present is not None and self._present.is_behind

    def follow(self, volume_node: Any, workspace: Workspace | None) -> None:
        """Note what changed, and look for what was left of a volume that was just chosen."""
        if volume_node is not self._volume_node:
            self._look(volume_node)
        self._present = None
        if workspace is not None:
            node = workspace.segments.node
            if node not in self._open:
                self._open[node] = WorkJournal(self._journals, self._worker, self._failed)
            self._present = self._open[node]
            self._present.note(workspace)

    def take_up(self, model: Any) -> Any:
        """Add a segmentation of what was left; returns its node. Raises PromptError where that cannot be."""
        left = self._require_left()
        node = restore(left.entries_at_start, self._volume_node, model)
        left.entries_at_start = {}
        self._open[node] = WorkJournal(self._journals, self._worker, self._failed, left)
        self._left = None
        self._say("")
        return node

    def discard(self) -> None:
        """Delete what was left."""
        self._require_left().delete()
        self._left = None
        self._say("")

    def close(self, keep: bool) -> None:
        """End all journals; keep: leave them for the next start, as when work was not saved."""
        for journal in self._open.values():
            journal.close(keep)
        self._open, self._present = {}, None
        self._look(None)

    def _look(self, volume_node: Any) -> None:
        """See whether there is a journal of this volume that nobody writes any more; its digest takes a while."""
        if self._left is not None:
            self._left.close()
        self._left, self._volume_node = None, volume_node
        self._say("")
        if volume_node is None or not self._journals.are_there():
            return
        try:
            volume = read_volume_node(volume_node)
        except DFQSAMError:
            return

        def look(_progress: ProgressCallback) -> JournalFile | None:
            return self._journals.take_left(volume.digest)

        def found(journal: JournalFile | None) -> None:
            if journal is None:
                return
            if self._volume_node is not volume_node or self._left is not None:
                journal.close()
                return
            self._left = journal
            try:
                what = summary(journal.entries_at_start)
            except (TypeError, KeyError, AttributeError):
                what = _("damaged")
            self._say(_("Work on this volume was not saved ({what}).").format(what=what))

        self._worker.submit(Job(look, found))

    def _require_left(self) -> JournalFile:
        if self._left is None:
            raise PromptError("There is no kept work of this volume.")
        return self._left

    def _say(self, offer: str) -> None:
        if offer != self.offer:
            self.offer = offer
            self._changed()
