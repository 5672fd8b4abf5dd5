"""The walk of Reload & Test with the mouse in Slicer's own slice views; its pictures are read back by Pillow."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest

pytest.importorskip("trame_slicer", reason="trame-slicer is not installed: make test-views")

from PIL import Image

from Testing.support.slicer_bases import install_words

# Slicer has it; trame-slicer does not ship it.
install_words()


def test_the_walk_clicks_in_the_views_and_shows_what_they_show(world, tmp_path):
    from DFQSAMSlicerLib.verification.report import has_failed
    from DFQSAMSlicerLib.verification.verify import verify
    from DFQSAMSlicerLib.verification.walk import ScriptStage

    shown = [(viewport.node, viewport.view.interactor()) for viewport in world.views.values()]
    outcomes, report = verify(ScriptStage(lambda: shown), lambda _: None, tmp_path)
    assert not has_failed(outcomes), outcomes
    assert outcomes[0].sentence == "3 slice views show it."
    assert next(outcome.state for outcome in outcomes if "scribble" in outcome.title) == "passed"
    found = re.findall(r'data:image/png;base64,([^"]+)', report.read_text("utf-8"))
    pictures = [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]
    assert [picture.shape for picture in pictures] == [(300, 400, 3)] * 4
    for picture in pictures:
        # Grey is the volume; what has a colour is a segment, its outline or a prompt.
        colored = np.ptp(picture.astype(int), axis=2) > 40
        assert 100 < np.count_nonzero(colored) < colored.size // 2
        assert np.count_nonzero((picture > 60).all(axis=2)) > 5000
