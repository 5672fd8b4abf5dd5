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
    assert person.ui.modelViewNote.text.startswith("K 6 ")


def test_scrolling_in_a_view_made_after_the_panel_counts(person, views, late_view):
    views.move_mouse_to(late_view)
    person.wait()
    late_view.SetSliceOffset(late_view.GetSliceOffset() + 5.0)
    person.wait()
    assert person.ui.modelViewNote.text.startswith("K 6 ")
