"""A network as several graphs, each built when its turn comes: only one part's weights are in memory twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..store.model_file import PackedModel
from .engine import create_session, open_session, save_session
from .machine import release_memory

if TYPE_CHECKING:
    from .onnx_builder import InferenceGraph

_ENDING = ".onnx"
# Runs at each click, and is small enough to take its memory in one piece.
_DECODER = "decoder"
# A part is in memory twice for a moment, so more would not fit beside the rest.
_PARTS_AT_ONCE = 2
# Fewer would need fewer threads and calls, more would need less memory while the model loads.
_BLOCKS_PER_PART = 1


class Sessions(NamedTuple):
    """The engine's sessions; those of `encoder` run one behind the other."""

    encoder: list[Any]
    mask_encoder: Any
    decoder: Any


def start_in_memory(network: PackedModel, threads: int) -> Sessions:
    """Sessions whose weights belong to this process alone."""
    parts = {}
    for name, build in _builders(network).items():
        parts[name] = create_session(build(), threads, plans_memory=name == _DECODER)
        release_memory()
    return _sessions(parts)


def save_parts(network: PackedModel, folder: Path) -> None:
    """Write every part of `network` into `folder`, for `open_parts`."""

    def save(part: tuple[str, Callable[[], InferenceGraph]]) -> None:
        save_session(part[1](), folder / f"{part[0]}{_ENDING}")
        release_memory()

    with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
        for _ in pool.map(save, _builders(network).items()):
            pass


def open_parts(folder: Path, threads: int) -> Sessions:
    """Sessions of what `save_parts` wrote; their weights stay mapped from its files."""
    files = sorted(folder.glob("*" + _ENDING))

    def opened_part(path: Path) -> Any:
        return open_session(path, threads, plans_memory=path.stem == _DECODER)

    with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
        opened = pool.map(opened_part, files)
        return _sessions({path.stem: session for path, session in zip(files, opened, strict=True)})


def _sessions(parts: Mapping[str, Any]) -> Sessions:
    encoder = [session for name, session in sorted(parts.items()) if name.startswith("encoder")]
    return Sessions(encoder, parts["mask_encoder"], parts[_DECODER])


def _builders(network: PackedModel) -> Mapping[str, Callable[[], InferenceGraph]]:
    from .decoder_graph import build_decoder, build_mask_encoder
    from .encoder_graph import build_encoder_part

    depth = network.architecture.depth
    encoder = {
        f"encoder_{first:03d}": partial(build_encoder_part, network, first, min(first + _BLOCKS_PER_PART, depth))
        for first in range(0, depth, _BLOCKS_PER_PART)
    }
    return {_DECODER: partial(build_decoder, network), "mask_encoder": partial(build_mask_encoder, network)} | encoder


def encode(encoder: list[Any], pixels: np.ndarray) -> np.ndarray:
    """Run the parts of an encoder on pixels, uint8 (1, S, S, 3)."""
    from onnxruntime import OrtValue

    value = OrtValue.ortvalue_from_numpy(np.ascontiguousarray(pixels))
    for session in encoder:
        (value,) = session.run_with_ort_values([session.get_outputs()[0].name], {session.get_inputs()[0].name: value})
    return value.numpy()
