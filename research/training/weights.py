"""Reads starting weights and fills a network with them: completely, or with what is missing said by name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from dfqsam_core.errors import CheckpointError
from dfqsam_core.store.file_identity import FileSource
from dfqsam_core.store.row_codes import open_checkpoint_file

from .checkpoints import half, load_shards

SHOWN = 4


@dataclass(frozen=True)
class Weights:
    """Tensors of a network by name.

    left_out: parts of names that are missing on purpose and start at random; the file itself lists them.
    images: training images that made these weights. base_sha256: the file that supplied what was not trained, if any.
    """

    tensors: dict[str, Tensor]
    left_out: tuple[str, ...] = ()
    images: int = 0
    base_sha256: str | None = None


def save_start(weights: dict[str, Tensor], left_out: tuple[str, ...], target: Path) -> None:
    """Write starting weights in float16 with the list of what they leave out on purpose."""
    save_file(half(weights), target, metadata={"format": "pt", "left_out": json.dumps(left_out)})


def read_weights(path: Path, base: Path | None = None) -> Weights:
    """Read a .safetensors file, or the folder "average" of a training.

    base: the file that an average without the untrained tensors names by its SHA-256.
    Raises CheckpointError when a file is unreadable, or `base` is missing or another one.
    """
    if not path.is_dir():
        return _read_file(path)
    tensors, facts = load_shards(path)
    wanted, images = facts.get("base_sha256"), int(str(facts["images"]))
    if wanted is None:
        return Weights(tensors, images=images)
    if base is None:
        raise CheckpointError(
            f"{path} holds only what was trained. Give the file it started from with --base: the one with the SHA-256 "
            f"{wanted}."
        )
    found = FileSource.of(base).sha256
    if found != wanted:
        raise CheckpointError(f"{path} was not trained from {base}: its SHA-256 is {found}, not {wanted}.")
    start = _read_file(base)
    return Weights(start.tensors | tensors, images=images, base_sha256=found)


def _read_file(path: Path) -> Weights:
    try:
        facts, stored = open_checkpoint_file(path)
        tensors = {name: torch.from_numpy(tensor.read_float32()) for name, tensor in stored.items()}
    except (OSError, CheckpointError) as error:
        raise CheckpointError(f"Cannot read weights from {path}: {error}. Give a .safetensors file.") from error
    return Weights(tensors, tuple(json.loads(facts.get("left_out", "[]"))), int(facts.get("images", 0)))


def fill(model: nn.Module, weights: Weights, source: Path) -> None:
    """Copy the weights into the network.

    Raises CheckpointError, and changes nothing, unless every tensor finds one of its shape or is left out on purpose.
    """
    own, offered = model.state_dict(), weights.tensors
    missing = [n for n in own if n not in offered and not any(part in n for part in weights.left_out)]
    unknown = [name for name in offered if name not in own]
    reshaped = [
        f"{name} {tuple(value.shape)}, not {tuple(own[name].shape)}"
        for name, value in offered.items() if name in own and value.shape != own[name].shape
    ]  # fmt: skip
    problems = {"missing": missing, "unknown": unknown, "of another shape": reshaped}
    said = [f"{len(names)} {what} ({_first(names)})" for what, names in problems.items() if names]
    if said:
        raise CheckpointError(
            f"{source} does not fill the network: tensors {'; '.join(said)}. Make starting weights with 'prepare', or "
            "give a checkpoint of the same kind."
        )
    model.load_state_dict({name: value.float() for name, value in offered.items()}, strict=False)


def _first(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
