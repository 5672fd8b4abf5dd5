"""A real scene for MRML tests: an oblique, anisotropic, off-origin volume under a rotated and moved transform."""

from __future__ import annotations

from Testing.support.scene_fixtures import (
    a_volume_node,
    calibrated_file,
    editor,
    liver,
    model_file,
    phantom_file,
    segments,
    spleen,
    worker,
    world,
)

__all__ = [
    "a_volume_node",
    "calibrated_file",
    "editor",
    "liver",
    "model_file",
    "phantom_file",
    "segments",
    "spleen",
    "worker",
    "world",
]
