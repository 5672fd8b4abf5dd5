"""The model card: what a packed model is, where it came from, what it costs, and what it may be used for."""

from __future__ import annotations

import importlib.metadata
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._version import __version__
from ..base.inputs import shown
from ..errors import ModelFileError
from ..network.architecture import Architecture
from ..network.conventions import Conventions
from ..network.costs import bit_operations, products
from ..network.tensor_shapes import expected_shapes
from .file_identity import FileSource
from .model_checks import AGAIN, CONVENTIONS_KEY, CONVENTIONS_VERSION, FORMAT_VERSION, check_card

__all__ = ["DIGEST_KEY", "FORMAT_VERSION", "build_card", "library_versions", "read_card", "tensor_sizes"]

LICENCE = "Apache-2.0, the licence of SAM and SAM-Med2D; the checkpoint's own licence holds where it differs"
INTENDED_USE = "Research on and teaching of prompted segmentation of CT and MR slices. Not a medical device."
LIMITS = (
    "Every mask needs the eye of an expert; nothing here was validated for clinical use.",
    "The network sees single slices of 8-bit gray values after a window; small or faint structures can vanish.",
    "Calibrated without data: accuracy on a given organ and scanner is unknown until it is measured.",
)
# Of every card, with the kind that it must have.
_ENTRIES = {"source": dict, "recipe": dict, "seed": int, "versions": dict, "measured": list}
_ENTRIES |= {"licence": str, "intended_use": str, "limits": list}
_SOURCE_ENTRIES = {"file_name": str, "sha256": str, "bytes": int}
# SHA-256 of the tensors; earlier cards have none.
DIGEST_KEY = "tensors_sha256"
_MAX_DEPTH = 16
_WHY_FLOAT = {
    "LayerNorm and LayerNorm2d": "few values, and their output sets the range of all that follows",
    "biases": "few values, added after the integer product is rescaled",
    "position tables": "few values; relative positions are computed from the unquantized query",
    "tokens and embeddings": "few values, used as they are",
}


def build_card(
    *,
    architecture: Architecture,
    layers: Sequence[Mapping[str, Any]],
    source: FileSource,
    recipe: Mapping[str, Any],
    seed: int,
    tensor_bytes: Mapping[str, int],
    versions: Mapping[str, str],
    licence: str = LICENCE,
    notes: Sequence[str] = (),
    worth: str = "",
    conventions: Conventions | None = None,
) -> dict[str, Any]:
    """Assemble the card of a packed model, JSON-ready.

    layers: entries {"name", "kind", "macs", "weight_bits", "input_bits"} of quantized layers and {"name", "kind":
        "attention", "macs", "input_bits", "softmax_bits"} of quantized attention; bits are None where float.
    tensor_bytes: size of every tensor of the file, by name; card["sizes"] accounts for each of these bytes.
    versions: what the tensors depend on: library versions, as of `library_versions`, and the instruction set.
    notes: what was changed in the checkpoint and what it means; without any the card says nothing of them.
    worth: what the recipe's minutes have been worth where that was measured; likewise.
    conventions: how the network wants its images and prompts; None for SAM-Med2D's, where its tensors tell that. A
        program that knows no conventions reads the first version alone, and runs everything as SAM-Med2D.
    """
    return {
        "format_version": CONVENTIONS_VERSION if conventions else FORMAT_VERSION,
        **({CONVENTIONS_KEY: conventions.name} if conventions else {}),
        "architecture": architecture.to_dict(),
        "source": source.to_dict(),
        "recipe": dict(recipe),
        "seed": seed,
        "layers": sorted((dict(layer) for layer in layers), key=lambda layer: layer["name"]),
        "versions": dict(versions),
        "measured": [],
        "licence": licence,
        "intended_use": INTENDED_USE,
        "limits": list(LIMITS),
        **({"notes": list(notes)} if notes else {}),
        **({"worth": worth} if worth else {}),
    } | _figures(architecture, layers, tensor_bytes)


def read_card(card: Any, tensor_bytes: Mapping[str, int]) -> tuple[Architecture, dict[str, Any]]:
    """The architecture and the card of a file whose tensors have `tensor_bytes`, with all entries of `build_card`.

    What the file can tell is counted anew and not believed. Raises ModelFileError for another format version, a
    malformed layer table, and an entry that is missing or of another kind.
    """
    architecture = check_card(card)
    if _is_deep(card, _MAX_DEPTH):
        raise ModelFileError(f"The model card is nested more than {_MAX_DEPTH} times. {AGAIN}")
    for table, kinds in ((card, _ENTRIES), (card.get("source"), _SOURCE_ENTRIES)):
        for name, kind in kinds.items():
            if type(table.get(name)) is not kind:
                found = shown(table[name]) if name in table else "nothing"
                raise ModelFileError(f"The model card's entry {name!r} is {found}, not a {kind.__name__}. {AGAIN}")
    digest = card.get(DIGEST_KEY)
    if digest is not None and not isinstance(digest, str):
        raise ModelFileError(f"The model card's digest of the tensors is {shown(digest)}. {AGAIN}")
    return architecture, {**card, **_figures(architecture, card["layers"], tensor_bytes)}


