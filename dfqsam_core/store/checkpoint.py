"""Float checkpoints of SAM, MedSAM and SAM-Med2D: read safely, without torch, and checked."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..base.inputs import shown
from ..base.interpolation import linear_resize_matrix, resize_bilinear
from ..base.memory import require_memory
from ..errors import CheckpointError, UnknownConventionsError
from ..network.architecture import Architecture
from ..network.conventions import SAM_MED2D, Conventions, conventions_named, told_by
from ..network.tensor_shapes import check_shapes
from .file_identity import FileSource, refuse_missing, what_is
from .model_checks import RESIZED
from .row_codes import open_checkpoint_file, with_row_scales
from .safetensors_file import is_packed_model, looks_like_safetensors
from .stored_tensor import StoredTensor
from .torch_archive import read_torch_archive
from .wrappers import state_dict_in, without_wrappers

_MED2D_IMAGE_SIZE = 256
_NOT_WEIGHTS = ("pixel_mean", "pixel_std")


@dataclass(frozen=True)
class Checkpoint:
    """A float network: `tensors` holds exactly the arrays that `architecture` expects, float32, all values finite.

    source: the file it came from. notes: one sentence for each change made to the stored tensors. cautions: what these
    changes mean for whoever uses the network. storage: how many values the file stores as what, such as "float16".
    conventions: how it wants its images and prompts. has_told_them: whether its tensors told them, and nobody else.
    """

    architecture: Architecture
    tensors: Mapping[str, np.ndarray]
    source: FileSource
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    storage: Mapping[str, int] = field(default_factory=dict)
    conventions: Conventions = SAM_MED2D
    has_told_them: bool = True

    @property
    def stated_conventions(self) -> Conventions | None:
        """The conventions that somebody had to say; None where the tensors tell them."""
        return None if self.has_told_them and self.conventions is SAM_MED2D else self.conventions


def read_checkpoint(path: str | os.PathLike, conventions: str | None = None) -> Checkpoint:
    """Read a torch (.pth) or safetensors checkpoint; float32 weights stay mapped from the file, others are converted.

    Other weights are of float64, float16, bfloat16 or, in a safetensors file, of 8 bits a row (docs/how/model_file.md).
    Wrappers of trainers are taken off: the dictionary that holds the state dict, and prefixes of its names.
    conventions: the rules that the network was trained with, by their names in `network.conventions`; None where its
    tensors tell them. Under "sam-med2d" a 1024-pixel SAM becomes a 256-pixel one by resizing its position tables;
    `notes` says so, `cautions` what it means.
    Raises CheckpointError when the file is no SAM or SAM-Med2D, is damaged, or is unsafe to read;
    UnknownConventionsError where its tensors do not tell its conventions and none are given; ConfigError for unknown
    ones.
    """
    asked = None if conventions is None else conventions_named(conventions)
    path = Path(path)
    saved, notes = _stored_tensors(path)
    stored, left_out = _weights(saved, path)
    shapes = {name: tensor.shape for name, tensor in stored.items()}
    architecture = Architecture.from_shapes(shapes)
    check_shapes(shapes, architecture)
    has_told_them = told_by(architecture)
    if asked is None and not has_told_them:
        raise UnknownConventionsError(_unknown_conventions(path.name, architecture))
    _refuse_too_much(stored, path)
    tensors = {name: _finite(name, tensor) for name, tensor in stored.items()}
    checkpoint = Checkpoint(
        architecture,
        tensors,
        FileSource.of(path),
        notes + left_out,
        storage=_storage(stored),
        conventions=asked or SAM_MED2D,
        has_told_them=has_told_them,
    )
    return checkpoint if has_told_them or checkpoint.conventions is not SAM_MED2D else _resized(checkpoint)


def _unknown_conventions(file_name: str, architecture: Architecture) -> str:
    """Why a file needs somebody to say what it is, and how."""
    return (
        f"{file_name} is a {architecture.name} for {architecture.image_size}-pixel images, and nothing in it tells how "
        "it was trained: files of SAM and of MedSAM have the same tensors, and want other grey values, prompts and "
        "outputs. Choose its conventions (on the command line --conventions): sam, medsam, or sam-med2d to run it by "
        f"that one's rules on {_MED2D_IMAGE_SIZE} pixels."
    )


def _stored_tensors(path: Path) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    refuse_missing(path, CheckpointError)
    if looks_like_safetensors(path):
        if is_packed_model(path):
            raise CheckpointError(f"{path.name} is a packed model, not a float checkpoint. Choose the float weights.")
        return open_checkpoint_file(path)[1], ()
    kind = what_is(path)
    if kind == "a ZIP archive":
        return state_dict_in(read_torch_archive(path), path.name)
    if kind == "a pickle":
        raise CheckpointError(
            f"{path.name} is a pickle of an old torch or of another program, which could run code and is not opened. "
            "Where you trust it, load it with torch there and save its state dict again with torch.save."
        )
    raise CheckpointError(f"{path.name} is {kind}, not a checkpoint. Choose sam-med2d_b.pth or a .safetensors file.")


def _weights(saved: Mapping[str, Any], path: Path) -> tuple[dict[str, StoredTensor], tuple[str, ...]]:
    named, notes = without_wrappers(saved, path.name)
    saved = with_row_scales(path, named)
    weights = {name: value for name, value in saved.items() if name not in _NOT_WEIGHTS}
    for name, value in weights.items():
        if not isinstance(value, StoredTensor) or not value.is_float:
            found = value.dtype if isinstance(value, StoredTensor) else f"a {type(value).__name__}"
            raise CheckpointError(
                f"Entry {shown(name)} of {path.name} is {found}, not a float tensor. Choose a SAM file."
            )
    return weights, notes


def _refuse_too_much(stored: Mapping[str, StoredTensor], path: Path) -> None:
    """Refuse tensors that show the same bytes again and again, and such that need too much memory as float32."""
    total, size = sum(tensor.stored_bytes for tensor in stored.values()), path.stat().st_size
    # A few weights may be tied; a published network has none such.
    if total > 2 * size:
        raise CheckpointError(
            f"{path.name} has {size} bytes and its tensors {total}: many of them are the same. Get an undamaged copy."
        )
    converted = [tensor for tensor in stored.values() if not tensor.is_mapped]
    kept = sum(4 * math.prod(tensor.shape) for tensor in converted)
    passing = max((tensor.stored_bytes + 4 * tensor.elements for tensor in converted), default=0)
    require_memory(kept + passing, path.name, CheckpointError)


def _finite(name: str, stored: StoredTensor) -> np.ndarray:
    tensor = stored.read_float32()
    # A minimum that is not finite is also how NaN shows, without a second array as large as the tensor.
    if tensor.size and not (np.isfinite(tensor.min()) and np.isfinite(tensor.max())):
        raise CheckpointError(f"The tensor {name!r} has values that are not finite. Get an undamaged checkpoint.")
    return tensor


def _storage(stored: Mapping[str, StoredTensor]) -> dict[str, int]:
    values: Counter[str] = Counter()
    for tensor in stored.values():
        values[tensor.storage] += math.prod(tensor.shape)
    return dict(sorted(values.items()))


def with_tables_resized(checkpoint: Checkpoint, image_size: int) -> Checkpoint:
    """The same network for images of another size in pixels: its position tables are resized linearly."""
    old = checkpoint.architecture
    new = replace(old, image_size=image_size)
    tensors = dict(checkpoint.tensors)
    position = tensors["image_encoder.pos_embed"].transpose(0, 3, 1, 2)
    resized = resize_bilinear(position, new.grid, new.grid).transpose(0, 2, 3, 1)
    tensors["image_encoder.pos_embed"] = np.ascontiguousarray(resized)
    matrix = linear_resize_matrix(2 * old.grid - 1, 2 * new.grid - 1)
    for block in old.global_attn_indexes:
        for axis in "hw":
            name = f"image_encoder.blocks.{block}.attn.rel_pos_{axis}"
            tensors[name] = matrix @ tensors[name]
    return replace(checkpoint, architecture=new, tensors=tensors)


def _resized(checkpoint: Checkpoint) -> Checkpoint:
    """As SAM-Med2D's, with a note and a caution."""
    old, new = checkpoint.architecture.image_size, _MED2D_IMAGE_SIZE
    note = f"{RESIZED} {old}-pixel to {new}-pixel images."
    caution = (
        f"This network was made for {old}-pixel images and sees slices of {new} x "
        f"{new} pixels here, with SAM-Med2D's preprocessing: its masks are coarser than in the program it "
        "comes from, and may be wrong where that one is right."
    )
    return replace(with_tables_resized(checkpoint, new), notes=(*checkpoint.notes, note), cautions=(caution,))
