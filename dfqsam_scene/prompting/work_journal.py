"""Notes what is drawn and prompted on one segmentation in a journal, as it changes; the main thread only collects."""

from __future__ import annotations

import base64
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from dfqsam_core.errors import DFQSAMError, OutputError
from dfqsam_core.progress import ProgressCallback
from dfqsam_core.volume import SliceKey
from dfqsam_core.volume.session.session import SliceState
from dfqsam_core.volume.session.session_file import extents_json, session_head, slice_json

from ..jobs.journal_file import JournalFile, Key
from ..jobs.journals import WHOLE, Journals
from ..jobs.worker import Job, Worker
from ..nodes.segment_changes import SegmentChanges
from ..nodes.segment_rows import SegmentFacts, segment_facts
from .workspace import Workspace

# Keys of a journal; a state and a plane go on with segment ID, axis and index.
SESSION, SEGMENTS, EXTENTS, STATE, PLANE = "session", "segments", "extents", "state", "plane"
Noted = tuple[Key, Callable[[], Any]]
# The share of a tick that reading again what others may have changed may take.
_SCAN_SECONDS = 0.003
# Below this a file is not worth rewriting.
_SMALL_BYTES = 2**22
_Place = tuple[str, SliceKey]


class WorkJournal:
    """The journal of one segmentation. Its file is made with the first change: looking leaves nothing behind.

    journal: one to go on with. failed: called once, with the reason, where work cannot be kept any more.
    """

    def __init__(
        self,
        journals: Journals,
        worker: Worker,
        failed: Callable[[Exception], None],
        journal: JournalFile | None = None,
    ) -> None:
        self._journals, self._worker, self._failed = journals, worker, failed
        self._file = journal
        self._is_broken = False
        self._least = _SMALL_BYTES
        self._pending: deque[list[Noted]] = deque()
        self._writing = threading.Lock()
        self._workspace: Workspace | None = None
        self._changes: SegmentChanges | None = None
        self._scan: Iterator[list[Noted]] | None = None
        self._digest = ""
        self._head: Any = None
        self._facts: tuple[SegmentFacts, ...] = ()
        self._extents: dict[str, Any] = {}
        self._states: dict[_Place, SliceState] = {}
        self._planes: dict[tuple[str, SliceKey], int] = {}

    def note(self, workspace: Workspace, hold_seconds: float = _SCAN_SECONDS) -> None:
        """Collect what changed since the last call, and let the worker write it; cheap when nothing did."""
        if self._is_broken:
            return
        is_first = self._changes is None
        if workspace is not self._workspace:
            self._workspace, self._changes = workspace, SegmentChanges(workspace.segments)
            if is_first and self._file is None:
                self._facts, self._states = segment_facts(workspace.segments.node), _states(workspace)
                self._extents = _extents(workspace)
                return
            self._scan = self._all_planes(workspace)
        assert self._changes is not None
        try:
            written, others = self._changes.take()
            batch = self._batch(workspace, written, others, hold_seconds)
        except DFQSAMError:
            # The nodes are going away, or moved: what was noted before stays.
            return
        if batch:
            self._pending.append(batch)
            self._worker.submit(Job(self._write, failed=self._tell))

    def flush(self) -> None:
        """Write everything now."""
        if self._workspace is not None and self._workspace.is_open and self._workspace.segments.node.GetScene():
            self.note(self._workspace, float("inf"))
        try:
            self._write()
        except OutputError as error:
            self._tell(error)

    def close(self, keep: bool) -> None:
        """End; keep: leave the file for the next start."""
        if keep:
            self.flush()
        with self._writing:
            self._is_broken = True
            self._pending.clear()
            if self._file is not None:
                (self._file.close if keep else self._file.delete)()
                self._file = None

    def _batch(self, workspace: Workspace, written: list[SliceKey], others: bool, hold_seconds: float) -> list[Noted]:
        facts, states = segment_facts(workspace.segments.node), _states(workspace)
        is_changed = bool(written) or others or facts != self._facts or not _are_same(states, self._states)
        is_changed = is_changed or _extents(workspace) != self._extents
        if self._file is None and is_changed:
            self._begin(workspace)
        if self._file is None:
            return []
        batch = [*self._gone(facts), *self._head_and_segments(workspace, facts), *self._changed_states(states)]
        for key in written:
            batch += self._read(workspace, key)
        if others:
            self._scan = self._all_planes(workspace)
        return batch + self._scanned(hold_seconds)

    def _begin(self, workspace: Workspace) -> None:
        """Make the file; all that is there is noted in it."""
        self._digest = workspace.session.volume.digest
        self._facts, self._extents, self._states, self._planes = (), {}, {}, {}
        try:
            self._file = self._journals.create(self._digest)
        except OutputError as error:
            self._tell(error)
        self._scan = self._all_planes(workspace)

    def _gone(self, facts: tuple[SegmentFacts, ...]) -> list[Noted]:
        """Forget what was removed, also where another of its name is there now."""
        present = {fact.segment for fact in facts}
        gone = {fact.id for fact in self._facts if fact.segment not in present}
        keys: list[Key] = [_key(STATE, place) for place in self._states if place[0] in gone]
        keys += [_key(PLANE, place) for place in self._planes if place[0] in gone]
        self._states = {place: state for place, state in self._states.items() if place[0] not in gone}
        self._planes = {place: check for place, check in self._planes.items() if place[0] not in gone}
        return [(key, _nothing) for key in keys]

    def _head_and_segments(self, workspace: Workspace, facts: tuple[SegmentFacts, ...]) -> Iterator[Noted]:
        session = workspace.session
        self._digest = session.volume.digest
        head = session_head(session)
        if head != self._head:
            self._head = head
            yield (SESSION,), lambda: head
        if facts != self._facts:
            self._facts = facts
            yield (SEGMENTS,), lambda: [fact.as_json() for fact in facts]
        extents = _extents(workspace)
        if extents != self._extents:
            self._extents = extents
            yield (EXTENTS,), lambda: extents

    def _changed_states(self, states: dict[_Place, SliceState]) -> Iterator[Noted]:
        before, self._states = self._states, states
        for place, state in states.items():
            if not _is_same(before.get(place), state):
                yield _key(STATE, place), partial(slice_json, place[1], state)
        for place in before.keys() - states.keys():
            yield _key(STATE, place), _nothing

    def _read(self, workspace: Workspace, key: SliceKey) -> Iterator[Noted]:
        """One slice of every segment, where it is not as it was noted."""
        for segment_id in workspace.segments.segment_ids:
            packed = np.packbits(workspace.segments.read(segment_id, key))
            check = zlib.crc32(packed.tobytes()) if packed.any() else 0
            place = segment_id, key
            # Planes along other axes cross this one: only among slices along K is the last note of a plane the truth.
            if key.axis != "K" or self._planes.get(place, 0) != check:
                self._planes[place] = check
                yield _key(PLANE, place), partial(_plane_json, packed)

    def _all_planes(self, workspace: Workspace) -> Iterator[list[Noted]]:
        """Read every slice along K that has voxels or had some; pauses after each."""
        drawn = {k for n in workspace.segments.segment_ids for k in workspace.segments.drawn_slices(n)}
        known = {place[1].index for place in self._planes if place[1].axis == "K"}
        has_other_axes = any(place[1].axis != "K" for place in self._planes)
        if has_other_axes:
            # What crosses them may have changed since: each slice is noted anew.
            self._planes = {place: check if place[1].axis != "K" else -1 for place, check in self._planes.items()}
        for index in sorted(drawn | known):
            yield list(self._read(workspace, SliceKey("K", index)))

    def _scanned(self, hold_seconds: float) -> list[Noted]:
        """As much of the scan as this moment allows; its end makes the journal whole."""
        if self._scan is None:
            return []
        found: list[Noted] = []
        ends = time.perf_counter() + hold_seconds
        for entries in self._scan:
            found += entries
            if time.perf_counter() > ends:
                return found
        self._scan = None
        return [*found, (WHOLE, lambda: True)]

    @property
    def is_behind(self) -> bool:
        """True where there is still something to be read, so that `note` shall be called again soon."""
        return self._scan is not None and not self._is_broken

    def _write(self, _: ProgressCallback | None = None) -> None:
        """In the worker's thread, or in the main one at the end."""
        with self._writing:
            while self._pending and self._file is not None:
                batch = self._pending.popleft()
                self._file.append([(key, make()) for key, make in batch])
            if self._file is not None and self._file.size > self._least:
                self._file = self._journals.compacted(self._file, self._digest)
                self._least = max(_SMALL_BYTES, 2 * self._file.size)

    def _tell(self, error: BaseException) -> None:
        if isinstance(error, (OutputError, OSError)) and not self._is_broken:
            self._is_broken = True
            self._failed(error)


