"""What a SAM or SAM-Med2D network looks like, and how to tell it from a checkpoint's tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..errors import CheckpointError, ConfigError, ModelFileError

Shape = tuple[int, ...]

_LIMITS = {
    "embed_dim": (8, 2048),
    "depth": (1, 64),
    "num_heads": (1, 64),
    "mlp_dim": (1, 16384),
    "adapter_dim": (0, 2048),
    "window_size": (0, 64),
    "image_size": (16, 1024),
    "patch_size": (4, 32),
    "out_chans": (256, 256),
}
_PUBLISHED_SIZES = {(768, 12): "ViT-B", (1024, 24): "ViT-L", (1280, 32): "ViT-H"}


@dataclass(frozen=True)
class Architecture:
    """Sizes of one network; an instance with impossible sizes cannot exist (ConfigError).

    embed_dim, depth, num_heads, mlp_dim: the image encoder's transformer; embed_dim is a multiple of num_heads.
    adapter_dim: hidden width of the adapters' channel gate; 0 means that there are no adapters.
    window_size: side in tokens of windowed attention; 0 where every block attends globally.
    global_attn_indexes: numbers of the blocks that attend globally.
    image_size, patch_size: side of the square input and of a patch, in pixels.
    out_chans: width of the embedding, 256 in every SAM.
    """

    embed_dim: int
    depth: int
    num_heads: int
    mlp_dim: int
    adapter_dim: int = 0
    window_size: int = 14
    global_attn_indexes: tuple[int, ...] = (2, 5, 8, 11)
    image_size: int = 256
    patch_size: int = 16
    out_chans: int = 256

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise ConfigError(f"This architecture is impossible: {problem}.")

    @property
    def grid(self) -> int:
        """Side of the token image."""
        return self.image_size // self.patch_size

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.embed_dim // self.num_heads

    @property
    def has_adapters(self) -> bool:
        """True where each block has SAM-Med2D's adapter beside its MLP."""
        return self.adapter_dim > 0

    @property
    def name(self) -> str:
        """Name for people, for instance "SAM-Med2D ViT-B with adapters"."""
        family = "SAM-Med2D" if self.has_adapters else "SAM"
        size = _PUBLISHED_SIZES.get((self.embed_dim, self.depth))
        known = f"{family} {size}" if size else f"compact {family} {self.embed_dim}x{self.depth}"
        return known + (" with adapters" if self.has_adapters else "")

    def window_of(self, block: int) -> int:
        """Side of the attention window of block number `block`; 0 means global attention."""
        return 0 if block in self.global_attn_indexes else self.window_size

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-ready values; `from_dict` restores them."""
        return asdict(self) | {"global_attn_indexes": list(self.global_attn_indexes)}

    @classmethod
    def from_dict(cls, values: Any) -> Architecture:
        """Architecture of a model card; raises ModelFileError when it is incomplete, unknown or out of range."""
        expected = {field.name for field in fields(cls)}
        if not isinstance(values, Mapping) or set(values) != expected:
            found = sorted(map(str, values)) if isinstance(values, Mapping) else type(values).__name__
            raise ModelFileError(
                f"Unknown architecture in the model card: expected the entries {sorted(expected)}, found {found}. "
                "Make the model again with this version."
            )
        indexes = values["global_attn_indexes"]
        try:
            return cls(**{**values, "global_attn_indexes": tuple(indexes) if isinstance(indexes, list) else indexes})
        except ConfigError as error:
            raise ModelFileError(f"Unknown architecture in the model card. {error}") from error

    @classmethod
    def from_shapes(cls, shapes: Mapping[str, Shape]) -> Architecture:
        """Deduce the architecture from a state dict's tensor names and shapes.

        A block is global where its relative-position table has 2 * grid - 1 rows; the others share one window size.
        Raises CheckpointError when the tensors are not those of a SAM or SAM-Med2D.
        """
        try:
            return cls(**_deduce(shapes))
        except ConfigError as error:
            raise CheckpointError(f"{error} Choose a SAM-Med2D or SAM checkpoint.") from error


def _problem(a: Architecture) -> str:
    for name, (low, high) in _LIMITS.items():
        value = getattr(a, name)
        if type(value) is not int or not low <= value <= high:
            return f"{name} is {value!r}, it must be an integer from {low} to {high}"
    if a.embed_dim % a.num_heads:
        return f"embed_dim {a.embed_dim} is not a multiple of num_heads {a.num_heads}"
    if a.image_size % a.patch_size:
        return f"image_size {a.image_size} is not a multiple of patch_size {a.patch_size}"
    if a.has_adapters and a.grid % 2:
        return f"adapters halve the token image, whose side {a.grid} is odd"
    return _index_problem(a.global_attn_indexes, a.depth, a.window_size)


def _index_problem(indexes: Any, depth: int, window_size: int) -> str:
    if not isinstance(indexes, tuple) or any(type(index) is not int for index in indexes):
        return f"global_attn_indexes is {indexes!r}, it must be a list of integers"
    if list(indexes) != sorted(set(indexes) & set(range(depth))):
        return f"global_attn_indexes {list(indexes)} are not rising block numbers below depth {depth}"
    if window_size == 0 and len(indexes) < depth:
        return "window_size is 0 although some blocks are not global"
    return ""


def _deduce(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    _, height, width, embed_dim = _shape(shapes, "image_encoder.pos_embed", 4)
    patch_size = _shape(shapes, "image_encoder.patch_embed.proj.weight", 4)[2]
    mlp_dim = _shape(shapes, "image_encoder.blocks.0.mlp.lin1.weight", 2)[0]
    depth = len({match[1] for key in shapes if (match := re.match(r"image_encoder\.blocks\.(\d+)\.", key))})
    tables = [_shape(shapes, f"image_encoder.blocks.{i}.attn.rel_pos_h", 2) for i in range(depth)]
    head_dim = tables[0][1]
    if height != width or min(height, head_dim) < 1 or embed_dim % head_dim:
        raise _not_sam(shapes, f"its tokens are {height} x {width} x {embed_dim} with heads of width {head_dim}")
    is_global = [rows == 2 * height - 1 for rows, _ in tables]
    windows = {(rows + 1) // 2 for (rows, _), skip in zip(tables, is_global, strict=True) if not skip}
    if len(windows) > 1:
        raise _not_sam(shapes, f"its blocks use windows of several sizes, {sorted(windows)}")
    return {
        "embed_dim": embed_dim,
        "depth": depth,
        "num_heads": embed_dim // head_dim,
        "mlp_dim": mlp_dim,
        "adapter_dim": shapes.get("image_encoder.blocks.0.Adapter.channel.0.weight", (0,))[0],
        "window_size": windows.pop() if windows else 0,
        "global_attn_indexes": tuple(i for i in range(depth) if is_global[i]),
        "image_size": height * patch_size,
        "patch_size": patch_size,
        "out_chans": _shape(shapes, "image_encoder.neck.0.weight", 4)[0],
    }


def _shape(shapes: Mapping[str, Shape], key: str, rank: int) -> Shape:
    if key not in shapes:
        raise _not_sam(shapes, f"{key!r} is missing")
    if len(shapes[key]) != rank:
        raise _not_sam(shapes, f"{key!r} has the shape {shapes[key]}, which should have {rank} dimensions")
    return shapes[key]


def _not_sam(shapes: Mapping[str, Shape], reason: str) -> CheckpointError:
    found = f"found {len(shapes)} tensors, the first is {next(iter(shapes))!r}" if shapes else "found no tensors"
    return CheckpointError(
        f"This is not a SAM-Med2D or SAM checkpoint: {reason} ({found}). Choose sam-med2d_b.pth or another SAM file."
    )
