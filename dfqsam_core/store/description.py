"""What a model file is, and that as lines for people."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ..errors import UnknownConventionsError
from ..network.conventions import SAM
from .card import DIGEST_KEY
from .checkpoint import Checkpoint, read_checkpoint
from .file_identity import FileSource
from .model_checks import check_conventions
from .model_file import read_model
from .safetensors_file import is_packed_model

_LONG = 20


def describe_file(path: str | os.PathLike, conventions: str | None = None, *, is_to_run: bool = True) -> dict[str, Any]:
    """Return what `path` is, JSON-ready: a packed model with its card, or a float checkpoint with its architecture.

    conventions: as `load_model` has them. is_to_run: False describes a float checkpoint as well whose conventions
    nobody has said; they are None then, and the notes say why.
    Raises ModelFileError or CheckpointError, which say what it is instead and why it is refused.
    """
    if is_packed_model(path):
        model = read_model(path)
        check_conventions(model.conventions, conventions, os.path.basename(path))
        card = model.card
        tensors = "as they were written" if DIGEST_KEY in card else "of unknown state: the file has no digest of them"
        identity = {"kind": "packed model", **FileSource.of(path).to_dict(), "conventions": model.conventions.name}
        return identity | {"tensors": tensors, "card": card}
    try:
        checkpoint = read_checkpoint(path, conventions)
    except UnknownConventionsError as error:
        if is_to_run:
            raise
        # Those of SAM leave the tensors as they are.
        return _described(read_checkpoint(path, SAM.name)) | {"conventions": None, "notes": [str(error)]}
    return _described(checkpoint)


def _described(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "kind": "float checkpoint",
        **checkpoint.source.to_dict(),
        "architecture_name": checkpoint.architecture.name,
        "architecture": checkpoint.architecture.to_dict(),
        "conventions": checkpoint.conventions.name,
        "parameters": sum(tensor.size for tensor in checkpoint.tensors.values()),
        "stored_values": dict(checkpoint.storage),
        "float32_bytes": sum(tensor.nbytes for tensor in checkpoint.tensors.values()),
        "notes": list(checkpoint.notes + checkpoint.cautions),
    }


def headline(description: dict[str, Any]) -> list[str]:
    """Return the five lines that matter of what `describe_file` gave, then one for each note on the checkpoint."""
    is_packed = description["kind"] == "packed model"
    lines = _of_packed(description) if is_packed else _of_checkpoint(description)
    return lines + [f"Note: {note}" for note in (description["card"] if is_packed else description).get("notes", ())]


def _of_packed(description: dict[str, Any]) -> list[str]:
    card = description["card"]
    recipe, source, sizes = card["recipe"], card["source"], card["sizes"]
    bits, measured = card["effective_bits_per_weight"]["total"], len(card["measured"])
    return [
        f"{description['file_name']}: packed model, {card['architecture_name']}, conventions: "
        f"{description['conventions']}; its image encoder computes in integers, mostly {_integers(card)}",
        f"Size: {description['bytes'] / 1e6:.1f} MB, {bits:.2f} bits per value with all that stays in float; "
        f"{sizes['float32_bytes'] / 1e6:.1f} MB in float32",
        f"Made from: {source['file_name']} (SHA-256 {source['sha256'][:12]}), "
        f"recipe {recipe.get('recipe', 'unnamed')}, seed {card['seed']}",
        f"Tensors: {description['tensors']}; measured results on the card: {measured or 'none, see dfqsam verify'}",
        f"Use: {card['intended_use']} Licence: {card['licence']}",
    ]


def _integers(card: dict[str, Any]) -> str:
    """The arithmetic of most of the image encoder's products, such as "4-bit weights x 4-bit inputs"."""
    macs = card["activation_arithmetic"].get("image_encoder", {})
    integers = {name: count for name, count in macs.items() if name.startswith("integer, ")}
    return max(integers, key=integers.__getitem__).removeprefix("integer, ") if integers else "nothing"


def _of_checkpoint(description: dict[str, Any]) -> list[str]:
    stored = ", ".join(f"{count:,} as {name}" for name, count in description["stored_values"].items())
    return [
        f"{description['file_name']}: float checkpoint, {description['architecture_name']}, conventions: "
        f"{description['conventions'] or 'unknown'}",
        f"Size: {description['bytes'] / 1e6:.1f} MB; {description['float32_bytes'] / 1e6:.1f} MB in float32",
        f"Values: {description['parameters']:,}, stored {stored}",
        f"SHA-256: {description['sha256']}",
        "Use: dfqsam segment and view run it in float; dfqsam quantize makes a packed model from it",
    ]


def outline(values: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Yield lines "name: value", nested ones indented; what is long is only counted."""
    for name, value in values.items():
        if isinstance(value, (dict, list)) and (len(value) > _LONG or any(isinstance(item, dict) for item in value)):
            yield f"{indent}{name}: {len(value)} entries (--json shows them)"
        elif isinstance(value, dict) and value:
            yield f"{indent}{name}:"
            yield from outline(value, indent + "  ")
        else:
            yield f"{indent}{name}: {'; '.join(map(str, value)) if isinstance(value, (list, dict)) else value}"
