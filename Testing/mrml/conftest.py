"""A real scene for MRML tests: an oblique, anisotropic, off-origin volume under a rotated and moved transform."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

# In Slicer the scene outlives all Python objects. Here the garbage collector would take scene, logics and observers
# apart in any order, which crashes VTK; so they live as long as the process.
_WORLDS: list[Any] = []
PARENT = np.array([[0.96, -0.28, 0.0, 5.0], [0.28, 0.96, 0.0, -7.5], [0.0, 0.0, 1.0, 11.25], [0, 0, 0, 1.0]])


@pytest.fixture(scope="session")
def phantom_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """int16 NRRD, (I, J, K) = (14, 12, 9): an ellipsoid of 300 in noise, rotated by 0.3 rad about two axes."""
    k, j, i = np.indices((9, 12, 14))
    voxels = np.random.default_rng(0).integers(-20, 20, (9, 12, 14)).astype(np.int16)
    voxels[((i - 7) / 4.0) ** 2 + ((j - 5) / 3.5) ** 2 + ((k - 4) / 3.0) ** 2 < 1] += 300
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.8, 0.7, 2.5))
    image.SetOrigin((-31.5, 22.25, 101.0))
    c, s = np.cos(0.3), np.sin(0.3)
    about_s, about_r = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    image.SetDirection((about_s @ about_r).ravel().tolist())
    path = tmp_path_factory.mktemp("phantom") / "ct.nrrd"
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def world() -> Iterator[Any]:
    """An empty scene, closed at the end as Slicer does it."""
    from Testing.support.mrml_scene import MrmlWorld

    found = MrmlWorld()
    _WORLDS.append(found)
    yield found
    found.scene.Clear(1)


@pytest.fixture
def a_volume_node(world: Any, phantom_file: Path) -> Any:
    """The phantom in the scene, under the transform PARENT."""
    node = world.read_volume(phantom_file, "CT")
    node.SetAndObserveTransformNodeID(world.transform(PARENT).GetID())
    return node
