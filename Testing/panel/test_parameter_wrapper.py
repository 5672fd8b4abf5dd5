"""What the panel may rely on in Slicer's parameter-node wrapper, true for Slicer's own and for the stand-in."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-panel")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")


@pytest.fixture
def node(slicer_app, world):
    import DFQSAMSlicer

    return DFQSAMSlicer.DFQSAMSlicerLogic().getParameterNode()


@pytest.fixture
def wrap(qt_application):
    from DFQSAMSlicerLib.parameter_node import PanelParameters

    return PanelParameters


def test_a_node_that_comes_later_than_the_reference_to_it_is_not_seen(wrap, node, world, a_volume_node):
    # As during an import: the parameter node first, with references to nodes that are still to come.
    parameters = wrap(node)
    volume_id = a_volume_node.GetID()
    world.scene.RemoveNode(a_volume_node)
    node.SetParameter("volume", "")
    node.SetNodeReferenceID("volume", volume_id)
    assert parameters.volume is None
    world.scene.AddNode(a_volume_node)
    assert node.GetNodeReference("volume") is a_volume_node
    assert parameters.volume is None
    assert wrap(node).volume is a_volume_node


def test_a_value_that_is_written_is_had_before_anybody_hears_of_it(wrap, node, a_volume_node):
    parameters = wrap(node)
    heard = []
    node.AddObserver("ModifiedEvent", lambda *_: heard.append((parameters.volume, parameters.window)))
    parameters.volume = a_volume_node
    parameters.window = "lung"
    assert heard[0] == (a_volume_node, "auto")
    assert heard[-1] == (a_volume_node, "lung")


def test_two_wrappers_of_one_node_agree_and_defaults_come_back_with_an_emptied_scene(wrap, node, world):
    first, second = wrap(node), wrap(node)
    first.window = "bone"
    assert second.window == "bone"
    world.scene.Clear(0)
    assert first.window == second.window == "auto"


def test_a_value_of_another_type_is_refused(wrap, node):
    with pytest.raises((TypeError, ValueError)):
        wrap(node).window = 5


def test_every_parameter_is_cached(wrap, node):
    assert wrap(node).isCached("volume")
    assert wrap(node).isCached("window")
