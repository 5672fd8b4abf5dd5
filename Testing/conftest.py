"""Fixtures and settings of all rooms."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from Testing.support.needs import skip_or_fail

# A busy machine is no reason to fail: tests check results, never speed.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of shared reference data and weights beside the repository; fails under CI=true where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        skip_or_fail(f"the reference folder {folder} is not here")
    return folder
