"""The catalogue allows 100 MB checked out, `.git` included; a public repository begins with a fresh history."""

from __future__ import annotations

import subprocess
import zlib
from pathlib import Path

from Testing.support.needs import skip_or_fail

ROOT = Path(__file__).resolve().parents[3]
MOST_BYTES = 100e6


def tracked_files() -> list[Path]:
    """Files of the working tree that git knows; skips outside a checkout."""
    if not (ROOT / ".git").exists():
        skip_or_fail("this is no checkout: git knows no files of it")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def test_a_checkout_with_a_fresh_history_fits_into_the_catalogue() -> None:
    """Each file counts as it lies in the tree and once more as git stores it; models hardly shrink."""
    files = tracked_files()
    tree = sum(path.stat().st_size for path in files)
    stored = sum(len(zlib.compress(path.read_bytes(), 6)) for path in files)
    assert {"sam-med2d_demo.safetensors", "sam-med2d_demo-w4a4.safetensors"} <= {path.name for path in files}
    assert stored > 30e6, "the models were not counted"
    assert tree + stored <= MOST_BYTES, f"{tree / 1e6:.1f} MB in the tree and {stored / 1e6:.1f} MB in its history"
