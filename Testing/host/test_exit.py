"""Slicer ends with work under way, and ends well: code 0, no abort, whatever the thread was doing.

DFQSAM_EXITS=20 make test-host   # 20 random moments for each kind, some minutes
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-host")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-host")

ROOT = Path(__file__).resolve().parents[2]
MOMENTS = int(os.environ.get("DFQSAM_EXITS", "2"))
# From the first hand-over to the thread until all slices around are encoded, on a machine with other work to do.
LATEST_SECONDS = 6.0
KINDS = ("nothing", "panel", "effect", "worker", "logic", "child")
# Not for speed: it only ends what hangs.
PATIENCE_SECONDS = 300


def moments(kind: str) -> list[float]:
    """Random seconds after a tool was taken, the same ones in every run."""
    rng = random.Random(kind)
    return [round(rng.uniform(0.2, LATEST_SECONDS), 2) for _ in range(MOMENTS)]


def end_of(kind: str, seconds: float, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a Slicer to its end."""
    command = [sys.executable, "-m", "Testing.host.program", kind, str(seconds), str(folder)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_quit_at_a_random_moment_ends_with_code_0(kind: str, tmp_path: Path) -> None:
    ends = {seconds: end_of(kind, seconds, tmp_path) for seconds in moments(kind)}
    failed = {seconds: (end.returncode, end.stderr[-800:]) for seconds, end in ends.items() if end.returncode}
    assert not failed
    assert all("Slicer ends\n" in end.stderr for end in ends.values()), {s: e.stderr for s, e in ends.items()}
