"""Links that lead out of the folders that a program may use are refused like a name that leads out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import VolumeError


def refuse_outside(path: Path, within: Sequence[Path] | None) -> None:
    """Raise VolumeError when `path`, links followed, lies in none of the folders `within` (None: anywhere)."""
    if within is None:
        return
    try:
        place = path.resolve()
    except (OSError, RuntimeError) as error:
        raise VolumeError(f"{path} is a link that leads in a circle: {error}. Remove it.") from error
    if not any(place.is_relative_to(folder.resolve()) for folder in within):
        raise VolumeError(f"{path} leads out of the folders that may be used here, to {place}, and is not opened.")
