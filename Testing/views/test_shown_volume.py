"""Choosing a volume shows it: asserted by the pixels of the slice views, positions found by SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("trame_slicer", reason="trame-slicer is not installed: make test-views")

from dfqsam_scene.nodes.shown_volume import is_shown, show_volume
from Testing.support.phantom import PARENT, world_of, write_oblique
from Testing.support.slice_views import around

from .conftest import ORGAN, SIZE_IJK

VIEWS = ("Red", "Green", "Yellow")
CENTRE = (15, 18, 14)
# Display window 600, level 200: from -100 to 500.
ORGAN_GREY, OTHER_GREY = round(255 * (ORGAN + 100) / 600), round(255 * 150 / 600)


@pytest.fixture
def loaded(world, phantom):
    """The phantom as a script loads it: in the scene, in no view."""
    return load(world, phantom[0], "CT")


@pytest.fixture
def other(world, tmp_path):
    """Another patient: one grey everywhere, on the same grid."""
    write_oblique(tmp_path / "other.nrrd", np.full(SIZE_IJK[::-1], 50, np.int16), (1.8, 1.7, 3.1))
    return load(world, tmp_path / "other.nrrd", "Other patient")


def load(world, path, name):
    node = world.read_volume(path, name, window=600, level=200)
    node.SetAndObserveTransformNodeID(world.transform(PARENT).GetID())
    return node


def grey_at(world, view, image, ijk):
    """The grey of a voxel's pixel in the view, as a person sees it."""
    viewport = world.views[view]
    viewport.node.JumpSliceByOffsetting(*world_of(image, ijk))
    return float(np.median(around(viewport.picture(), viewport.pixel(world_of(image, ijk)), 1)))


@pytest.mark.parametrize("view", VIEWS)
def test_a_volume_that_no_view_shows_comes_on_the_screen(world, loaded, phantom, view):
    world.views[view].node.SetFieldOfView(5000, 5000, 1)
    assert grey_at(world, view, phantom[1], CENTRE) == 0
    assert not is_shown(loaded, world.views[view].node)
    show_volume(loaded)
    assert abs(grey_at(world, view, phantom[1], CENTRE) - ORGAN_GREY) <= 2
    assert is_shown(loaded, world.views[view].node)


@pytest.mark.parametrize("view", VIEWS)
def test_another_patients_picture_does_not_stay(world, loaded, other, phantom, view):
    show_volume(other)
    assert abs(grey_at(world, view, phantom[1], CENTRE) - OTHER_GREY) <= 2
    show_volume(loaded)
    assert abs(grey_at(world, view, phantom[1], CENTRE) - ORGAN_GREY) <= 2
    assert not is_shown(other, world.views[view].node)


@pytest.mark.parametrize("view", VIEWS)
def test_it_fills_the_view_wherever_that_was_before(world, loaded, phantom, view):
    viewport = world.views[view]
    viewport.node.SetFieldOfView(3, 3, 1)
    viewport.go_to((4000.0, 4000.0, 4000.0))
    show_volume(loaded)
    picture = viewport.picture()
    rows, columns = np.nonzero((picture > 40).any(axis=2))
    assert min(rows.min(), columns.min(), len(picture) - 1 - rows.max(), picture.shape[1] - 1 - columns.max()) >= 0
    assert max(np.ptp(rows) / picture.shape[0], np.ptp(columns) / picture.shape[1]) > 0.5


def test_a_view_that_shows_it_keeps_its_zoom_and_place(world, loaded, phantom):
    show_volume(loaded)
    node = world.views["Red"].node
    node.SetFieldOfView(40, 30, 1)
    world.views["Red"].go_to(world_of(phantom[1], CENTRE))
    before = world.views["Red"].picture()
    show_volume(loaded)
    assert node.GetFieldOfView()[:2] == (40, 30)
    np.testing.assert_array_equal(world.views["Red"].picture(), before)


def test_under_an_opaque_foreground_a_volume_is_not_shown_and_comes_out(world, loaded, other, phantom):
    show_volume(loaded)
    composites = [
        world.scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode")
        for n in range(world.scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode"))
    ]
    for composite in composites:
        composite.SetForegroundVolumeID(other.GetID())
        composite.SetForegroundOpacity(0.5)
    red = world.views["Red"].node
    assert is_shown(loaded, red)
    assert is_shown(other, red)
    for composite in composites:
        composite.SetForegroundOpacity(1.0)
    assert not is_shown(loaded, red)
    show_volume(loaded)
    assert is_shown(loaded, red)
    assert abs(grey_at(world, "Red", phantom[1], CENTRE) - ORGAN_GREY) <= 2


def test_it_becomes_slicers_active_volume(world, loaded):
    show_volume(loaded)
    selection = world.scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    assert selection.GetActiveVolumeID() == loaded.GetID()


def test_the_sample_is_seen_in_all_views(world):
    from DFQSAMSlicerLib.sample_data import load_sample

    show_volume(load_sample())
    for view in VIEWS:
        assert np.count_nonzero((world.views[view].picture() > 60).any(axis=2)) > 5000


def test_nothing_and_what_was_removed_are_not_shown(world, loaded):
    show_volume(loaded)
    red = world.views["Red"].node
    assert not is_shown(None, red)
    world.scene.RemoveNode(loaded)
    assert not is_shown(loaded, red)