def _states(workspace: Workspace) -> dict[_Place, SliceState]:
    """What every segment has on its slices; of a preview the prompts, as its mask is not drawn yet."""
    names, controller = workspace.controller.writer.segment_ids, workspace.controller
    present = set(workspace.segments.segment_ids)
    found = {(names[label], key): state for (label, key), state in workspace.session.states().items()}
    preview = controller.preview
    if preview is not None:
        place = preview.segment_id, preview.key
        drawn = found.get(place, SliceState()).prediction
        found[place] = SliceState(preview.prompts, drawn, preview.answer.state.corrected)
    return {place: state for place, state in found.items() if place[0] in present}


def _extents(workspace: Workspace) -> dict[str, Any]:
    """Where the segments start and end, by ID, as a session file says it."""
    names = workspace.controller.writer.segment_ids
    return {names[label]: found for label in names if (found := extents_json(workspace.session, label))}


def _are_same(one: dict[_Place, SliceState], other: dict[_Place, SliceState]) -> bool:
    return one.keys() == other.keys() and all(_is_same(one[place], other[place]) for place in one)


def _is_same(one: SliceState | None, other: SliceState) -> bool:
    if one is None or one.prompts != other.prompts:
        return False
    return one.prediction is other.prediction and one.corrected is other.corrected


def _key(kind: str, place: tuple[str, SliceKey]) -> Key:
    return kind, place[0], place[1].axis, place[1].index


def _plane_json(packed: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(packed.tobytes(), 1)).decode("ascii") if packed.any() else ""


def _nothing() -> None:
    return None
