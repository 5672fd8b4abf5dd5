"""Opens a prompts file and tells its kind: the project's own JSON or markups of 3D Slicer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..errors import PromptError
from .geometry import VolumeGeometry
from .markups import parse_markups
from .prompts import SegmentPrompts
from .prompts_file import parse_prompts

_MAX_FILE_BYTES = 16 * 2**20


def read_prompts(path: str | os.PathLike, geometry: VolumeGeometry) -> tuple[SegmentPrompts, ...]:
    """Read a prompts file for a volume: the project's JSON, or markups of 3D Slicer (`.mrk.json`).

    Raises PromptError for a file that cannot be read, is malformed in any way, or does not fit the volume.
    """
    source = Path(path)
    content = _load_json(source)
    if source.name.lower().endswith(".mrk.json") or (isinstance(content, dict) and "markups" in content):
        return parse_markups(content, geometry, name=source.name.split(".")[0])
    return parse_prompts(content, geometry)


def _load_json(path: Path) -> Any:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise PromptError(f"The prompts file {path} has {path.stat().st_size} bytes; prompts need less than 16 MB.")
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
    except OSError as error:
        raise PromptError(f"The prompts file {path} cannot be read: {error.strerror}. Check the path.") from error
    except PromptError:
        raise
    except (ValueError, RecursionError) as error:
        raise PromptError(f"The prompts file {path} is not valid JSON: {error}.") from error


def _refuse_constant(name: str) -> None:
    raise PromptError(f"The prompts file holds {name}; every number must be finite.")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise PromptError(f"The prompts file gives {next(k for k in keys if keys.count(k) > 1)!r} twice in one object.")
    return content
