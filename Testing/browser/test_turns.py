"""A defect in a turn of the viewer's loop is told once, and the loop goes on."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("trame_slicer", reason="the viewer's packages are not installed: make test-browser")

from dfqsam_viewer.alarm import Alarm
from dfqsam_viewer.server import Viewer


class BrokenLogic:
    """Fails with every turn; `guarded` may use it."""

    def __init__(self) -> None:
        self.turns, self.told = 0, 0

    def tick(self) -> None:
        """A defect, whose words differ each time."""
        self.turns += 1
        raise KeyError(f"turn {self.turns}")

    def tell_defect(self, error: Exception) -> None:
        """Count."""
        self.told += 1

    def refresh(self) -> None:
        """Nothing to show."""


class NoModels:
    """Nothing to bring up to date."""

    def poll(self) -> bool:
        """Nothing new."""
        return False


def test_a_defect_is_told_once_until_the_person_does_something() -> None:
    viewer = Viewer.__new__(Viewer)
    viewer.logic, viewer.models = BrokenLogic(), NoModels()
    viewer._told, viewer._actions = set(), {"anything": lambda: None}
    viewer._raise_if_stopped = lambda: None

    async def turn(times: int) -> None:
        # Each turn has a loop of its own, to which its alarm belongs.
        viewer.alarm = Alarm()
        last = viewer.logic.turns + times
        task = asyncio.get_running_loop().create_task(viewer._run())
        for _ in range(3000):
            if viewer.logic.turns >= last:
                break
            await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    # In a thread of its own: the browser's driver has a loop in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, turn(10)).result()
        assert viewer.logic.told == 1
        viewer._told.clear()
        thread.submit(asyncio.run, turn(10)).result()
    assert (viewer.logic.turns >= 20, viewer.logic.told) == (True, 2)
