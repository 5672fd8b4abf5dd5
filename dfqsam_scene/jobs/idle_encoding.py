"""Encodes the slice that is looked at and its neighbours while nothing else runs, so that a click finds them ready."""

from __future__ import annotations

from dfqsam_core.volume import Prefetcher, SliceKey, WindowLevel
from dfqsam_core.volume.session.prefetch import outwards
from dfqsam_core.volume.session.slice_predictor import Predictor, SlicePredictor

# Slices on each side; more would be encoded for nothing when somebody scrolls.
_REACH = 3


class IdleEncoding:
    """One background thread on the cache of a session's slices; begun with the first slice that is looked at.

    slices: the session's. predictor: one of its own, of the same model, for the thread.
    """

    def __init__(self, slices: SlicePredictor, predictor: Predictor) -> None:
        self._slices = slices.twin(predictor)
        self._prefetcher: Prefetcher | None = None
        self._key: SliceKey | None = None
        self._before: SliceKey | None = None
        self._busy = False
        self._enabled = True

    def look_at(self, key: SliceKey) -> None:
        """Encode this slice and those around it, nearest first, those ahead of the last move before those behind."""
        if key != self._key:
            self._before, self._key = self._key, key
            self._request()

    def follow(self, window: WindowLevel, is_busy: bool) -> None:
        """Pause while a prompt is worked on; encode again afterwards, or when the window has changed."""
        if (window, is_busy) != (self._slices.window, self._busy):
            self._slices.window, self._busy = window, is_busy
            self._request()

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until nothing is left to encode; False when the time ran out first."""
        return self._prefetcher is None or self._prefetcher.wait(timeout_seconds)

    def enable(self, enabled: bool) -> None:
        """Encode ahead, or no longer."""
        if enabled != self._enabled:
            self._enabled = enabled
            self._request()

    def close(self) -> None:
        """End after the slice in work, without waiting for it."""
        if self._prefetcher is not None:
            self._prefetcher.close(wait=False)

    def _request(self) -> None:
        wanted = self._enabled and not self._busy and self._key is not None
        if self._prefetcher is None and wanted:
            self._prefetcher = Prefetcher(self._slices)
        if self._prefetcher is None:
            return
        try:
            self._prefetcher.request(self._around(self._key) if wanted and self._key else ())
        except Exception:  # noqa: BLE001 - a click on that slice meets the same error, and tells it
            self._enabled = False

    def _around(self, key: SliceKey) -> list[SliceKey]:
        size = self._slices.volume.geometry.size_along(key.axis)
        return [key, *outwards(key, size, _REACH, self._before)]
