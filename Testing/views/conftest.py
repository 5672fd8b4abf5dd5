"""Slicer's slice views on an oblique, anisotropic, off-origin volume under a rotated and moved transform."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from Testing.support.phantom import PARENT, write_oblique
from Testing.support.scene_fixtures import worker

__all__ = ["worker"]

# A click in a view is at most half a pixel off; the phantom's voxels are larger than that.
SIZE_IJK = (40, 36, 28)
ORGAN, LESION, BACKGROUND = 300, 150, 0
ORGAN_COLOR = (0.9, 0.2, 0.2)
_WORLDS: list[Any] = []


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, sitk.Image]:
    """An ellipsoid of 300 beside a smaller one of 150 in nothing: the file, and what SimpleITK reads of it."""
    k, j, i = np.indices(SIZE_IJK[::-1])
    voxels = np.full(SIZE_IJK[::-1], BACKGROUND, np.int16)
    voxels[((i - 15) / 9) ** 2 + ((j - 18) / 10) ** 2 + ((k - 14) / 8) ** 2 < 1] = ORGAN
    voxels[((i - 29) / 6) ** 2 + ((j - 18) / 6) ** 2 + ((k - 14) / 6) ** 2 < 1] = LESION
    path = tmp_path_factory.mktemp("phantom") / "ct.nrrd"
    image = write_oblique(path, voxels, (1.8, 1.7, 3.1))
    return path, image


@pytest.fixture(scope="session")
def slicer_window() -> Any:
    """The views, made once: they take seconds to start."""
    from Testing.support.slice_views import SliceViewsWorld

    # As in Slicer, they live as long as the process; collected as garbage, VTK's objects would go in any order.
    _WORLDS.append(SliceViewsWorld())
    return _WORLDS[0]


@pytest.fixture
def world(slicer_window: Any) -> Iterator[Any]:
    """The views on an empty scene; fails when something raised or warned unheard."""
    from Testing.support.unheard import no_errors_unheard

    with no_errors_unheard():
        yield slicer_window
        for viewport in slicer_window.views.values():
            viewport.leave()
        slicer_window.scene.Clear(0)


@pytest.fixture
def a_volume_node(world: Any, phantom: tuple[Path, sitk.Image]) -> Any:
    """The phantom under PARENT, shown in all three views."""
    node = world.read_volume(phantom[0], "CT", window=600, level=200)
    node.SetAndObserveTransformNodeID(world.transform(PARENT).GetID())
    world.show(node)
    return node


@pytest.fixture
def workspace(a_volume_node: Any, worker: Any) -> Iterator[Any]:
    """A workspace with a model that selects voxels of the clicked grey, and the segment "organ" chosen."""
    from dfqsam_core.volume import WindowLevel
    from dfqsam_scene.nodes.segments import new_segmentation
    from dfqsam_scene.prompting.workspace import Workspace
    from Testing.support.grey_predictor import MODEL, GreyPredictor

    node = new_segmentation(a_volume_node, "Organs")
    found = Workspace(a_volume_node, node, MODEL, worker, WindowLevel(600, 200), predictor=GreyPredictor())
    found.segment_id = found.segments.add_segment("organ")
    node.GetSegmentation().GetSegment(found.segment_id).SetColor(*ORGAN_COLOR)
    yield found
    found.close()


@pytest.fixture
def placing(world: Any) -> Iterator[Any]:
    """Slicer's mouse mode, as the panel uses it."""
    from dfqsam_scene.nodes.place_mode import PlaceMode

    found = PlaceMode(world.scene, lambda: None)
    yield found
    found.end()
    found.close()


@pytest.fixture
def tool(world: Any, workspace: Any) -> Iterator[Any]:
    """The place tool of all front ends on the three slice views, placing for the chosen segment."""
    from dfqsam_scene.prompting.place_tool import PlaceTool

    views = [(viewport.node, viewport.view.interactor()) for viewport in world.views.values()]
    found = PlaceTool(world.scene, lambda: None, lambda: views)
    found.follow(workspace.markups, workspace.segment_id)
    yield found
    found.close()
