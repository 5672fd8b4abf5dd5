"""Where each system keeps what."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def user_cache_folder(
    system: str = sys.platform, environment: Mapping[str, str] = os.environ, home: Path | None = None
) -> Path:
    """Where this user's programs keep what they can make again.

    A variable of the environment counts only when it is an absolute path, as the XDG specification demands.
    """
    home = home or Path.home()
    if system == "darwin":
        return home / "Library" / "Caches" / "dfqsam"
    variable, usual = ("LOCALAPPDATA", ("AppData", "Local")) if system == "win32" else ("XDG_CACHE_HOME", (".cache",))
    named = Path(environment.get(variable, ""))
    return (named if named.is_absolute() else home.joinpath(*usual)) / "dfqsam"
