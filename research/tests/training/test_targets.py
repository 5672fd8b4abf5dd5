from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from dfqsam_core.evaluate.ellipse import inscribed_ellipse  # noqa: E402
from research.training.prompts import first_prompts, inscribed_ellipses, tight_boxes  # noqa: E402
from research.training.randomness import Rng  # noqa: E402
from research.training.targets import choose_targets, connected_part, random_pixel  # noqa: E402


def masks_of(*areas, side=32):
    masks = torch.zeros(len(areas), side, side, dtype=torch.bool)
    for mask, parts in zip(masks, areas, strict=True):
        for rows, columns in parts:
            mask[slice(*rows), slice(*columns)] = True
    return masks


def test_the_connected_part_ends_where_the_mask_does():
    left, right = ((4, 12), (2, 10)), ((4, 12), (20, 28))
    found = connected_part(masks_of([left, right]), torch.tensor([6 * 32 + 22]))
    assert torch.equal(found, masks_of([right]))


def test_parts_that_touch_at_a_corner_are_one():
    both = masks_of([((2, 10), (2, 10)), ((10, 18), (10, 18))])
    assert torch.equal(connected_part(both, torch.tensor([3 * 32 + 3])), both)


def test_a_part_too_winding_to_follow_is_kept_whole(monkeypatch):
    monkeypatch.setattr("research.training.targets.FILL_STEPS", 3)
    snake_and_dot = masks_of([((2, 4), (2, 30)), ((20, 24), (20, 24))])
    assert torch.equal(connected_part(snake_and_dot, torch.tensor([2 * 32 + 2])), snake_and_dot)


def test_a_random_pixel_lies_in_its_mask_and_follows_the_weight():
    mask = masks_of([((0, 1), (0, 2))]).expand(400, -1, -1)
    weight = torch.ones(400, 32, 32)
    weight[:, 0, 1] = 3.0
    chosen = random_pixel(Rng("cpu", 0), mask, weight)
    assert set(chosen.tolist()) == {0, 1}
    assert 0.68 < chosen.float().mean().item() < 0.82


def test_targets_are_parts_of_labels_that_are_neither_tiny_nor_most_of_the_image():
    labels = torch.zeros(1, 1, 32, 32, dtype=torch.uint8)
    labels[0, 0, :, :20] = 1  # more than half
    labels[0, 0, 2:5, 22:25] = 2  # nine pixels
    labels[0, 0, 10:20, 22:30] = 3
    masks, usable, _ = choose_targets(Rng("cpu", 0), labels, torch.ones(1, 1), 4)
    assert usable.all()
    assert torch.equal(masks, (labels[:, 0] == 3).expand(4, -1, -1))


def test_an_image_without_labels_is_not_usable():
    masks, usable, _ = choose_targets(Rng("cpu", 0), torch.zeros(1, 3, 32, 32, dtype=torch.uint8), torch.ones(1, 3), 2)
    assert not usable.any()
    assert masks.shape == (2, 32, 32)


def test_clicks_lie_in_their_target_and_tight_boxes_around_it():
    masks = masks_of([((4, 9), (10, 24))]).expand(40, -1, -1)
    assert tight_boxes(masks)[0].tolist() == [10, 4, 24, 9]
    points, labels = first_prompts(Rng("cpu", 0), masks, box_share=0.5)
    clicks = points[labels[:, 0] == 1][:, 0].long()
    assert 5 < len(clicks) < 35
    assert masks[0, clicks[:, 1], clicks[:, 0]].all()


@settings(max_examples=60, deadline=None)
@given(x0=st.integers(0, 20), y0=st.integers(0, 20), width=st.integers(1, 12), height=st.integers(1, 12))
def test_the_ellipses_of_the_trainer_are_those_of_the_evaluation(x0, y0, width, height):
    box = np.array([x0, y0, x0 + width, y0 + height])
    found = inscribed_ellipses(torch.tensor(box)[None].float(), 32)[0].numpy()
    np.testing.assert_array_equal(found, inscribed_ellipse(box, (32, 32)))


def test_larger_structures_are_drawn_more_often_where_area_counts():
    labels = torch.zeros(200, 1, 32, 32, dtype=torch.uint8)
    labels[:, 0, 2:10, 2:10] = 1  # 64 pixels
    labels[:, 0, 12:28, 4:20] = 2  # four times as many
    shares = []
    for power in (0.0, 1.0):
        masks, _, _ = choose_targets(Rng("cpu", 0), labels, torch.ones(200, 1), 1, power)
        shares.append((masks.flatten(1).sum(1) == 256).float().mean().item())
    assert 0.4 < shares[0] < 0.6
    assert 0.72 < shares[1] < 0.88


def test_a_target_says_whether_it_is_annotated():
    labels = torch.zeros(2, 2, 32, 32, dtype=torch.uint8)
    labels[0, 0, 4:20, 4:20] = labels[1, 1, 4:20, 4:20] = 1
    _, usable, annotated = choose_targets(Rng("cpu", 0), labels, torch.ones(2, 2), 1)
    assert usable.tolist() == [True, True]
    assert annotated.tolist() == [True, False]
