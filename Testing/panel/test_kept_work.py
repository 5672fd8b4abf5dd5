"""In the panel, too: work of a Slicer that crashed is offered on its volume, and a scene that is closed is given up."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-panel")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

from dfqsam_core.volume import SliceKey

K4 = SliceKey("K", 4)


def journals(tmp_path):
    return list((tmp_path / "data" / "DFQSAMSlicer" / "journals").iterdir())


def test_a_crash_of_slicer_loses_no_prompt(person, new_widget, tmp_path, world):
    person.press("positiveButton")
    person.click((7, 5, 4))
    person.wait()
    first = person.workspace
    voxels = first.segments.read(first.segment_id, K4)
    assert voxels.any()
    assert not person.ui.offerFrame.isVisibleTo(person.widget._widget)
    assert len(journals(tmp_path)) == 1
    # The lock goes with the process, and the scene with it.
    for journal in person.panel.room.keeping._open.values():
        journal._file.close()
    person.panel.room.keeping._open.clear()
    person.panel.room.choose(segmentation_node=None, segment_id="")
    person.panel.room.keeping._look(None)
    person.panel.room.note_change()
    person.wait()
    assert person.ui.offerFrame.isVisibleTo(person.widget._widget)
    assert person.ui.offerLabel.text == "Work on this volume was not saved (1 segment, 1 prompt)."
    person.press("continueWorkButton")
    person.wait()
    assert not person.ui.offerFrame.isVisibleTo(person.widget._widget)
    second = person.workspace
    assert second.segments.node is not first.segments.node
    assert (second.segments.read(second.segment_id, K4) == voxels).all()
    assert [len(found) for found in second.prompts().values()] == [1]
    world.scene.Clear(0)
    assert journals(tmp_path) == [], "Slicer asks before it closes a scene"
