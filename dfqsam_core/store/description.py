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
    """What `path` is, JSON-ready: a packed model with its card, or a float checkpoint with its architecture.

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
