"""The walk of Reload & Test under an event loop that keeps Python's lock while it idles, as Slicer's does."""

from __future__ import annotations

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-host")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-host")

from Testing.support.held_loop import WORKING_TICK_MS, run_loop


def wait_holding(is_over):
    run_loop(lambda: None, is_over, milliseconds=WORKING_TICK_MS)


def test_the_walk_passes_while_the_loop_keeps_the_lock(new_widget, views, tmp_path):
    from DFQSAMSlicerLib.verification.report import has_failed
    from DFQSAMSlicerLib.verification.verify import verify
    from DFQSAMSlicerLib.verification.walk import PanelStage

    widget = new_widget()
    widget.parent.enter()
    stage = PanelStage(widget._segmentPanel.room, widget.onTick, tuple)
    outcomes, report = verify(stage, lambda _: None, tmp_path, wait_holding)
    assert not has_failed(outcomes), outcomes
    assert sum(outcome.state == "passed" for outcome in outcomes) >= 6
    assert report.is_file()
