"""Folders of a user, on each system by its own convention."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import pytest

from dfqsam_core.base.system.folders import user_cache_folder

HOME = Path.home() / "Jürgen Müller"
ABSOLUTE = os.path.abspath("caches")


@pytest.mark.parametrize(
    ("system", "environment", "expected"),
    [
        ("linux", {}, HOME / ".cache" / "dfqsam"),
        ("linux", {"XDG_CACHE_HOME": ABSOLUTE}, Path(ABSOLUTE) / "dfqsam"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, HOME / ".cache" / "dfqsam"),
        ("darwin", {"XDG_CACHE_HOME": ABSOLUTE}, HOME / "Library" / "Caches" / "dfqsam"),
        ("win32", {"LOCALAPPDATA": ABSOLUTE}, Path(ABSOLUTE) / "dfqsam"),
        ("win32", {"LOCALAPPDATA": ""}, HOME / "AppData" / "Local" / "dfqsam"),
    ],
)
def test_caches_lie_where_each_system_keeps_them(system: str, environment: dict[str, str], expected: Path) -> None:
    assert user_cache_folder(system, environment, HOME) == expected


def test_here_it_lies_beside_other_programs_caches() -> None:
    others = platformdirs.user_cache_path("dfqsam", appauthor=False)
    assert others in (user_cache_folder(), user_cache_folder() / "Cache")
