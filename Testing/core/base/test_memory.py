"""One limit for what reading a file may take; the sentence says whose limit it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dfqsam_core.base.machine import physical_memory_bytes
from dfqsam_core.base.memory import MAX_READING_BYTES, memory_limit, require_memory
from dfqsam_core.errors import ModelFileError, VolumeError

ROOT = Path(__file__).resolve().parents[3]


def test_what_fits_is_allowed_and_one_byte_more_is_refused() -> None:
    limit, _ = memory_limit()
    require_memory(limit, "ct.nii.gz")
    with pytest.raises(VolumeError, match=r"^ct.nii.gz needs .* GB of memory, more than .* Choose a smaller one"):
        require_memory(limit + 1, "ct.nii.gz")


def test_the_caller_says_which_error_it_is() -> None:
    with pytest.raises(ModelFileError, match=r"^model.safetensors needs 1000.0 GB"):
        require_memory(1e12, "model.safetensors", ModelFileError)


def test_the_limit_is_ours_unless_the_machine_has_less() -> None:
    machine = physical_memory_bytes()
    expected = MAX_READING_BYTES if machine is None else min(machine, MAX_READING_BYTES)
    assert memory_limit()[0] == expected


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_a_process_with_less_memory_is_told_of_its_own_limit() -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 * 10**9, 2 * 10**9))\n"
        "from dfqsam_core.base.memory import memory_limit; print(*memory_limit())"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "2000000000 the memory of this machine"
