"""Opens a prompts file and tells its kind: the project's own JSON or markups of 3D Slicer."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import readable
from ..geometry import VolumeGeometry
from ..prompts import SegmentPrompts
from .markups import parse_markups
from .prompts_file import parse_prompts
from .strict_json import read_json

_MAX_FILE_BYTES = 16 * 2**20


def read_prompts(path: str | os.PathLike, geometry: VolumeGeometry) -> tuple[SegmentPrompts, ...]:
    """Read a prompts file for a volume: the project's JSON, or markups of 3D Slicer (`.mrk.json`).

    Parameters
    ----------
    path
        The file.
    geometry
        Grid of the volume, to which positions in millimetres belong.

    Returns
    -------
    tuple of SegmentPrompts
        The prompts of each segment, in the order of the file.

    Raises
    ------
    PromptError
        For a file that cannot be read, is malformed in any way, or does not fit the volume.
    """
    source = Path(path)
    content = read_json(source, _MAX_FILE_BYTES)
    if source.name.lower().endswith(".mrk.json") or (isinstance(content, dict) and "markups" in content):
        # Bytes of another character set in the file's name are no text that a segment could be called.
        name = os.fsencode(source.name.split(".")[0]).decode("utf-8", "replace")
        return parse_markups(content, geometry, readable(name))
    return parse_prompts(content, geometry)