def _is_deep(value: Any, levels: int) -> bool:
    """Whether tables and lists are nested more than `levels` times: each page and panel draws one within the other."""
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deep(item, levels - 1) for item in items)


def _figures(
    architecture: Architecture, layers: Sequence[Mapping[str, Any]], tensor_bytes: Mapping[str, int]
) -> dict[str, Any]:
    """Entries that follow from the others and from the tensors."""
    return {
        "architecture_name": architecture.name,
        "weight_storage": _weight_storage(architecture, layers),
        "activation_arithmetic": _activation_arithmetic(architecture, layers),
        "effective_bits_per_weight": _effective_bits(architecture, tensor_bytes),
        "float_parts": _float_parts(architecture, layers),
        "sizes": tensor_sizes(architecture, tensor_bytes),
        "bit_operations": bit_operations(architecture, layers),
    }


def library_versions(*names: str) -> dict[str, str]:
    """Versions of this package and of the installed distributions `names`."""
    return {"dfqsam": __version__} | {name: importlib.metadata.version(name) for name in names}


def tensor_sizes(architecture: Architecture, tensor_bytes: Mapping[str, int]) -> dict[str, Any]:
    """Bytes of a packed file's tensors, given by name: all, against float32, and by part and what they hold."""
    total = sum(tensor_bytes.values())
    float32 = 4 * sum(math.prod(shape) for shape in expected_shapes(architecture).values())
    parts = _sums((_part(name), _payload(name), size) for name, size in tensor_bytes.items())
    return {"tensor_bytes": total, "float32_bytes": float32, "ratio": round(float32 / total, 3), "parts": parts}


def _part(name: str) -> str:
    return name.split(".", 1)[0]


def _sums(items: Iterable[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    """Sum (part, group, amount) items as {part: {group: sum}}."""
    table: dict[str, Counter[str]] = {}
    for part, group, amount in items:
        table.setdefault(part, Counter())[group] += amount
    return {part: dict(groups) for part, groups in table.items()}


def _weight_storage(architecture: Architecture, layers: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Numbers of weights per part and storage."""
    bits = {f"{layer['name']}.weight": layer.get("weight_bits") for layer in layers}
    return _sums(
        (_part(name), f"{bits[name]}-bit packed codes" if bits.get(name) else "float32", math.prod(shape))
        for name, shape in expected_shapes(architecture).items()
    )


def _activation_arithmetic(
    architecture: Architecture, layers: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, int]]:
    """MACs per part and arithmetic."""
    return _sums((_part(product.name), product.arithmetic, product.macs) for product in products(architecture, layers))


def _effective_bits(architecture: Architecture, tensor_bytes: Mapping[str, int]) -> dict[str, float]:
    """All stored bits, those of scales and float parts too, over the number of values of the float model."""
    values: Counter[str] = Counter()
    stored: Counter[str] = Counter()
    for name, shape in expected_shapes(architecture).items():
        values.update({_part(name): math.prod(shape), "total": math.prod(shape)})
    for name, size in tensor_bytes.items():
        stored.update({_part(name): size, "total": size})
    return {part: round(8 * stored[part] / count, 3) for part, count in values.items()}


def _payload(name: str) -> str:
    for ending, payload in {".codes": "weight codes", ".scale": "scales", ".zero_point": "zero points"}.items():
        if name.endswith(ending):
            return payload
    return "float32 values"


def _float_parts(architecture: Architecture, layers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Groups of values and of products that stay in float, with the reason (bit_operations lists the products)."""
    quantized = {f"{layer['name']}.weight" for layer in layers if layer.get("weight_bits")}
    counts: Counter[str] = Counter()
    for name, shape in expected_shapes(architecture).items():
        if name not in quantized:
            counts[_float_group(name, len(shape))] += math.prod(shape)
    values: list[dict[str, Any]] = [
        {"part": group, "values": count, "reason": _WHY_FLOAT.get(group, "kept by the recipe")}
        for group, count in counts.items()
    ]
    macs: Counter[tuple[str, str]] = Counter()
    for product in products(architecture, layers):
        if product.is_float:
            macs[_part(product.name), product.reason] += product.macs
    return values + [
        {"part": f"products of {part}", "macs": count, "reason": reason} for (part, reason), count in macs.items()
    ]


def _float_group(name: str, rank: int) -> str:
    if name.endswith(".bias"):
        return "biases"
    if "pos_embed" in name or "rel_pos" in name or "positional" in name:
        return "position tables"
    if "embed" in name.replace("patch_embed", "") or "token" in name.rsplit(".", 2)[-2]:
        return "tokens and embeddings"
    return "LayerNorm and LayerNorm2d" if rank == 1 else f"weight of {name.removesuffix('.weight')}"
