"""What Slicer has around the panel and its nodes: the Data tree, and views that come and go with the layout."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-panel")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

from Testing.support.segmentations import save_and_reload


@pytest.fixture
def tree(world):
    from Testing.support.subject_hierarchy import DataTree

    found = DataTree(world.scene)
    yield found
    found.close()


def test_hidden_nodes_of_ours_do_not_stand_in_the_data_tree(tree, person, world, tmp_path):
    person.ui.autoAcceptBox.setChecked(False)
    person.press("boxButton")
    person.click((2, 2, 4), (9, 8, 4))
    during_preview = tree.hidden_ones
    person.press("acceptButton")
    save_and_reload(world, person.workspace.segments, tmp_path / "scene")
    person.wait()
    assert during_preview == []
    assert tree.hidden_ones == []


@pytest.fixture
def late_view(person, world):
    """A view of another layout or monitor, made after the panel; it shows slice K 4."""
    from dfqsam_core.volume import SliceKey
    from dfqsam_scene.nodes.slice_views import show_slice

    person.press("positiveButton")
    node = world.scene.CreateNodeByClass("vtkMRMLSliceNode")
    node.UnRegister(None)
    node.SetLayoutName("Red+")
    node.SetSingletonTag("Red+")
    node.SetOrientation("Axial")
    node = world.scene.AddNode(node)
    show_slice(person.ui.volumeSelector.currentNode(), SliceKey("K", 4))
    person.wait()
    return node


def test_the_mouse_in_a_view_made_after_the_panel_counts(person, views, late_view):
    late_view.SetSliceOffset(late_view.GetSliceOffset() + 5.0)
    views.move_mouse_to(late_view)
    person.wait()
    assert person.ui.modelViewNote.text.startswith("axial slice 7,")


def test_scrolling_in_a_view_made_after_the_panel_counts(person, views, late_view):
    views.move_mouse_to(late_view)
    person.wait()
    late_view.SetSliceOffset(late_view.GetSliceOffset() + 5.0)
    person.wait()
    assert person.ui.modelViewNote.text.startswith("axial slice 7,")


@pytest.fixture
def other_patient(world, phantom_file):
    """A second volume in the scene, on the same grid."""
    return world.read_volume(phantom_file, "Other patient")


def shown(world):
    """Names of the volumes in the backgrounds of the views; "" for an empty one."""
    composites = [
        world.scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode")
        for n in range(world.scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode"))
    ]
    nodes = [world.scene.GetNodeByID(c.GetBackgroundVolumeID() or "") for c in composites]
    return ["" if node is None else node.GetName() for node in nodes]


def test_choosing_a_volume_shows_it_in_all_views(person, world, other_patient):
    assert shown(world) == ["CT"] * 3
    person.ui.volumeSelector.setCurrentNode(other_patient)
    person.wait()
    assert shown(world) == ["Other patient"] * 3


def test_a_module_that_is_not_shown_changes_no_view(person, world, other_patient):
    person.widget.exit()
    person.ui.volumeSelector.setCurrentNode(other_patient)
    person.wait()
    assert shown(world) == ["CT"] * 3


@pytest.mark.parametrize(("tool", "places"), [("positive", [(7, 5, 4)]), ("box", [(2, 2, 4), (9, 8, 4)])])
def test_a_click_in_another_patients_picture_is_refused(person, world, other_patient, tool, places):
    person.press(f"{tool}Button")
    composite = world.scene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    composite.SetBackgroundVolumeID(other_patient.GetID())
    person.click(*places)
    assert "This view does not show CT" in person.message
    assert person.workspace.prompts() == {}
    assert person.workspace.markups.nodes[tool].GetNumberOfControlPoints() == 0
    composite.SetBackgroundVolumeID(person.ui.volumeSelector.currentNode().GetID())
    person.click(*places)
    assert len(person.workspace.prompts()) == 1
