"""Waiting for something without stopping Slicer: the event loop runs meanwhile, as in a person's hands."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable

Wait = Callable[[Callable[[], bool]], None]
# As the module's own timer while something is worked on.
_TICK_MS = 5


def wait_by_event_loop(is_over: Callable[[], bool]) -> None:
    """Ask in a timer until it is so; raises what `is_over` raises.

    No processEvents: that would let go of Python's lock more often than Slicer's loop does, and hide a starved thread.
    """
    import qt

    loop, timer = qt.QEventLoop(), qt.QTimer()
    raised: list[BaseException] = []

    def look() -> None:
        try:
            if not is_over():
                return
        except BaseException as error:  # noqa: BLE001 - Qt would swallow it; it is raised below
            raised.append(error)
        timer.stop()
        loop.quit()

    timer.setInterval(_TICK_MS)
    timer.connect("timeout()", look)
    timer.start()
    loop.exec_()
    if raised:
        raise raised[0]


def wait_by_sleeping(is_over: Callable[[], bool]) -> None:
    """Ask again and again until it is so, for a Python without Qt."""
    while not is_over():
        time.sleep(_TICK_MS / 1000)


def present_wait() -> Wait:
    """How to wait here: by Qt's event loop where there is an application."""
    if importlib.util.find_spec("slicer") is not None and _has_application():
        return wait_by_event_loop
    return wait_by_sleeping


def _has_application() -> bool:
    try:
        import qt
    except ImportError:
        return False
    return qt.QCoreApplication.instance() is not None
