"""Work on slices side by side, in the order in which somebody will ask for it, a few beyond what was asked for last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")


class Ahead(Generic[Item, Result]):
    """Threads that each do `work` on one item after the other; leave the `with` block to end them.

    items: in the order in which they will be asked for; what is skipped is not worked on. threads: items in work at
    once. Never are more than `threads` finished or in work beyond the item asked for, so memory is bounded, and so is
    what was done for nothing where the rest is not wanted.
    """

    def __init__(self, work: Callable[[Item], Result], items: Sequence[Item], threads: int) -> None:
        self._work = work
        self._items = list(dict.fromkeys(items))
        self._places = {item: place for place, item in enumerate(self._items)}
        self._changed = threading.Condition()
        # Behind the place asked for last; the one that somebody waits for and nobody has begun.
        self._position, self._wanted = 0, -1
        self._in_work: set[int] = set()
        self._taken: set[int] = set()
        # What was raised, or None, beside each result.
        self._finished: dict[int, tuple[Any, BaseException | None]] = {}
        self._is_closed = False
        # Python waits for other threads at its end before it asks the one that uses them to hurry.
        count = min(threads, len(self._items))
        self._threads = [threading.Thread(target=self._run, name="dfqsam-ahead", daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Ahead[Item, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, item: Item, default: Callable[[Item], Result]) -> Result:
        """The result of an item, once: wait for it where a thread has it in work or is free to begin it at once.

        default: does it in the caller's thread otherwise. The threads go on behind this item.
        Raises what was raised for this item.
        """
        place = self._places.get(item)
        if place is None:
            return default(item)
        with self._changed:
            self._go_to(place)
            self._changed.wait_for(lambda: place not in self._in_work and place != self._wanted)
            found = self._finished.pop(place, None)
        if found is None:
            return default(item)
        result, error = found
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """End the threads after what they have in work."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._finished.clear()

    def _go_to(self, place: int) -> None:
        is_begun = place in self._in_work or place in self._finished or place in self._taken
        if not is_begun and len(self._in_work) < len(self._threads):
            self._wanted = place
        self._position = place + 1
        self._taken.add(place)
        # Somebody else may have asked out of turn: what is near is kept for the next in turn.
        for far in sorted(self._finished, key=lambda other: abs(other - place))[2 * len(self._threads) :]:
            del self._finished[far]
        self._changed.notify_all()

    def _run(self) -> None:
        while (place := self._begin()) is not None:
            result, error = None, None
            try:
                result = self._work(self._items[place])
            except BaseException as raised:  # noqa: BLE001 - handed to whoever asks for this item
                error = raised
            with self._changed:
                self._in_work.discard(place)
                self._finished[place] = result, error
                self._changed.notify_all()

    def _begin(self) -> int | None:
        """The place of the item to work on now; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._next() is not None)
            place = self._next()
            if self._is_closed or place is None:
                return None
            self._wanted = -1 if place == self._wanted else self._wanted
            self._in_work.add(place)
            return place

    def _next(self) -> int | None:
        if self._wanted >= 0:
            return self._wanted
        reach = range(self._position, min(self._position + len(self._threads), len(self._items)))
        begun = self._in_work | self._finished.keys() | self._taken
        return next((place for place in reach if place not in begun), None)
