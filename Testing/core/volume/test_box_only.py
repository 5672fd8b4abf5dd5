"""A model that was trained with boxes alone is asked with boxes alone: by prompts, corrections and propagation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfqsam_core import load_model
from dfqsam_core.errors import PromptError
from dfqsam_core.network.conventions import MEDSAM, Conventions
from dfqsam_core.runtime import SamPredictor
from dfqsam_core.volume import (
    BoxPrompt,
    PointPrompt,
    PropagationConfig,
    SliceKey,
    VolumeSession,
    WindowLevel,
    propagate,
)
from dfqsam_core.volume.files.reading import read_volume
from dfqsam_core.volume.prompts import SegmentPrompts
from dfqsam_core.volume.segment import segment_volume
from dfqsam_core.volume.session.session_file import restore_session, save_session
from dfqsam_core.volume.strokes import LassoPrompt, ScribblePrompt
from Testing.support.checkpoint_file import write_toy_checkpoint
from Testing.support.grey_predictor import GreyModel, GreyPredictor
from Testing.support.phantom import write_oblique
from Testing.support.prompts import ANYWHERE

BOX = BoxPrompt((3, 2, 4), (11, 9, 4))
K4 = SliceKey("K", 4)
OTHERS = {
    "point": PointPrompt((7, 5, 4)),
    "negative point": PointPrompt((7, 5, 4), positive=False),
    "scribble": ScribblePrompt(((5, 5, 4), (8, 6, 4))),
    "lasso": LassoPrompt(((3, 3, 4), (9, 3, 4), (6, 8, 4))),
}


class Recording(SamPredictor):
    """Keeps what it was asked."""

    def predict(self, *arguments: Any, **asked: Any) -> Any:
        """As SamPredictor's."""
        self.asked.append({name for name in ("point_coords", "box", "mask_input") if asked.get(name) is not None})
        return super().predict(*arguments, **asked)


@pytest.fixture
def session(tmp_path: Path) -> VolumeSession:
    """On an oblique, anisotropic volume off the origin; the toy's trained prompts are boxes."""
    k, j, i = np.indices((9, 12, 14))
    voxels = np.random.default_rng(0).integers(-20, 20, (9, 12, 14)).astype(np.int16)
    voxels[((i - 7) / 4.0) ** 2 + ((j - 5) / 3.5) ** 2 + ((k - 4) / 3.0) ** 2 < 1] += 300
    write_oblique(tmp_path / "ct.nrrd", voxels, (0.8, 0.7, 2.5))
    model = load_model(write_toy_checkpoint(tmp_path), threads=1, conventions="medsam")
    predictor = Recording(model)
    predictor.asked = []
    session = VolumeSession(read_volume(tmp_path / "ct.nrrd"), model, WindowLevel(600, 200), predictor=predictor)
    session.add_segment(1, "organ")
    return session


