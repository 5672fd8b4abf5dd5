"""Ctrl-C stops long work at its next safe point, a second Ctrl-C at once."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from ..base.system.signals import stop_signals
from ..progress import Cancelled


@contextlib.contextmanager
def cancel_on_signals() -> Iterator[Callable[[], None]]:
    """Yield a function that raises Cancelled once a signal to stop has arrived; Ctrl-C after that interrupts at once.

    Outside the main thread, where Python takes no signals, the function never raises.
    """
    arrived = threading.Event()

    def note(signum: int, frame: FrameType | None) -> None:
        # A terminal that is closed, and a computer that is shut down, say it twice; only a person means "at once".
        if arrived.is_set() and signum == signal.SIGINT:
            raise KeyboardInterrupt
        if arrived.is_set():
            return
        arrived.set()
        if sys.stderr.isatty():
            print("\nStopping at the next safe point; press Ctrl-C again to stop at once.", file=sys.stderr)

    def raise_if_cancelled() -> None:
        if arrived.is_set():
            raise Cancelled

    if threading.current_thread() is not threading.main_thread():
        yield raise_if_cancelled
        return
    previous = {number: signal.signal(number, note) for number in stop_signals()}
    try:
        yield raise_if_cancelled
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
