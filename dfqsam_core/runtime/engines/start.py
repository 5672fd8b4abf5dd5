"""Starts a packed model: from the cache of unpacked weights, or from the file, filling the cache."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...base import machine
from ...errors import ModelFileError
from ...progress import ProgressCallback
from ...store.model_file import StoredModel, parse_card, read_model
from ...store.safetensors_file import open_safetensors
from .onnxruntime import engine_version
from .parts import Encoder, Engine, Sessions, open_encoder, open_parts, save_parts, start_in_memory
from .unpacked_cache import UnpackedCache

_PACKAGE = Path(__file__).resolve().parents[2]
# Where a packed file becomes graphs and weights, and all that this stands on.
_ROOMS = ("base", "network", "store", "runtime")


class Started(NamedTuple):
    """A packed model that runs.

    again: makes one more encoder, with another number of threads, over the same pages of memory; raises OSError where
    the files of the cache are gone. None where the weights are this process's own.
    """

    network: StoredModel
    sessions: Sessions
    again: Callable[[int], Encoder] | None


def start_packed(
    path: Path,
    digest: str,
    threads: int,
    cache: UnpackedCache | None,
    engine: Engine,
    progress: ProgressCallback | None = None,
) -> Started:
    """Start the packed model `path`, whose SHA-256 is `digest`; `engine` runs the encoder.

    What the cache holds was made for onnxruntime, from a file of this digest that had passed every check.
    Raises ModelFileError when the file cannot be used.
    """
    if cache is not None and engine == "onnxruntime":
        key = cache_key(digest)
        with contextlib.suppress(OSError):
            entry = cache.find(key) or cache.fill(key, lambda folder: save_parts(_checked(path), folder, progress))
            if entry is not None:
                network = _unchecked(path)
                return Started(network, open_parts(entry, threads, progress), partial(open_encoder, entry, network))
    network = _checked(path)
    return Started(network, start_in_memory(network, threads, engine, progress), None)


def cache_key(digest: str, package: Path = _PACKAGE) -> str:
    """Name of what is unpacked from the file `digest` by the code of `package` and this engine for this processor."""
    maker = hashlib.sha256(f"{engine_version()} {machine.cpu_fingerprint()} ".encode())
    for path in unpacking_code(package):
        source = path.read_bytes()
        maker.update(f"{path.relative_to(package).as_posix()} {len(source)} ".encode() + source)
    return f"{digest[:32]}-{maker.hexdigest()[:16]}"


def unpacking_code(package: Path = _PACKAGE) -> list[Path]:
    """The files of `package` that unpacked weights may depend on, sorted: its own and those of the rooms of a model."""
    rooms = [path for room in _ROOMS for path in (package / room).rglob("*.py")]
    return sorted([*package.glob("*.py"), *rooms])


class _TensorsOnUse(Mapping[str, np.ndarray]):
    """Tensors of a safetensors file, mapped anew at each use, so that none stays in memory longer than it is needed."""

    def __init__(self, path: Path) -> None:
        self.metadata, self.stored = open_safetensors(path, ModelFileError)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.stored[name].read()

    def __contains__(self, name: object) -> bool:
        return name in self.stored

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)


def _checked(path: Path) -> StoredModel:
    read_model(path)
    machine.release_memory()
    return _unchecked(path)


def _unchecked(path: Path) -> StoredModel:
    tensors = _TensorsOnUse(path)
    return StoredModel(*parse_card(path, tensors.metadata, tensors.stored), tensors)
