"""Wakes the loop that looks for what is due: what a person waits for shall not wait for the next look."""

from __future__ import annotations

import asyncio
import contextlib


class Alarm:
    """Rings from any thread; one coroutine waits for it."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """End the present wait, or the next one, at once."""
        if self._loop is not None:
            # The loop may have ended; then nobody waits any more.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._rung.set)

    async def wait(self, seconds: float) -> None:
        """Wait so long, or until it rings."""
        self._loop = asyncio.get_running_loop()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._rung.wait(), seconds)
        self._rung.clear()
