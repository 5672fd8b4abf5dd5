"""The module under an event loop that keeps Python's lock, and at the end of a Slicer that has work under way."""

from __future__ import annotations

from Testing.panel.conftest import (
    a_volume_node,
    calibrated_file,
    model_file,
    model_files,
    new_widget,
    person,
    phantom_file,
    qt_application,
    slicer_app,
    views,
    world,
)
from Testing.support.scene_fixtures import worker

__all__ = [
    "a_volume_node",
    "calibrated_file",
    "model_file",
    "model_files",
    "new_widget",
    "person",
    "phantom_file",
    "qt_application",
    "slicer_app",
    "views",
    "worker",
    "world",
]
