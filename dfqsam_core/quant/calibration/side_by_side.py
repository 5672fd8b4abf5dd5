"""Independent parts of a calibration on several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")


def side_by_side(work: Callable[[_Part], _Result], parts: Iterable[_Part], threads: int) -> list[_Result]:
    """The results of `work` on each part, in their order, `threads` of them under way at once."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))
