"""Encodes the slice that is looked at and its neighbours while nothing else runs, so that a click finds them ready."""

from __future__ import annotations

from functools import partial

from dfqsam_core.progress import Cancelled, ProgressCallback
from dfqsam_core.volume import SliceKey
from dfqsam_core.volume.session.slice_predictor import SlicePredictor
from dfqsam_core.volume.slices import outwards

from .worker import Job, Worker

# Slices on each side; more would be encoded for nothing when somebody scrolls.
_REACH = 3


class EncodingAhead:
    """Jobs ahead for the thread that clicks use, too: a slice that a click finds in work is not encoded again.

    slices: the session's; what is encoded lies in its cache.
    """

    def __init__(self, worker: Worker, slices: SlicePredictor) -> None:
        self._worker, self._slices = worker, slices
        self._key: SliceKey | None = None
        self._before: SliceKey | None = None
        self._enabled = True

    def look_at(self, key: SliceKey) -> None:
        """Encode this slice and those around it, nearest first, those ahead of the last move before those behind."""
        if key != self._key:
            self._before, self._key = self._key, key
            self.renew()

    def enable(self, enabled: bool) -> None:
        """Encode ahead, or no longer."""
        if enabled != self._enabled:
            self._enabled = enabled
            self.renew()

    def renew(self) -> None:
        """Begin anew with the slice looked at, as after a change of the window."""
        self._worker.cancel(self)
        if self._enabled and self._key is not None:
            size = self._slices.volume.geometry.size_along(self._key.axis)
            others, step = outwards(self._key, size, _REACH, self._before), self._slices.at_once
            # No job is longer than one slice on one core: a click waits for that at most.
            groups = [others[start : start + step] for start in range(0, len(others), step)]
            works = [partial(self._encode, group) for group in ([self._key], *groups)]
            self._worker.submit(*[Job(work, failed=self._failed, topic=self, is_ahead=True) for work in works])

    def _encode(self, keys: list[SliceKey], _: ProgressCallback) -> None:
        self._slices.embed_all(keys)

    def _failed(self, error: BaseException) -> None:
        # A click on that slice meets the same error, and tells it.
        if not isinstance(error, Cancelled):
            self.enable(False)
