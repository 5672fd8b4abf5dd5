"""Files that are replaced, removed and compared, also where the system refuses while somebody has them open."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import OutputError

# A virus scanner opens what was just written, for some hundred milliseconds.
_TRIES, _PAUSE_SECONDS = 20, 0.05


def replace_file(
    source: Path, target: Path, system: str = sys.platform, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Rename `source` to `target`, which it replaces as a whole.

    Windows refuses while any program has `target` open or mapped: that is waited for about a second.
    Raises OutputError when it stays so, OSError as `os.replace` for any other reason; `target` is then as it was.
    """
    for _ in range(_TRIES):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if system != "win32" or target.is_dir():
                raise
        sleep(_PAUSE_SECONDS)
    raise OutputError(
        f"{target} cannot be replaced: a program has it open, or it may not be written. Close the model or volume "
        "where it is in use, or choose another output."
    )


def remove_folder(folder: Path) -> bool:
    """Delete a folder that can be made again, whole or not at all; whether it is gone.

    Windows refuses while a file in it is open or mapped, and would otherwise leave half of it. What remains of a
    deletion that is cut off has the folder's name after `.removed-`.
    """
    aside = folder.with_name(f".removed-{secrets.token_hex(4)}-{folder.name}")
    try:
        os.replace(folder, aside)
    except OSError:
        return not folder.exists()
    shutil.rmtree(aside, ignore_errors=True)
    return True


def is_this_users(status: os.stat_result, system: Any = os) -> bool:
    """Return whether this user owns a file and nobody else may change it, as far as the system tells.

    status: of the file itself. system: the module `os`, or one that knows what another system's knows.
    """
    # Windows knows neither; there a user's folders are closed to others by their place.
    return not hasattr(system, "getuid") or (status.st_uid == system.getuid() and not status.st_mode & stat.S_IWOTH)


def is_same_file(one: Path, other: Path) -> bool:
    """Return whether two paths lead to one existing file: by a link, or by another case where the disk ignores it."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def ignores_case(folder: Path) -> bool:
    """Return whether the disk takes names of another case for the same, judged by the nearest folder with a letter."""
    place = folder.resolve()
    while place.parent != place and (not place.exists() or place.name.swapcase() == place.name):
        place = place.parent
    return place.parent != place and is_same_file(place, place.with_name(place.name.swapcase()))


def place_key(path: Path, ignores_case: Callable[[Path], bool] = ignores_case) -> str:
    """The same text for paths that lead to the same place, whether or not something is there yet."""
    place = path.resolve()
    # Such disks take a letter with its accent and the two characters for one name as well (macOS).
    return unicodedata.normalize("NFC", str(place)).casefold() if ignores_case(place.parent) else str(place)
