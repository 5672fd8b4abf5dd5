"""Works that do not need each other, at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

Result = TypeVar("Result")


def together(works: Sequence[Callable[[], Result]], threads: int) -> list[Result]:
    """Return the results of `works` in their order; at most `threads` are under way, one of them in the caller's.

    Raises what the first to fail raised, after those under way have ended; the others are not begun.
    """
    lock, waiting = threading.Lock(), list(enumerate(works))
    results: dict[int, Result] = {}
    failures: list[BaseException] = []

    def begin() -> tuple[int, Callable[[], Result]] | None:
        with lock:
            return waiting.pop(0) if waiting and not failures else None

    def run() -> None:
        while (next_one := begin()) is not None:
            place, work = next_one
            try:
                results[place] = work()
            except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
                failures.append(error)

    # Python waits for other threads at its end before it asks the one that uses them to hurry.
    others = [
        threading.Thread(target=run, name="dfqsam-together", daemon=True) for _ in range(min(threads, len(works)) - 1)
    ]
    for thread in others:
        thread.start()
    run()
    for thread in others:
        thread.join()
    if failures:
        raise failures[0]
    return [results[place] for place in range(len(works))]
