"""Checkpoints as safetensors shards below a size limit, swapped into place as a whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dfqsam_core.errors import CheckpointError

MIB = 2**20


def save_shards(folder: Path, tensors: dict[str, Tensor], facts: dict[str, object], shard_mib: float) -> None:
    """Write tensors and `facts` (JSON) into `folder`, in shards of at most `shard_mib`; the older folder goes last."""
    fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for number, shard in enumerate(_shards(tensors, int(shard_mib * MIB))):
        on_host = {name: value.detach().cpu().contiguous() for name, value in shard.items()}
        save_file(on_host, fresh / f"part{number:02d}.safetensors")
    (fresh / "facts.json").write_text(json.dumps(facts))
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _shards(tensors: dict[str, Tensor], limit: int) -> list[dict[str, Tensor]]:
    shards: list[dict[str, Tensor]] = [{}]
    used = 0
    for name, value in tensors.items():
        size = value.numel() * value.element_size()
        if shards[-1] and used + size > limit - 64 * 1024:
            shards.append({})
            used = 0
        shards[-1][name] = value
        used += size
    return shards


def load_shards(folder: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Read what `save_shards` wrote; looks at the previous folder when a kill came between the two renames.

    Raises CheckpointError when there is neither.
    """
    place = folder if folder.exists() else folder.with_name(folder.name + ".old")
    if not place.exists():
        raise CheckpointError(f"There is no checkpoint in {folder}. Start without --resume, or give another folder.")
    tensors: dict[str, Tensor] = {}
    for part in sorted(place.glob("part*.safetensors")):
        tensors |= load_file(part)
    return tensors, json.loads((place / "facts.json").read_text())


def half(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies in float16."""
    return {name: value.to(torch.float16).contiguous() for name, value in tensors.items()}
