"""Fixtures of the tests on Slicer's scene; a room's conftest imports those that it uses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfqsam_core.store.model_file import write_model
from dfqsam_scene.jobs.worker import Worker

from .packed_toy import calibrated_toy
from .phantom import PARENT, write_oblique

# In Slicer the scene outlives all Python objects. Here the garbage collector would take scene, logics and observers
# apart in any order, which crashes VTK; so they live as long as the process.
_WORLDS: list[Any] = []


@pytest.fixture(scope="session")
def phantom_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """int16 NRRD, (I, J, K) = (14, 12, 9): an ellipsoid of 300 in noise, by `write_oblique`."""
    k, j, i = np.indices((9, 12, 14))
    voxels = np.random.default_rng(0).integers(-20, 20, (9, 12, 14)).astype(np.int16)
    voxels[((i - 7) / 4.0) ** 2 + ((j - 5) / 3.5) ** 2 + ((k - 4) / 3.0) ** 2 < 1] += 300
    path = tmp_path_factory.mktemp("phantom") / "ct.nrrd"
    write_oblique(path, voxels, (0.8, 0.7, 2.5))
    return path


@pytest.fixture
def world() -> Iterator[Any]:
    """An empty scene, closed at the end as Slicer does it; fails when something raised or warned unheard."""
    from .mrml_scene import MrmlWorld
    from .unheard import no_errors_unheard

    _WORLDS.append(MrmlWorld())
    with no_errors_unheard():
        yield _WORLDS[-1]
        _WORLDS[-1].scene.Clear(1)


@pytest.fixture
def a_volume_node(world: Any, phantom_file: Path) -> Any:
    """The phantom in the scene, under the transform PARENT."""
    node = world.read_volume(phantom_file, "CT")
    node.SetAndObserveTransformNodeID(world.transform(PARENT).GetID())
    return node


@pytest.fixture
def segments(a_volume_node: Any) -> Any:
    """Two empty segments on the phantom, "liver" and "spleen"."""
    from dfqsam_scene.nodes.segments import SegmentScene, new_segmentation

    found = SegmentScene(a_volume_node, new_segmentation(a_volume_node, "Organs"))
    for name in ("liver", "spleen"):
        found.add_segment(name)
    return found


@pytest.fixture
def liver(segments: Any) -> str:
    """ID of the first segment."""
    return segments.segment_ids[0]


@pytest.fixture
def spleen(segments: Any) -> str:
    """ID of the second segment."""
    return segments.segment_ids[1]


@pytest.fixture
def editor(world: Any) -> Any:
    """The settings node of Slicer's Segment Editor module."""
    import slicer

    node = slicer.vtkMRMLSegmentEditorNode()
    node.SetSingletonTag("SegmentEditor")
    return world.scene.AddNode(node)


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker's thread that ends with the test."""
    found = Worker()
    yield found
    found.close()


@pytest.fixture(scope="session")
def calibrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed model of random weights, for 64-pixel images; made once, as that takes a second."""
    path = tmp_path_factory.mktemp("model") / "toy-w4a4.safetensors"
    write_model(path, calibrated_toy())
    return path


@pytest.fixture
def model_file(calibrated_file: Path, tmp_path: Path) -> Path:
    """A copy of it, for a test to do with as it likes."""
    return Path(shutil.copy(calibrated_file, tmp_path))
