from __future__ import annotations

import os
from pathlib import Path

import pytest

from dfqsam_core.base import machine

INTEL = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu avx2 avx512bw avx_vnni\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp\n"


@pytest.mark.parametrize(
    ("text", "name", "instructions"),
    [(INTEL, "Some CPU @ 2 GHz", "AVX-VNNI"), (ARM, None, "NEON dot product"), ("", None, None)],
)
def test_the_processor_is_described(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, name: str | None, instructions: str | None
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(machine, "_CPU_INFO", tmp_path / "cpuinfo")
    assert machine.cpu_name() == (name or machine.platform.processor() or machine.platform.machine())
    assert machine.instruction_set() == (instructions or machine.platform.machine())


def test_a_system_without_cpuinfo_is_described(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "_CPU_INFO", tmp_path / "nothing")
    assert machine.instruction_set() == machine.platform.machine()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not tell resident memory")
def test_the_peak_is_not_below_what_is_resident() -> None:
    resident, peak = machine.resident_memory_bytes(), machine.peak_memory_bytes()
    assert resident is not None
    assert peak is not None
    assert 10**6 < resident <= peak * 1.1


def test_there_is_a_core_to_use() -> None:
    assert 1 <= machine.physical_cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity")
def test_cores_outside_the_affinity_do_not_count() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert machine.physical_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
