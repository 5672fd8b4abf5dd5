"""Name and shape of each tensor of a network, in the order of the published state dict."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import CheckpointError
from .architecture import Architecture, Shape
from .layers import network_table


def expected_shapes(architecture: Architecture) -> dict[str, Shape]:
    """Name and shape of every tensor in the float state dict of `architecture`, in its order (SAM-Med2D ViT-B: 386)."""
    return {name: shape for row in network_table(architecture) for name, shape in row.tensors.items()}


def check_shapes(shapes: Mapping[str, Shape], architecture: Architecture) -> None:
    """Raise CheckpointError, naming the first few faults, unless `shapes` are exactly those of `architecture`."""
    expected = expected_shapes(architecture)
    common = [key for key in expected if key in shapes]
    faults = {
        "tensors are missing": [repr(key) for key in expected if key not in shapes],
        "tensors do not belong there": [repr(key) for key in shapes if key not in expected],
        "tensors have a wrong shape": [
            f"{key!r} is {shapes[key]}, not {expected[key]}" for key in common if shapes[key] != expected[key]
        ],
    }
    for fault, names in faults.items():
        if names:
            first = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise CheckpointError(
                f"The checkpoint looks like {architecture.name}, but {len(names)} {fault}: {first}. "
                "Get an undamaged copy of the whole state dict."
            )
