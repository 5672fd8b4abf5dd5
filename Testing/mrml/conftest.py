"""A real scene for MRML tests: an oblique, anisotropic, off-origin volume under a rotated and moved transform."""

from __future__ import annotations

import importlib.util

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

if importlib.util.find_spec("slicer") is not None:
    from Testing.support.slicer_bases import install_words

    # Slicer has it; slicer-core does not ship it.
    install_words()

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
