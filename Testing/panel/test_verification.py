"""Reload & Test at the panel, waiting in Qt's own event loop; the whole walk with a Python that has torch."""

from __future__ import annotations

import unittest

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-panel")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

from dfqsam_core.runtime.model import Model
from Testing.support.checkpoint_file import write_toy_checkpoint

from .test_model_panel import torch_python, with_torch

__all__ = ["torch_python", "with_torch"]


@pytest.fixture
def shown_panel(new_widget, views):
    """The module, shown on an empty scene."""
    widget = new_widget()
    widget.parent.enter()
    return widget


@pytest.fixture
def press(monkeypatch, tmp_path):
    """Presses Reload & Test, without the reload; returns unittest's result and what was said."""
    import DFQSAMSlicer

    monkeypatch.setenv("DFQSAM_VERIFICATION_FOLDER", str(tmp_path / "report"))
    said = []

    class SelfTest(DFQSAMSlicer.DFQSAMSlicerTest):
        def delayDisplay(self, message):
            said.append(message)

    def run():
        result = unittest.TestResult()
        SelfTest("runTest").run(result)
        return result, said

    return run


def test_the_walk_goes_through_the_panel_and_gives_it_back(shown_panel, press, model_files, monkeypatch):
    # No front end but the panel is to be had.
    monkeypatch.setattr("DFQSAMSlicerLib.verification.verify.ScriptStage", None)
    room = shown_panel._segmentPanel.room
    before = room.choice.model_path
    result, said = press()
    assert result.wasSuccessful(), result.errors + result.failures
    assert "0 failed" in said[-1]
    assert "DFQSAMSlicer-verification.html" in said[-1]
    assert room.choice.model_path == before == model_files[0]
    assert room.choice.volume_node is None
    assert shown_panel.ui.volumeSelector.currentNode() is None


@pytest.mark.parametrize("is_broken", [False, True])
def test_a_slicer_in_testing_quits_with_the_right_code(shown_panel, press, slicer_app, monkeypatch, is_broken):
    codes = []
    monkeypatch.setattr(slicer_app, "testingEnabled", lambda: True)
    monkeypatch.setattr("slicer.util.exit", codes.append)
    if is_broken:
        monkeypatch.setattr(Model, "encode", lambda *_: (_ for _ in ()).throw(RuntimeError("no encoder")))
    result, _ = press()
    assert codes == [int(is_broken)]
    assert result.wasSuccessful() is not is_broken


def test_with_torch_a_model_is_made_and_compared(shown_panel, views, with_torch, tmp_path):
    from DFQSAMSlicerLib.verification.verify import verify
    from DFQSAMSlicerLib.verification.walk import PanelStage

    stage = PanelStage(shown_panel._segmentPanel.room, shown_panel.onTick, tuple)
    outcomes, report = verify(stage, lambda _: None, tmp_path, checkpoint=write_toy_checkpoint(tmp_path))
    found = {outcome.title: outcome for outcome in outcomes}
    assert [outcome.state for outcome in outcomes[-3:]] == ["passed"] * 3, outcomes
    assert found["A quantization with the recipe fast is cancelled"].sentence.startswith("Cancelled.")
    # The synthetic image beside those of the segmented slices.
    assert report.read_text("utf-8").count("data:image/png") == 5
