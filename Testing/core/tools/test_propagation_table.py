"""The page of propagation: its tables from scores, and the former chain that it compares with."""

from __future__ import annotations

import numpy as np

from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import PointPrompt, Volume, VolumeGeometry, VolumeSession, WindowLevel
from Testing.support.grey_predictor import MODEL, GreyPredictor
from tools import propagation_table
from tools.former_chain import propagate_formerly


def some_scores(shift: float) -> propagation_table.Scores:
    groups = (propagation_table.KNOWN, propagation_table.WHOLE)
    scores: propagation_table.Scores = {}
    for group in groups:
        scores[group + propagation_table.FORMERLY] = {"1 prompted": [0.5, 0.6, 0.7]}
        scores[group] = {"1 prompted": [0.5 + shift, 0.6 + shift, 0.6]}
    scores[propagation_table.SMALL] = {"3 prompted": [0.8]}
    scores[propagation_table.THOROUGH] = {"3 prompted": [0.85]}
    return scores


def test_the_page_has_both_tables_and_counts_who_loses():
    page = "\n".join(propagation_table.propagation_page({"w4a4": some_scores(0.1), "float": some_scores(0.2)}))
    assert "| known ends | 1 prompted | 3 | 0.633 | 0.700 |" in page
    (line,) = [line for line in page.splitlines() if line.startswith("| whole stack, over the former chain")]
    assert "+0.033 [-0.100, +0.100], 33% lose" in line
    assert "+0.100 [-0.100, +0.200], 33% lose" in line
    assert "| thorough, over not | 3 prompted | +0.050 [+nan, +nan], 0% lose |" in page


def test_the_former_chain_fills_a_bar_and_leaves_what_is_prompted():
    voxels = np.full((7, 20, 20), 40, np.uint8)
    voxels[:, 6:14, 6:14] = 200
    volume = Volume(voxels, VolumeGeometry(np.eye(4), (20, 20, 7)))
    session = VolumeSession(volume, MODEL, WindowLevel(255, 127.5), cache=EmbeddingCache(), predictor=Stable())
    session.add_segment(1, "bar")
    for k in (1, 4):
        session.add_prompt(1, PointPrompt((10, 10, k)))
    propagate_formerly(session, 1, "K", 1, 5)
    np.testing.assert_array_equal(np.flatnonzero(session.labels_kji.any(axis=(1, 2))), [1, 2, 3, 4, 5])
    assert session.prompted_slices(1, "K") == [1, 4]


class Stable(GreyPredictor):
    """With logits that are sure."""

    def predict(self, *arguments, **prompts):
        masks, estimates, logits = super().predict(*arguments, **prompts)
        return masks, estimates, np.where(logits > 0, 6, -6).astype(np.float32)
