"""What was done and can be taken back: one history, for the sessions of scripts and for the segments of a scene."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

Step = TypeVar("Step")

# The oldest actions are forgotten beyond this: 10,000 slices of SAM-Med2D, and fewer of a network with larger masks.
_MOST_BYTES = 250 * 10**6
_USUAL_BYTES = 25_000


class History(Generic[Step]):
    """Actions of one or more steps each. It hands the steps out; who asked for them changes what they are about.

    A step counts as moved when the one after it is asked for: an iterator that is dropped, for instance because a step
    failed, leaves that step and those after it where they were. The newest action is always kept.
    """

    def __init__(self) -> None:
        # What is to be moved first comes last: in `_done` the newest step, in `_undone` the oldest one.
        self._done: list[list[Step]] = []
        self._undone: list[list[Step]] = []
        # Bytes of what was done; what was undone since may still count.
        self._at_most = 0

    @property
    def can_undo(self) -> bool:
        """True where there is an action to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """True where there is an undone action to repeat."""
        return bool(self._undone)

    @property
    def to_undo(self) -> Sequence[Step]:
        """Steps of the action that `undo` would take back."""
        return self._done[-1] if self._done else ()

    @property
    def to_redo(self) -> Sequence[Step]:
        """Steps of the action that `redo` would repeat."""
        return self._undone[-1] if self._undone else ()

    def add(self, steps: Iterable[Step]) -> None:
        """These were done, in this order, as one action; what was undone before cannot be repeated any more."""
        self._done.append(list(steps))
        self._undone.clear()
        self._at_most += sum(map(_bytes_of, self._done[-1]))
        if self._at_most > _MOST_BYTES:
            self._forget()

    def _forget(self) -> None:
        taken = [sum(map(_bytes_of, steps)) for steps in self._done]
        first, total = 0, sum(taken)
        while total > _MOST_BYTES and first < len(taken) - 1:
            total -= taken[first]
            first += 1
        del self._done[:first]
        self._at_most = total

    def replace(self, change: Callable[[Step], Step]) -> None:
        """Keep another step instead of each one."""
        for actions in (self._done, self._undone):
            actions[:] = [[change(step) for step in steps] for steps in actions]

    def undo(self) -> Iterator[Step]:
        """Steps of the last action, the last one first, to be taken back one after the other; nothing without one."""
        return _moved(self._done, self._undone)

    def redo(self) -> Iterator[Step]:
        """Steps of the action undone last, the first one first, to be repeated; nothing without one."""
        return _moved(self._undone, self._done)


def _bytes_of(step: object) -> int:
    """About what a step keeps in memory; what it was before is another step's."""
    return max(_USUAL_BYTES, int(getattr(step, "kept_bytes", 0)))


def _moved(source: list[list[Step]], target: list[list[Step]]) -> Iterator[Step]:
    if not source:
        return
    action = source[-1]
    moved: list[Step] = []
    while action:
        yield action[-1]
        if not moved:
            target.append(moved)
        moved.append(action.pop())
    source.pop()
