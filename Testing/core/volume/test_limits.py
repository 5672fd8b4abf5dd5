"""Whatever a reference file holds, reading it takes less than 20 s and 4 GB; what comes of it, other tests say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
READER = """
import faulthandler, resource, sys
from pathlib import Path
from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import read_volume
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
for path in map(Path, sys.stdin.read().splitlines()):
    faulthandler.dump_traceback_later(20, exit=True)
    try:
        read_volume(path)
        print("read", path)
    except VolumeError as error:
        if isinstance(error.__cause__, MemoryError):
            raise
        print("refused", path)
    faulthandler.cancel_dump_traceback_later()
"""


@pytest.mark.parametrize("folder", ["robust_nifti", "robust_dicom"])
def test_reference_files_are_read_within_20_s_and_4_gb(shared, folder):
    places = [path for path in (shared / "data" / folder).rglob("*") if path.is_file()]
    places += sorted({path.parent for path in places})
    ended = subprocess.run(
        [sys.executable, "-c", READER], input="\n".join(map(str, places)), cwd=ROOT, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    outcomes = [line.split()[0] for line in ended.stdout.splitlines()]
    assert len(outcomes) == len(places)
    assert set(outcomes) == {"read", "refused"}
