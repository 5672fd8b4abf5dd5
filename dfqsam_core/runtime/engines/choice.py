"""Which engine runs a model's encoder on this machine: what a measurement found, once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ...base.installation import install_command
from ...base.outputs import atomic_output
from ...base.system.folders import user_cache_folder
from ...errors import ConfigError, OutputError
from .openvino import openvino_version
from .parts import ENGINES, Engine
from .start import cache_key


def resolve_engine(asked: Engine | Literal["chosen"], digest: str, threads: int) -> Engine:
    """The engine that was asked for; "chosen" is what `remember_engine` kept for this file, else onnxruntime.

    Raises ConfigError for another name and for an engine that is not installed.
    """
    if asked == "chosen":
        return _remembered(digest, threads)
    if asked not in ENGINES:
        raise ConfigError(f"There is no engine {asked!r}. Choose one of: chosen, {', '.join(ENGINES)}.")
    if asked == "openvino" and openvino_version() is None:
        raise ConfigError(f"The engine openvino is not installed. Install it with: {install_command('openvino')}")
    return asked


def remember_engine(digest: str, threads: int, choice: Mapping[str, Any]) -> Path:
    """Keep `choice`, whose "engine" names the faster one, in the user's cache folder; returns the file.

    It holds for this model file, thread count, processor, this code and both engines' versions, and may be deleted.
    Raises OutputError where it cannot be written.
    """
    path = _path(digest, threads)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {path.parent} cannot be made: {error.strerror}. Check its rights.") from error
    with atomic_output(path, force=True) as temporary:
        temporary.write_text(json.dumps(choice, indent=2) + "\n", encoding="utf-8")
    return path


def _remembered(digest: str, threads: int) -> Engine:
    try:
        found = json.loads(_path(digest, threads).read_text(encoding="utf-8"))["engine"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        # Absent or damaged.
        return "onnxruntime"
    return "openvino" if found == "openvino" and openvino_version() else "onnxruntime"


def _path(digest: str, threads: int) -> Path:
    # The whole digest: one checkpoint is a network for each of its conventions, told apart behind the hash.
    measured = f"{digest} {cache_key(digest)} {openvino_version()} {threads}"
    return user_cache_folder() / f"{digest[:32]}-{hashlib.sha256(measured.encode()).hexdigest()[:16]}.engine.json"
