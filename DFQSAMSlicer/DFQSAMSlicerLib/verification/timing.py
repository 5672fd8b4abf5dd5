"""Runs steps one after the other: what each says, how long it took, and how long it held the main thread."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .event_loop import Wait

PASSED, SKIPPED, FAILED = "passed", "skipped", "failed"
# Not for speed: it only ends what hangs.
_PATIENCE_SECONDS = 1200.0
# A step yields what it waits for, and returns a sentence on what was found.
Doing = Generator[Callable[[], bool], None, str]


class Skipped(Exception):
    """A step that cannot run here, with the reason in a sentence."""


@dataclass(frozen=True)
class Step:
    """One thing that a person would do.

    title: a line of the checklist. branch: a failure ends the later steps of the same branch. run: does it.
    """

    title: str
    branch: str
    run: Callable[[Any], Doing]


@dataclass(frozen=True)
class Picture:
    """png: bytes of a PNG file. caption: what it shows."""

    png: bytes
    caption: str


@dataclass(frozen=True)
class Outcome:
    """The outcome of a step.

    state: "passed", "skipped" or "failed". sentence: what was found, or the reason. seconds: until it was done.
    longest_tick_ms: the longest that the main thread was held at once while the step waited. details: a traceback of
    a step that failed, without any picture or voxel. pictures: taken at its end.
    """

    title: str
    state: str
    sentence: str
    seconds: float = 0.0
    longest_tick_ms: float = 0.0
    details: str = ""
    pictures: tuple[Picture, ...] = ()


class Clock:
    """Runs one step at a time; tick: does what the module's timer does. wait: as `event_loop.present_wait` gives it."""

    def __init__(self, tick: Callable[[], object], wait: Wait) -> None:
        self._tick, self._wait = tick, wait
        self._longest = 0.0

    def run(self, step: Step, walk: Any) -> Outcome:
        """Do one step to its end."""
        begin, self._longest = time.perf_counter(), 0.0
        state, details = PASSED, ""
        try:
            sentence = self._follow(step.run(walk))
        except Skipped as reason:
            state, sentence = SKIPPED, str(reason)
        except Exception as error:  # noqa: BLE001 - the report tells it, and the next branch goes on
            state, sentence, details = FAILED, _words(error), _traceback(error)
        seconds = time.perf_counter() - begin
        return Outcome(step.title, state, sentence, seconds, 1000 * self._longest, details, walk.take_pictures())

    def _follow(self, doing: Doing) -> str:
        try:
            while True:
                self._wait_for(next(doing))
        except StopIteration as end:
            return str(end.value)

    def _wait_for(self, is_so: Callable[[], bool]) -> None:
        ends = time.monotonic() + _PATIENCE_SECONDS

        def is_over() -> bool:
            begin = time.perf_counter()
            self._tick()
            self._longest = max(self._longest, time.perf_counter() - begin)
            if time.monotonic() > ends:
                raise TimeoutError(f"It did not happen in {_PATIENCE_SECONDS:.0f} seconds.")
            return is_so()

        self._wait(is_over)


def run_steps(steps: Sequence[Step], walk: Any, clock: Clock, say: Callable[[str], object]) -> list[Outcome]:
    """Run all steps in order; say: tells each title before it begins."""
    outcomes: list[Outcome] = []
    broken: dict[str, str] = {}
    for step in steps:
        if step.branch in broken:
            outcomes.append(Outcome(step.title, SKIPPED, f"It goes on from a step that failed: {broken[step.branch]}."))
            continue
        say(step.title)
        outcomes.append(clock.run(step, walk))
        if outcomes[-1].state == FAILED:
            broken[step.branch] = step.title
    return outcomes


def _words(error: BaseException) -> str:
    return str(error).replace(str(Path.home()), "~") or type(error).__name__


def _traceback(error: BaseException) -> str:
    """Files by their last parts: where they lie on this computer names its user."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [
        f"{frame.filename.replace(chr(92), '/').rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames
    ]
    return "\n".join([*lines, type(error).__name__])
