"""Cores of systems that tell, and of those that do not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dfqsam_core.base.system.processors import allowed_processors, load_average, physical_cores

LINUX = SimpleNamespace(sched_getaffinity=lambda _: {0, 1, 4}, cpu_count=lambda: 64, getloadavg=lambda: (1.5, 1, 1))
MAC = SimpleNamespace(cpu_count=lambda: 8, getloadavg=lambda: (1.5, 1, 1))
WINDOWS = SimpleNamespace(cpu_count=lambda: 8)
WINDOWS_OF_PYTHON_3_13 = SimpleNamespace(cpu_count=lambda: 8, process_cpu_count=lambda: 6)
UNKNOWN = SimpleNamespace(cpu_count=lambda: None)


@pytest.mark.parametrize(
    ("system", "logical", "on_x86", "on_arm"),
    [(LINUX, 3, 1, 3), (MAC, 8, 4, 8), (WINDOWS, 8, 4, 8), (WINDOWS_OF_PYTHON_3_13, 6, 3, 6), (UNKNOWN, 1, 1, 1)],
)
def test_cores_without_a_list_of_siblings(system: Any, logical: int, on_x86: int, on_arm: int, tmp_path: Path) -> None:
    assert len(allowed_processors(system)) == logical
    # Windows and macOS spell it in their own ways.
    for architectures, expected in ((("x86_64", "AMD64"), on_x86), (("arm64", "ARM64", "aarch64"), on_arm)):
        assert {physical_cores(system, name, tmp_path / "none") for name in architectures} == {expected}


def test_siblings_count_once(tmp_path: Path) -> None:
    for number, siblings in {0: "0-1", 1: "0-1", 4: "4-5", 5: "4-5"}.items():
        folder = tmp_path / f"cpu{number}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings)
    assert physical_cores(LINUX, "x86_64", tmp_path) == 2


def test_no_load_is_told_on_windows() -> None:
    assert (load_average(LINUX), load_average(WINDOWS)) == (1.5, 0.0)
