"""Memory: on this system against what the system's own tool says, on Windows against a kernel32 that fills bytes."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dfqsam_core.base.system import memory, windows_memory
from Testing.support.finished import PATIENCE_SECONDS

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="reads what Linux and macOS tell")


@needs_posix
def test_the_machine_has_more_than_this_process_takes() -> None:
    physical, peak = memory.physical_memory_bytes(), memory.peak_memory_bytes()
    assert physical is not None
    assert peak is not None
    assert 10**6 < peak < physical


@needs_posix
@pytest.mark.parametrize(("text", "expected"), [("1048576\n", 2**20), ("max\n", None), ("", None)])
def test_a_container_has_less_than_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: int | None
) -> None:
    from dfqsam_core.base.system import posix_memory

    monkeypatch.setattr(posix_memory, "_CONTAINER_LIMITS", (tmp_path / "none",))
    without = memory.physical_memory_bytes()
    (tmp_path / "memory.max").write_text(text)
    monkeypatch.setattr(posix_memory, "_CONTAINER_LIMITS", (tmp_path / "none", tmp_path / "memory.max"))
    assert memory.physical_memory_bytes() == (expected or without)


@needs_posix
def test_a_system_without_proc_tells_the_peak_in_its_own_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dfqsam_core.base.system import posix_memory

    monkeypatch.setattr(posix_memory, "_STATUS", tmp_path / "none")
    monkeypatch.setattr(posix_memory, "_PAGES", tmp_path / "none")
    in_kibibytes = posix_memory.peak_memory_bytes()
    assert posix_memory.resident_memory_bytes() is None
    monkeypatch.setattr(posix_memory, "_PEAK_UNIT", posix_memory._PEAK_UNIT / 1024)
    in_bytes = posix_memory.peak_memory_bytes()
    assert in_bytes is not None
    assert in_kibibytes == pytest.approx(1024 * in_bytes, rel=0.2)


class Kernel:
    """kernel32 as it is documented: it refuses a structure of another size, and knows no other process than -1."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses = refuses

    def K32GetProcessMemoryInfo(self, handle: ctypes.c_void_p, target: Any, size: int) -> int:
        if self.refuses or handle.value != ctypes.c_void_p(-1).value or size != 72:
            return 0
        # cb, PageFaultCount, PeakWorkingSetSize, WorkingSetSize, six more.
        ctypes.memmove(target, struct.pack("<IIQQ6Q", 72, 9, 5_000_000_000, 4_000_000_000, *range(6)), 72)
        return 1

    def GlobalMemoryStatusEx(self, target: Any) -> int:
        if self.refuses or ctypes.cast(target, ctypes.POINTER(ctypes.c_uint32))[0] != 64:
            return 0
        # dwLength, dwMemoryLoad, ullTotalPhys, six more.
        ctypes.memmove(target, struct.pack("<IIQ6Q", 64, 50, 17_000_000_000, *range(6)), 64)
        return 1


@pytest.mark.skipif(sys.maxsize < 2**32, reason="sizes of a 64-bit system")
def test_windows_is_understood() -> None:
    assert windows_memory.peak_memory_bytes(Kernel()) == 5_000_000_000
    assert windows_memory.resident_memory_bytes(Kernel()) == 4_000_000_000
    assert windows_memory.physical_memory_bytes(Kernel()) == 17_000_000_000


def test_what_windows_does_not_tell_is_not_known() -> None:
    refusing = Kernel(refuses=True)
    assert windows_memory.peak_memory_bytes(refusing) is None
    assert windows_memory.resident_memory_bytes(refusing) is None
    assert windows_memory.physical_memory_bytes(refusing) is None


@pytest.mark.skipif(sys.platform != "win32", reason="needs Windows")
def test_real_windows_tells() -> None:
    resident, peak, physical = (
        tell() for tell in (memory.resident_memory_bytes, memory.peak_memory_bytes, memory.physical_memory_bytes)
    )
    assert resident is not None
    assert peak is not None
    assert physical is not None
    assert 10**6 < resident <= peak < physical


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_a_dask_worker_keeps_what_it_frees_for_the_next_slice() -> None:
    """dask's own setting cost every slice half again its time."""
    program = """
import resource, sys
import numpy as np
from dfqsam_core.base.machine import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(40):
    np.ones(2**21)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

    def page_faults(way: str, **variables: str) -> int:
        found = subprocess.run(
            [sys.executable, "-c", program, way],
            # Huge pages, where the machine has some to spare, make one fault of 512.
            env=os.environ | {"NUMPY_MADVISE_HUGEPAGE": "0"} | variables,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_SECONDS,
        )
        return int(found.stdout)

    as_dask_has_it = page_faults("leave", MALLOC_TRIM_THRESHOLD_="65536")
    if as_dask_has_it < 10_000:
        pytest.skip("another allocator than glibc's")
    assert page_faults("keep", MALLOC_TRIM_THRESHOLD_="65536") < 0.2 * as_dask_has_it
    assert page_faults("keep", MALLOC_TRIM_THRESHOLD_="65537") > 0.8 * as_dask_has_it, "what somebody has set stays"


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_long_work_keeps_what_it_frees_and_gives_it_back_in_the_end() -> None:
    program = """
import resource
import numpy as np
from dfqsam_core.base.machine import freed_memory_kept, resident_memory_bytes

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(2**23)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
with freed_memory_kept():
    np.ones(2**23)
    print(before, faults(), end=" ")
print(faults(), resident_memory_bytes())
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}

    def found(**variables: str) -> list[int]:
        answer = subprocess.run(
            [sys.executable, "-c", program],
            env=environment | {"NUMPY_MADVISE_HUGEPAGE": "0"} | variables,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_SECONDS,
        )
        return [int(word) for word in answer.stdout.split()]

    usual, kept, after, resident = found()
    if usual < 100_000:
        pytest.skip("another allocator than glibc's")
    assert kept < 0.1 * usual
    assert after > 0.5 * usual
    assert resident < 2**28, "what was kept is given back"
    _, kept, *_ = found(MALLOC_ARENA_MAX="2")
    assert kept > 0.5 * usual, "what somebody has set stays"