@pytest.mark.parametrize("prompt", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("with_box", [False, True], ids=["alone", "with a box"])
def test_other_prompts_are_refused_and_nothing_changes(session: VolumeSession, prompt: Any, with_box: bool) -> None:
    if with_box:
        session.add_prompt(1, BOX)
    before = session.states()
    with pytest.raises(PromptError, match=r"MedSAM was trained with boxes alone, not with .*Draw a box"):
        session.add_prompt(1, prompt)
    assert session.states() == before


def test_a_box_has_one_candidate_without_an_estimate(session: VolumeSession) -> None:
    edit = session.add_prompt(1, BOX)
    prediction = session.prediction(1, K4)
    assert prediction is not None
    assert np.isnan(prediction.predicted_iou).tolist() == [True]
    assert edit.after.shape == (12, 14)


def test_a_mask_is_not_refined(session: VolumeSession) -> None:
    session.add_prompt(1, BOX)
    before = session.states()
    with pytest.raises(PromptError, match="not with masks"):
        session.add_prompt(1, BoxPrompt((2, 2, 4), (11, 9, 4)), refine=True)
    assert session.states() == before


def test_a_propagated_mask_is_not_corrected_by_clicks(session: VolumeSession) -> None:
    session.add_prompt(1, BOX)
    mask = np.zeros((12, 14), bool)
    mask[3:8, 4:10] = True
    prediction = session.prediction(1, K4)
    assert prediction is not None
    from dfqsam_core.volume.session.slice_predictor import SlicePrediction
    from dfqsam_core.volume.session.slice_state import SliceState

    drawn = SlicePrediction.of(mask[None], np.array([np.nan], np.float32), prediction.low_res_masks)
    session.restore_state(1, SliceKey("K", 5), SliceState((), drawn))
    before = session.states()
    # As large as the mask: by its own rule a correction would erase it without asking the model.
    for positive in (True, False):
        with pytest.raises(PromptError, match="MedSAM was trained with boxes alone"):
            session.add_prompt(1, PointPrompt((6, 5, 5), positive))
    assert session.states() == before


def test_propagation_asks_with_boxes(session: VolumeSession) -> None:
    session.add_prompt(1, BOX)
    config = PropagationConfig(
        points=2, negative_points=1, min_overlap=0, max_area_ratio=1e9, min_stability=0, min_likeness=0
    )
    propagate(session, 1, "K", 2, 7, config)
    asked = session.slices._predictor.asked  # type: ignore[attr-defined]
    assert len(asked) > 1
    assert all(kinds == {"box"} for kinds in asked)


def test_strokes_of_sam_lie_where_the_slice_is_on_its_square(tmp_path: Path) -> None:
    from dfqsam_core.network.conventions import SAM
    from dfqsam_core.volume.session.mask_input import MaskGrid, mask_logits

    mask = np.zeros((12, 48), bool)
    mask[6:, 24:] = True
    drawn = mask_logits(mask, MaskGrid(16, SAM)) > 0
    expected = np.zeros((16, 16), bool)
    # The slice takes the upper quarter of the square.
    expected[2:4, 8:] = True
    np.testing.assert_array_equal(drawn, expected)


@dataclass(frozen=True)
class BoxModel(GreyModel):
    """What a session asks of a model of boxes alone."""

    conventions: Conventions = MEDSAM


def test_no_estimate_is_claimed_of_a_model_that_has_none(session: VolumeSession, tmp_path: Path) -> None:
    model, volume = BoxModel("0" * 64), session.volume
    marked = VolumeSession(volume, model, WindowLevel(600, 200), predictor=GreyPredictor())
    marked.add_segment(1, "organ")
    marked.add_prompt(1, BOX)
    propagate(marked, 1, "K", 2, 7, ANYWHERE)
    save_session(tmp_path / "s.json", marked)
    again = restore_session(tmp_path / "s.json", volume, model, predictor=GreyPredictor())
    for one in (marked, again):
        found = [one.prediction(1, SliceKey("K", k)) for k in (2, 3, 5, 6, 7)]
        trust = [prediction.trust for prediction in found if prediction is not None]
        assert [mark.predicted_iou for mark in trust if mark is not None] == 5 * [None]
        assert all(mark is not None and mark.share == mark.neighbours > 0 for mark in trust)


@pytest.mark.parametrize("prompt", OTHERS.values(), ids=OTHERS)
def test_a_file_with_other_prompts_is_refused_before_a_slice_is_encoded(session: VolumeSession, prompt: Any) -> None:
    first = BoxPrompt((3, 2, 1), (11, 9, 1))
    segments = [SegmentPrompts("a", 1, (first,), corrections=(prompt,))]
    if prompt is OTHERS["point"]:
        segments = [SegmentPrompts("a", 1, (first, prompt))]
    predictor = GreyPredictor()
    with pytest.raises(PromptError, match="MedSAM was trained with boxes alone"):
        segment_volume(session.volume, segments, BoxModel("0" * 64), predictor=predictor)
    assert predictor.encoded == []
