"""Masks of another network become flat scans beside the slices that they outline; groups of structures are targets."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from research.training.bank import BankScan, merged_groups
from research.training.outlines import outlined_scans


def a_scan():
    """Values 100 z + 10 y + x of 3 x 4 x 5 voxels of 3 x 2 x 1 mm, annotated where x is 0."""
    z, y, x = np.indices((3, 4, 5))
    labels = np.stack([x == 0, y, 0 * z, 0 * z]).astype(np.uint8)
    image = (100 * z + 10 * y + x).astype(np.int16)
    return BankScan("ramp", "MR", image, labels, (3.0, 2.0, 1.0), "acs", 1.0, (0.8, 0.1, 0.1, 0.0), "made here")


def an_outline(path, axis, slices, shape, name="ramp"):
    cards = [{"name": name, "axis": axis, "slices": slices, "weight": 0.3}]
    masks = np.arange(2 * len(slices) * shape[0] * shape[1]).reshape(2, len(slices), *shape).astype(np.uint8)
    np.savez(path, cards=np.frombuffer(json.dumps(cards).encode(), np.uint8), masks0=masks)
    return masks


@pytest.mark.parametrize(
    ("axis", "shape", "spacing_mm", "first"),
    [("a", (4, 5), (2.0, 1.0), 200), ("c", (3, 5), (3.0, 1.0), 220), ("s", (3, 4), (3.0, 2.0), 202)],
)
def test_an_outlined_slice_lies_beside_its_masks(tmp_path, axis, shape, spacing_mm, first):
    masks = an_outline(tmp_path / "masks.npz", axis, [2], shape)
    (flat,) = outlined_scans([a_scan()], [tmp_path / "masks.npz"])
    assert flat.image.shape == (1, *shape)
    assert flat.image[0, 0, 0] == first  # coronal and sagittal slices show the head, the last z, on top
    assert flat.labels.shape == (4, 1, *shape)
    assert np.array_equal(flat.labels[2:], masks)
    assert np.array_equal(flat.labels[0] > 0, flat.image % 10 == 0)
    assert (flat.spacing_mm[1:], flat.flat, flat.weight, flat.repaint) == (spacing_mm, True, 0.3, 0.0)


def test_outlines_of_scans_that_the_bank_leaves_out_are_left_out(tmp_path):
    an_outline(tmp_path / "masks.npz", "a", [0], (4, 5), name="not in the bank")
    assert outlined_scans([a_scan()], [tmp_path / "masks.npz"]) == []


def test_a_group_is_a_target_where_it_is_more_than_one_structure():
    kidney_and_cyst_and_liver = np.array([[3, 3, 23, 5], [3, 0, 5, 5]], np.uint8)
    assert merged_groups(kidney_and_cyst_and_liver, ((3, 23), (5, 6))).tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]
