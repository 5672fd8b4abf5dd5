"""Where an object starts and ends, said beforehand: in the prompts file, in a session, and kept to by a propagation."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dfqsam_core.errors import PromptError
from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import (
    BoxPrompt,
    Extent,
    PropagationConfig,
    Volume,
    VolumeGeometry,
    VolumeSession,
    propagate,
    read_prompts,
    restore_session,
    save_session,
    segment_volume,
)
from dfqsam_core.volume.prompts import Propagation

from .conftest import BYTE_WINDOW, MODEL, GreyPredictor

GEOMETRY = VolumeGeometry(np.eye(4), (20, 20, 12))
# The predictor below has logits of one value.
CONFIG = PropagationConfig(min_stability=0)
POINT = {"type": "point", "position": [9, 9, 9], "axis": "K"}
BOX = {"type": "box", "corners": [[6, 6, 5], [13, 13, 5]], "axis": "K"}


def a_volume() -> Volume:
    """uint8 (K, J, I): a bright bar along K through the whole volume."""
    voxels = np.full((12, 20, 20), 40, np.uint8)
    voxels[:, 6:14, 6:14] = 200
    return Volume(voxels, GEOMETRY)


def a_session(extent: Extent | None = None) -> VolumeSession:
    session = VolumeSession(a_volume(), MODEL, BYTE_WINDOW, cache=EmbeddingCache(), predictor=GreyPredictor())
    session.add_segment(1, "bar")
    session.add_prompt(1, BoxPrompt((6, 6, 5), (13, 13, 5)))
    if extent is not None:
        session.extents.put(1, extent)
    return session


def read(tmp_path, **changes) -> tuple:
    segment = {"name": "bar", "label": 1, "prompts": [BOX]} | changes
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"coordinate_system": "IJK", "segments": [segment]}), encoding="utf-8")
    return read_prompts(path, GEOMETRY)


def slices_with_a_mask(labels_kji: np.ndarray) -> list[int]:
    return np.flatnonzero(labels_kji.any(axis=(1, 2))).tolist()


@pytest.mark.parametrize(
    ("extent", "slices"),
    [(Extent("K", 3, 8), range(3, 9)), (Extent("K", first=3), range(3, 12)), (Extent("K", last=8), range(9))],
)
def test_nothing_is_found_beyond_a_known_end(extent, slices):
    session = a_session(extent)
    propagate(session, 1, "K", 0, 11, CONFIG)
    assert slices_with_a_mask(session.labels_kji) == list(slices)


def test_what_an_earlier_propagation_found_beyond_a_later_known_end_is_taken_back():
    session = a_session()
    propagate(session, 1, "K", 0, 11, CONFIG)
    assert slices_with_a_mask(session.labels_kji) == list(range(12))
    session.extents.put(1, Extent("K", 3, 8))
    propagate(session, 1, "K", 0, 11, CONFIG)
    assert slices_with_a_mask(session.labels_kji) == list(range(3, 9))


def test_an_end_along_another_axis_says_nothing():
    session = a_session(Extent("I", 8, 9))
    propagate(session, 1, "K", 0, 11, CONFIG)
    assert slices_with_a_mask(session.labels_kji) == list(range(12))


def test_ends_from_numpy_are_saved_and_what_is_no_slice_is_refused(tmp_path):
    session = a_session(Extent("K", np.int64(3), np.int32(8)))
    save_session(tmp_path / "session.json", session)
    restored = restore_session(tmp_path / "session.json", a_volume(), MODEL, predictor=GreyPredictor())
    assert restored.extents.of(1, "K") == Extent("K", 3, 8)
    for end in (2.5, "3", float("nan"), True):
        with pytest.raises(PromptError, match="whole number"):
            Extent("K", end, 8)


def test_a_range_beyond_the_ends_is_refused_with_both():
    with pytest.raises(PromptError, match=r"range 9 to 11 .* beyond the ends, from 3 to 8"):
        propagate(a_session(Extent("K", 3, 8)), 1, "K", 9, 11, CONFIG)
    with pytest.raises(PromptError, match=r"beyond the ends, from 9"):
        propagate(a_session(Extent("K", first=9)), 1, "K", 0, 6, CONFIG)


@pytest.mark.parametrize(("axis", "first", "last"), [("Q", 0, 11), ("K", 0.5, 11), ("K", "0", 11), ("K", 0, None)])
def test_a_range_that_is_none_is_refused(axis, first, last):
    with pytest.raises(PromptError, match=r"Unknown axis|whole number"):
        propagate(a_session(), 1, axis, first, last, CONFIG)


def test_a_correction_along_another_axis_is_no_matter_of_the_ends(tmp_path):
    across = {"type": "point", "position": [9, 9, 5], "axis": "I"}
    (segment,) = read(tmp_path, extent={"first": 3, "last": 8}, corrections=[across])
    assert segment.corrections[0].slice.axis == "I"


def test_a_mark_is_taken_back():
    session = a_session(Extent("K", 3, 8))
    session.extents.put(1, Extent("K"))
    assert session.extents.of(1, "K") == Extent("K")
    assert list(session.extents.of_label(1)) == []


def test_ends_that_cannot_be_are_refused():
    with pytest.raises(PromptError, match="after its end on 3"):
        Extent("K", 8, 3)
    with pytest.raises(PromptError, match="0 to 11"):
        a_session(Extent("K", 3, 12))
    session = a_session(Extent("K", 7, 9))
    with pytest.raises(PromptError, match="The segment has no prompts on the slices 7 to 9 along K, between its ends"):
        propagate(session, 1, "K", 0, 11, CONFIG)


@pytest.mark.parametrize(
    ("asked", "extent", "propagation"),
    [
        ({"extent": {"first": 3, "last": 8}}, Extent("K", 3, 8), Propagation(0, 11, "K")),
        ({"extent": {"last": 8}, "propagate": {"first": 2, "last": 11}}, Extent("K", None, 8), Propagation(2, 11, "K")),
        ({"propagate": {"first": 2, "last": 9, "thorough": True}}, None, Propagation(2, 9, "K", True)),
    ],
)
def test_the_prompts_file_says_where_an_object_ends(tmp_path, asked, extent, propagation):
    (segment,) = read(tmp_path, **asked)
    assert (segment.extent, segment.propagation) == (extent, propagation)


def test_a_roi_around_the_whole_object_says_its_ends_and_prompts_its_middle(tmp_path):
    roi = {"type": "roi", "corners": [[6, 6, 2], [13, 13, 8]], "axis": "K"}
    (segment,) = read(tmp_path, prompts=[roi], extent="roi")
    assert segment.prompts == (BoxPrompt((6, 6, 5), (13, 13, 5)),)
    assert (segment.extent, segment.propagation) == (Extent("K", 2, 8), Propagation(0, 11, "K"))
    (ends,) = read(tmp_path, extent={"first": 2, "last": 8})
    assert segment == ends
    with pytest.raises(PromptError, match="one prompt, which is a roi"):
        read(tmp_path, extent="roi")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"extent": {}}, r"segments\[0\].extent .* first, last or both .* found {}"),
        ({"extent": {"first": 12}}, r"segments\[0\].extent .* 0 to 11, found .*12"),
        ({"extent": "ROI"}, r"segments\[0\].extent must be an object or \"roi\", found 'ROI'"),
        ({"extent": {"first": 9, "last": 7}}, "after its end"),
        ({"extent": {"first": 9, "last": 7}}, r"segments\[0\].extent is impossible: .* Give the lower one as first"),
        ({"extent": {"first": 3, "last": 8}, "corrections": [POINT]}, "a correction on slice K = 9, outside"),
        ({"extent": {"first": 2.5}}, "whole number"),
        ({"extent": {"first": 7, "last": 9}}, "outside of its extent"),
        ({"extent": {"first": 3, "end": 7}}, "unknown key 'end'"),
        ({"propagate": {"first": 0, "last": 3, "thorough": "yes"}}, "thorough"),
    ],
)
def test_an_extent_that_cannot_be_is_refused_with_its_place(tmp_path, asked, words):
    with pytest.raises(PromptError, match=words):
        read(tmp_path, **asked)


def test_a_file_and_a_session_with_the_same_ends_give_the_same_voxels(tmp_path):
    prompts = read(tmp_path, extent={"first": 3, "last": 8})
    result = segment_volume(a_volume(), prompts, MODEL, BYTE_WINDOW, predictor=GreyPredictor(), propagation=CONFIG)
    session = a_session(Extent("K", 3, 8))
    propagate(session, 1, "K", 0, 11, CONFIG)
    np.testing.assert_array_equal(result.labels_kji, session.labels_kji)
    assert slices_with_a_mask(result.labels_kji) == list(range(3, 9))


def test_a_saved_session_knows_the_ends(tmp_path):
    session = a_session(Extent("K", 3, 8))
    session.extents.put(1, Extent("I", last=15))
    path = tmp_path / "session.json"
    save_session(path, session)
    restored = restore_session(path, a_volume(), MODEL, predictor=GreyPredictor())
    assert list(restored.extents.of_label(1)) == [Extent("I", None, 15), Extent("K", 3, 8)]
    save_session(tmp_path / "again.json", restored)
    assert path.read_bytes() == (tmp_path / "again.json").read_bytes()


def test_a_session_without_ends_is_written_as_it_always_was(tmp_path):
    path = tmp_path / "session.json"
    save_session(path, a_session())
    assert set(json.loads(path.read_text(encoding="utf-8"))["segments"][0]) == {"label", "name", "overwrite", "slices"}


@pytest.mark.parametrize("wrong", [{"axis": "K"}, {"axis": "X", "first": 1}, {"axis": "K", "first": 12}, 7])
def test_a_damaged_extent_in_a_session_is_refused(tmp_path, wrong):
    path = tmp_path / "session.json"
    save_session(path, a_session(Extent("K", 3, 8)))
    content = json.loads(path.read_text(encoding="utf-8"))
    content["segments"][0]["extents"] = [wrong]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(PromptError, match="extents"):
        restore_session(path, a_volume(), MODEL, predictor=GreyPredictor())
