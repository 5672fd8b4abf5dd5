"""Two reports of `dfqsam bench` from one machine, number by number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..base import machine
from ..errors import ConfigError

# What decides how fast the same code is.
_SAME = ("cpu", "instruction_set", "physical_cores")
# Of a report: where each number lies, and its parts that no number is compared by.
_PARTS = ("model", "reference", "memory", "counts", "timings", "starts", "integer_products")


class Change(NamedTuple):
    """One number of two reports; ratio: now over before, None where it was 0."""

    name: str
    before: float
    now: float

    @property
    def ratio(self) -> float | None:
        return self.now / self.before if self.before else None


def machine_facts() -> dict[str, Any]:
    """Return what a report says of the machine it was made on."""
    return {
        "cpu": machine.cpu_name(),
        "instruction_set": machine.instruction_set(),
        "physical_cores": machine.physical_cores(),
        "load": machine.load_average(),
    }


def earlier_reports(report: Any) -> dict[int, dict[str, Any]]:
    """The parts of an earlier report of this machine, by their number of threads.

    report: content of what `dfqsam bench --report` wrote. Raises ConfigError for anything else, and for a report of
    another machine: its numbers would tell nothing about the code.
    """
    try:
        parts = [report, *report["more_threads"]]
        found = {int(part["threads"]): part for part in parts}
        was, here = report["machine"], machine_facts()
        others = [f"{was[fact]} instead of {here[fact]}" for fact in _SAME if was[fact] != here[fact]]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            "This is not a report of `dfqsam bench`. Make one with --report and compare with that."
        ) from error
    if others:
        raise ConfigError(
            f"The report is of another machine ({', '.join(others)}). Make one here and compare with that."
        )
    return found


def changes(before: dict[str, Any], now: dict[str, Any]) -> Iterator[Change]:
    """Every number that both reports have, in the order of the present one."""
    for part in _PARTS:
        yield from _changes(part, before.get(part), now.get(part))


def _changes(name: str, before: Any, now: Any) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in now:
            yield from _changes(f"{name}, {key}", before.get(key), now[key])
    elif _is_number(before) and _is_number(now):
        yield Change(name, before, now)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
