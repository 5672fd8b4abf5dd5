"""Scribbles and lassos through a session: what the model is given, what comes of it, undo, and files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from skimage.draw import polygon

from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import (
    BoxPrompt,
    LassoPrompt,
    PointPrompt,
    PropagationConfig,
    ScribblePrompt,
    SliceKey,
    Volume,
    VolumeGeometry,
    VolumeSession,
    propagate,
    read_prompts,
    read_volume,
    restore_session,
    save_session,
    segment_volume,
)
from dfqsam_core.volume.files.prompts_file import prompt_json
from Testing.support.drawing_predictor import DrawingPredictor
from Testing.support.phantom import world_of, write_oblique

from .conftest import BYTE_WINDOW, MODEL

# Along I, J and K: anisotropic, and no two alike.
SHAPE = (40, 32, 9)
CLICK = PointPrompt((20, 16, 4))
SCRIBBLE = ScribblePrompt(((4, 4, 4), (30, 4, 4), (30, 8, 4)))
RUBBED = ScribblePrompt(((14, 16, 4), (26, 16, 4)), positive=False)
LASSO = LassoPrompt(((8, 6, 4), (33, 6, 4), (33, 28, 4), (8, 28, 4)))
OUT = LassoPrompt(((18, 10, 4), (28, 10, 4), (28, 22, 4), (18, 22, 4)), positive=False)
K4 = SliceKey("K", 4)


@pytest.fixture
def phantom(tmp_path):
    """An oblique, anisotropic, off-origin volume with a bright block I 12..27, J 10..21, K 2..6; and its ITK image."""
    voxels = np.zeros(SHAPE[::-1], np.uint8)
    voxels[2:7, 10:22, 12:28] = 200
    image = write_oblique(tmp_path / "phantom.nrrd", voxels, (0.8, 0.7, 2.5))
    return read_volume(tmp_path / "phantom.nrrd"), image


@pytest.fixture
def predictor():
    return DrawingPredictor()


@pytest.fixture
def session(phantom, predictor):
    return new_session(phantom[0], predictor)


def new_session(volume, predictor):
    session = VolumeSession(volume, MODEL, BYTE_WINDOW, cache=EmbeddingCache(), predictor=predictor)
    session.add_segment(1, "liver")
    return session


def held(lasso: LassoPrompt) -> np.ndarray:
    """(J, I) bool, by scikit-image."""
    mask = np.zeros((SHAPE[1], SHAPE[0]), bool)
    i, j, _ = np.array(lasso.vertices_ijk).T
    mask[polygon(j, i, mask.shape)] = True
    return mask


def block() -> np.ndarray:
    mask = np.zeros((SHAPE[1], SHAPE[0]), bool)
    mask[10:22, 12:28] = True
    return mask


def test_a_scribble_is_drawn_under_the_pen_into_what_the_first_prompt_gives(session):
    session.add_prompt(1, CLICK)
    session.add_prompt(1, SCRIBBLE)
    mask = session.mask(1, K4)
    under = np.zeros_like(mask)
    under[4, 4:31] = under[4:9, 30] = True
    assert mask[under].all()
    # A pen is two cells of the 64 wide: 1.25 voxels along I, 1 along J.
    beside = np.zeros_like(mask)
    beside[6:9, 4:28] = beside[0:3] = True
    assert not mask[beside].any()
    np.testing.assert_array_equal(mask[10:], block()[10:])


def test_a_negative_scribble_and_a_negative_lasso_take_away_what_they_are_drawn_on(session):
    session.add_prompt(1, CLICK)
    session.add_prompt(1, RUBBED)
    assert not session.mask(1, K4)[16, 14:27].any()
    assert session.mask(1, K4)[12, 12:28].all()
    session.add_prompt(1, OUT)
    assert not session.mask(1, K4)[held(OUT)].any()
    assert session.mask(1, K4)[10:15, 12:17].all()


def test_the_model_is_given_points_box_and_mask_of_a_lasso(session, predictor):
    session.add_prompt(1, LASSO)
    assert [given is not None for given in predictor.mask_inputs] == [False, True]
    ((x, y), positive), *more = predictor.points[1]
    # Canonical columns run R to L and rows A to P, as I and J of this volume do.
    assert (more, positive) == ([], 1)
    assert held(LASSO)[int(y), int(x)]
    logits = predictor.mask_inputs[1][0]
    outside = ~held(LASSO)[
        ((np.arange(64) + 0.5) * SHAPE[1] / 64).astype(int)[:, None],
        ((np.arange(64) + 0.5) * SHAPE[0] / 64).astype(int),
    ]
    assert (logits[outside] < 0).all()
    assert (logits > 0).any()


def test_what_lies_outside_a_lasso_is_not_of_the_segment_unless_a_click_says_so(session):
    narrow = LassoPrompt(((14, 12, 4), (20, 12, 4), (20, 20, 4), (14, 20, 4)))
    session.add_prompt(1, narrow)
    assert session.mask(1, K4).any()
    for candidate in range(3):
        session.choose_mask(1, K4, candidate)
        assert not (session.mask(1, K4) & ~held(narrow)).any()
    session.add_prompt(1, ScribblePrompt(((30, 26, 4), (36, 26, 4))))
    assert session.mask(1, K4)[26, 30:37].all()


def test_a_scribble_of_one_voxel_is_a_point(phantom):
    masks = []
    for prompt in (CLICK, ScribblePrompt((CLICK.ijk,))):
        predictor = DrawingPredictor()
        session = new_session(phantom[0], predictor)
        session.add_prompt(1, prompt)
        masks.append(session.mask(1, K4))
        assert predictor.mask_inputs == [None]
        assert predictor.points == [[([20.0, 16.0], 1)]]
    np.testing.assert_array_equal(*masks)


@pytest.mark.parametrize("prompt", [CLICK, BoxPrompt((12, 10, 4), (27, 21, 4))])
def test_points_and_boxes_are_asked_once_and_without_a_mask_as_ever(session, predictor, prompt):
    session.add_prompt(1, prompt)
    assert predictor.mask_inputs == [None]


def test_strokes_refine_the_mask_that_a_propagated_slice_has(session):
    session.add_prompt(1, CLICK)
    propagate(session, 1, "K", 3, 5, PropagationConfig(feed_mask=False))
    k5 = SliceKey("K", 5)
    before = session.mask(1, k5)
    assert before.any()
    rubbed = ScribblePrompt(tuple((i, j, 5) for i, j, _ in RUBBED.path_ijk), positive=False)
    session.add_prompt(1, rubbed, refine=True)
    after = session.mask(1, k5)
    assert not after[16, 14:27].any()
    assert after[12, 12:28].all()
    session.undo()
    np.testing.assert_array_equal(session.mask(1, k5), before)


@pytest.mark.parametrize("refine", [False, True])
def test_strokes_are_undone_and_repeated_bit_for_bit(session, refine):
    steps = (CLICK, SCRIBBLE, RUBBED, LASSO, OUT, PointPrompt((30, 20, 4), positive=False))
    seen = [(session.labels_kji.copy(), session.states())]
    for prompt in steps:
        session.add_prompt(1, prompt, refine)
        seen.append((session.labels_kji.copy(), session.states()))
    session.remove_prompt(1, RUBBED)
    seen.append((session.labels_kji.copy(), session.states()))
    for move, order in ((session.undo, seen[-2::-1]), (session.redo, seen[1:])):
        for labels, states in order:
            move()
            np.testing.assert_array_equal(session.labels_kji, labels)
            assert session.states() == states
    assert not session.can_redo


def test_a_saved_session_has_its_strokes_and_goes_on_with_them(session, phantom, tmp_path):
    for prompt in (SCRIBBLE, RUBBED, LASSO, OUT):
        session.add_prompt(1, prompt)
    save_session(tmp_path / "a.session.json", session)
    restored = restore_session(tmp_path / "a.session.json", phantom[0], MODEL, predictor=DrawingPredictor())
    assert restored.prompts(1, K4) == session.prompts(1, K4) == (SCRIBBLE, RUBBED, LASSO, OUT)
    for one in (session, restored):
        one.add_prompt(1, PointPrompt((2, 30, 4), positive=False))
    np.testing.assert_array_equal(restored.labels_kji, session.labels_kji)


@pytest.mark.parametrize("system", ["RAS", "LPS", "IJK"])
def test_a_file_of_prompts_gives_what_a_person_drew(session, phantom, tmp_path, system):
    """Positions by SimpleITK, of an oblique volume that is not at the origin."""
    volume, image = phantom
    drawn = (SCRIBBLE, RUBBED, LASSO, OUT)
    for prompt in drawn:
        session.add_prompt(1, prompt)
    entries = [prompt_json(prompt) for prompt in drawn]
    for entry in entries:
        key = "path" if entry["type"] == "scribble" else "vertices"
        if system != "IJK":
            signs = np.array([1, 1, 1] if system == "RAS" else [-1, -1, 1])
            entry[key] = [(signs * world_of(image, ijk, np.eye(4))).tolist() for ijk in entry[key]]
    path = tmp_path / "prompts.json"
    segment = {"name": "liver", "label": 1, "prompts": entries}
    path.write_text(json.dumps({"coordinate_system": system, "segments": [segment]}))
    prompts = read_prompts(path, volume.geometry)
    assert prompts[0].prompts == drawn
    result = segment_volume(volume, prompts, MODEL, BYTE_WINDOW, predictor=DrawingPredictor())
    np.testing.assert_array_equal(result.labels_kji, session.labels_kji)
    assert result.report["encodings"] == 1


def test_curves_and_a_roi_of_slicer_give_what_a_person_drew(phantom, tmp_path):
    volume, image = phantom

    def markup(kind, voxels):
        points = [
            {"label": str(n), "position": (world_of(image, ijk, np.eye(4)) * [-1, -1, 1]).tolist()}
            for n, ijk in enumerate(voxels)
        ]
        return {"type": kind, "coordinateSystem": "LPS", "controlPoints": points}

    session = new_session(volume, DrawingPredictor())
    session.add_prompt(1, SCRIBBLE)
    session.add_prompt(1, LASSO)
    for k in (1, 2, 3):
        session.add_prompt(1, BoxPrompt((10, 8, k), (30, 24, k)))
    roi = {
        "type": "ROI", "coordinateSystem": "LPS", "size": [20 * 0.8, 16 * 0.7, 2 * 2.5],
        "center": (world_of(image, (20, 16, 2), np.eye(4)) * [-1, -1, 1]).tolist(),
        "orientation": image.GetDirection(),
    }  # fmt: skip
    markups = [markup("Curve", SCRIBBLE.path_ijk), markup("ClosedCurve", LASSO.vertices_ijk), roi]
    (tmp_path / "liver.mrk.json").write_text(json.dumps({"markups": markups}))
    prompts = read_prompts(tmp_path / "liver.mrk.json", volume.geometry)
    result = segment_volume(volume, prompts, MODEL, BYTE_WINDOW, predictor=DrawingPredictor())
    np.testing.assert_array_equal(result.labels_kji, session.labels_kji)


@pytest.mark.parametrize("turn", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, -1), (-1, -1, 1)])
def test_strokes_give_one_mask_in_the_patient_however_the_volume_is_stored(turn, flips):
    """The same prompts by RAS on an array that is turned and flipped with its matrix."""
    rng = np.random.default_rng(5)
    voxels = (rng.random(SHAPE[::-1]) * 40).astype(np.uint8)
    voxels[2:7, 10:22, 12:28] = 200
    matrix = np.diag([-0.8, -0.7, 2.5, 1.0]) + np.pad([[31.5], [-22.0], [7.0]], ((0, 1), (3, 0)))
    first = Volume(voxels, VolumeGeometry(matrix, SHAPE))
    ijk = np.diag([*flips, 1.0])
    ijk[:3, 3] = [size - 1 if flip < 0 else 0 for size, flip in zip(SHAPE, flips, strict=True)]
    order = np.eye(4)[:, [*turn, 3]]
    moved = voxels.T[tuple(slice(None, None, flip) for flip in flips)].transpose(turn)
    second = Volume(np.ascontiguousarray(moved.T), VolumeGeometry(matrix @ ijk @ order, moved.shape))
    masks = []
    for volume in (first, second):
        session = new_session(volume, DrawingPredictor(reach=60))
        for prompt in (SCRIBBLE, CLICK, RUBBED, LASSO, OUT):
            place = first.geometry.from_ijk(prompt.voxels_ijk, "RAS")
            axis = "IJK"[volume.geometry.anatomical_axes.index(2)]
            if isinstance(prompt, PointPrompt):
                session.add_prompt(1, PointPrompt.at(volume.geometry, place[0], "RAS", True, axis))
            else:
                session.add_prompt(1, type(prompt).at(volume.geometry, place, "RAS", prompt.positive, axis))
        masks.append(session.labels_kji)
    back = masks[1].T.transpose(np.argsort(turn))[tuple(slice(None, None, flip) for flip in flips)].T
    assert masks[0].any()
    np.testing.assert_array_equal(back, masks[0])
