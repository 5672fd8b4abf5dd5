"""What people draw by hand survives prompting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from dfqsam_scene.prompting.segment_writer import with_hand_edits

PLANES = arrays(bool, (3, 4))


def row(text):
    """One row of voxels: # is covered."""
    return np.array([[character == "#" for character in text]])


def test_added_voxels_stay_and_removed_ones_stay_away():
    old, present, new = row("..####.."), row("#.###..."), row("..#####.")
    np.testing.assert_array_equal(with_hand_edits(new, old, present), row("#.###.#."))


def test_an_emptied_slice_is_a_fresh_start():
    new = row("..###...")
    np.testing.assert_array_equal(with_hand_edits(new, row("..####.."), row("........")), new)


@given(PLANES, PLANES)
def test_without_hand_edits_the_new_plane_is_written_as_it_is(new, old):
    np.testing.assert_array_equal(with_hand_edits(new, old, old), new)


@given(PLANES, PLANES)
def test_what_is_on_an_unprompted_slice_is_never_taken_away(new, present):
    nothing = np.zeros_like(new)
    np.testing.assert_array_equal(with_hand_edits(new, nothing, present), new | present)


@given(PLANES, PLANES, PLANES)
def test_a_step_back_brings_back_what_was_there(first, second, drawn):
    there = with_hand_edits(second, first, first) | drawn
    back = with_hand_edits(first, second, there)
    np.testing.assert_array_equal(back, first | (drawn & ~second))
