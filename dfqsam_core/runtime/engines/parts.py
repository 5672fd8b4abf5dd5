"""A network as several graphs, each built when its turn comes: only one part's weights are in memory twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from ...base.machine import physical_cores, release_memory
from ...base.memory import require_memory
from ...errors import ModelFileError
from ...network.memory import running_bytes
from ...progress import ProgressCallback, report, report_part
from ...store.model_file import StoredModel
from .onnxruntime import create_session, open_session, save_session
from .openvino import OpenVinoEncoder

if TYPE_CHECKING:
    from ..graph.onnx_builder import InferenceGraph

Engine = Literal["onnxruntime", "openvino"]
ENGINES: tuple[Engine, ...] = get_args(Engine)

Encoder = Callable[[np.ndarray], np.ndarray]
_Builders = dict[str, Callable[[], "InferenceGraph"]]

# Of reports of progress.
STAGE = "load"
ENCODE_STAGE = "encode"
_ENDING = ".onnx"
# Runs at each click, and is small enough to take its memory in one piece.
_DECODER = "decoder"
_ENCODER = "encoder"
# A part is in memory three times for a moment; four of ViT-B's take less than the whole network does afterwards.
_PARTS_AT_ONCE = max(2, min(4, physical_cores()))
# Fewer would need fewer threads and calls, more would need less memory while the model loads.
_BLOCKS_PER_PART = 1
# Each part of OpenVINO keeps the memory of its inner values.
_BLOCKS_PER_OPENVINO_PART = 3


class Sessions(NamedTuple):
    """The engine's parts of the network; `encoder` takes pixels (1, S, S, 3) as the network's conventions have them."""

    encoder: Encoder
    mask_encoder: Any
    decoder: Any


def start_in_memory(
    network: StoredModel, threads: int, engine: Engine = "onnxruntime", progress: ProgressCallback | None = None
) -> Sessions:
    """Sessions whose weights belong to this process alone; `engine` runs the encoder.

    progress: of all functions here: hears of each part before it is begun, in several threads.
    """
    _require_memory(network)
    if engine == "openvino":
        parts = _encoder_builders(network, _BLOCKS_PER_OPENVINO_PART)
        encoder = OpenVinoEncoder((build() for _, build in _reported(parts, progress)), threads)
        return Sessions(encoder, **_started(_prompt_builders(network), threads, progress))
    return _sessions(_started(_builders(network), threads, progress))


def save_parts(network: StoredModel, folder: Path, progress: ProgressCallback | None = None) -> None:
    """Write every part of `network` into `folder`, for `open_parts`."""
    _require_memory(network)

    def save(part: tuple[str, Callable[[], InferenceGraph]]) -> None:
        report(progress, STAGE, 0, 0, f"Unpacking {part[0]}")
        save_session(part[1](), folder / f"{part[0]}{_ENDING}")
        release_memory()

    with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
        for _ in pool.map(save, _builders(network).items()):
            pass


def open_parts(folder: Path, threads: int, progress: ProgressCallback | None = None) -> Sessions:
    """Sessions of what `save_parts` wrote; their weights stay mapped from its files."""
    files = sorted(folder.glob("*" + _ENDING))

    def opened_part(path: Path) -> Any:
        report(progress, STAGE, 0, 0, f"Opening {path.stem}")
        return open_session(path, _threads_of(path.stem, threads), plans_memory=path.stem == _DECODER)

    with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
        opened = pool.map(opened_part, files)
        return _sessions({path.stem: session for path, session in zip(files, opened, strict=True)})


def start_encoder(network: StoredModel, threads: int) -> Encoder:
    """One more encoder, whose weights belong to this process alone."""
    return _encoder(_started(_encoder_builders(network, _BLOCKS_PER_PART), threads, None))


def open_encoder(folder: Path, network: StoredModel, threads: int) -> Encoder:
    """One more encoder of what `save_parts` wrote, over the same pages of memory. Raises OSError where that is gone."""
    names = _encoder_builders(network, _BLOCKS_PER_PART)
    return _encoder({name: open_session(folder / f"{name}{_ENDING}", threads) for name in names})


def _require_memory(network: StoredModel) -> None:
    require_memory(running_bytes(network.architecture), f"The network {network.architecture.name}", ModelFileError)


def _reported(builders: _Builders, progress: ProgressCallback | None) -> Iterator[tuple[str, Callable[[], Any]]]:
    for n, (name, build) in enumerate(builders.items()):
        report(progress, STAGE, n, len(builders), f"Starting {name}")
        yield name, build


def _started(builders: _Builders, threads: int, progress: ProgressCallback | None) -> dict[str, Any]:
    parts = {}
    for name, build in _reported(builders, progress):
        parts[name] = create_session(build(), _threads_of(name, threads), plans_memory=name == _DECODER)
        release_memory()
    return parts


def _threads_of(part: str, threads: int) -> int:
    """Threads of one part: what prompts need is too small for more than one, which answers sooner and costs less."""
    return threads if part.startswith(_ENCODER) else 1


def _sessions(parts: Mapping[str, Any]) -> Sessions:
    return Sessions(_encoder(parts), parts["mask_encoder"], parts[_DECODER])


def _encoder(parts: Mapping[str, Any]) -> Encoder:
    return partial(_encode, [session for name, session in sorted(parts.items()) if name.startswith(_ENCODER)])


def _builders(network: StoredModel) -> _Builders:
    return _prompt_builders(network) | _encoder_builders(network, _BLOCKS_PER_PART)


def _prompt_builders(network: StoredModel) -> _Builders:
    from ..graph.decoder import build_decoder, build_mask_encoder

    return {_DECODER: partial(build_decoder, network), "mask_encoder": partial(build_mask_encoder, network)}


def _encoder_builders(network: StoredModel, blocks: int) -> _Builders:
    """Builders of parts of `blocks` blocks each, in their order."""
    from ..graph.encoder import build_encoder_part

    depth = network.architecture.depth
    return {
        f"{_ENCODER}_{first:03d}": partial(build_encoder_part, network, first, min(first + blocks, depth))
        for first in range(0, depth, blocks)
    }


def _encode(encoder: list[Any], pixels: np.ndarray) -> np.ndarray:
    """Run onnxruntime's parts of an encoder, one behind the other."""
    from onnxruntime import OrtValue

    value = OrtValue.ortvalue_from_numpy(np.ascontiguousarray(pixels))
    for done, session in enumerate(encoder):
        report_part(ENCODE_STAGE, done, len(encoder), "encoding the slice")
        (value,) = session.run_with_ort_values([session.get_outputs()[0].name], {session.get_inputs()[0].name: value})
    return value.numpy()
