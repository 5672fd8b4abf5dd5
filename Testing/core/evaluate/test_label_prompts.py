"""Prompts made from labels, answered by a predictor that is known pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from dfqsam_core.errors import ConfigError
from dfqsam_core.evaluate.label_prompts import PROMPT_KINDS, parse_prompt_kinds, predict_clicks, tight_box

TARGET = np.zeros((8, 8), bool)
TARGET[2:5, 3:7] = True


class Painter:
    """Answers with everything that was clicked positively so far, and writes down what it was asked."""

    def __init__(self) -> None:
        self.calls: list[dict[str, np.ndarray | None]] = []

    def predict(
        self,
        point_coords: np.ndarray | None = None,
        point_labels: np.ndarray | None = None,
        box: np.ndarray | None = None,
        mask_input: np.ndarray | None = None,
        multimask_output: bool = True,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return three masks, of which the middle one has the best predicted IoU."""
        self.calls.append({"coords": point_coords, "labels": point_labels, "box": box, "mask": mask_input})
        masks = np.zeros((3, 8, 8), bool)
        if point_coords is not None and point_labels is not None:
            for (x, y), label in zip(point_coords.astype(int), point_labels, strict=True):
                masks[1, y, x] = label == 1
        low_res = np.full((3, 64, 64), len(self.calls), np.float32)
        return masks, np.array([0.1, 0.9, 0.5]), low_res


def test_box_is_tight_with_exclusive_far_edges() -> None:
    assert tight_box(TARGET).tolist() == [3, 2, 7, 5]


def test_box_prompt_sends_only_the_box() -> None:
    painter = Painter()
    PROMPT_KINDS["box"](painter, TARGET, np.random.default_rng(0))
    assert painter.calls[0]["box"].tolist() == [3, 2, 7, 5]
    assert painter.calls[0]["coords"] is None


def test_one_point_lies_in_the_target_and_depends_on_the_seed_alone() -> None:
    masks = [PROMPT_KINDS["1pt"](Painter(), TARGET, np.random.default_rng(seed)) for seed in (5, 5)]
    assert masks[0].sum() == 1
    assert (masks[0] & TARGET).sum() == 1
    np.testing.assert_array_equal(masks[0], masks[1])


def test_three_points_accumulate_and_feed_the_mask_back() -> None:
    painter = Painter()
    PROMPT_KINDS["3pt"](painter, TARGET, np.random.default_rng(1))
    assert [len(call["coords"]) for call in painter.calls] == [1, 2, 3]
    assert [None if call["mask"] is None else call["mask"][0, 0, 0] for call in painter.calls] == [None, 1, 2]
    # Only missed pixels are wrong here, so that each click is positive and hits a new one.
    assert painter.calls[2]["labels"].tolist() == [1, 1, 1]
    assert len({tuple(point) for point in painter.calls[2]["coords"].tolist()}) == 3


def test_a_wrongly_covered_pixel_becomes_a_negative_click() -> None:
    class Flood(Painter):
        def predict(self, *args: object, **kwargs: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            masks, scores, low_res = super().predict(*args, **kwargs)  # type: ignore[arg-type]
            return np.ones_like(masks), scores, low_res

    painter = Flood()
    predict_clicks(painter, TARGET, np.random.default_rng(2), clicks=2)
    (x, y), label = painter.calls[1]["coords"][1].astype(int), painter.calls[1]["labels"][1]
    assert label == 0
    assert not TARGET[y, x]


def test_corrections_go_to_the_largest_region_that_is_wrong() -> None:
    """A small missed region, a larger missed one, and the largest: wrongly covered."""
    target, answer = np.zeros((12, 12), bool), np.zeros((12, 12), bool)
    target[0, 0:2] = target[4:6, 0:3] = True
    answer[8:12, 4:12] = True

    class Stubborn(Painter):
        def predict(self, *args: object, **kwargs: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            self.calls.append({"coords": args[0], "labels": args[1]})  # type: ignore[dict-item]
            return np.stack([answer] * 3), np.array([0.1, 0.9, 0.5]), np.zeros((3, 64, 64), np.float32)

    painter = Stubborn()
    predict_clicks(painter, target, np.random.default_rng(4), clicks=3)
    assert painter.calls[2]["labels"][1:].tolist() == [0, 0]
    answer[8:12, 4:12] = False
    painter = Stubborn()
    predict_clicks(painter, target, np.random.default_rng(4), clicks=5)
    assert painter.calls[4]["labels"].tolist() == [1] * 5
    assert all(4 <= y < 6 for _, y in painter.calls[4]["coords"][1:])


def test_five_points_begin_with_the_three() -> None:
    three, five = Painter(), Painter()
    PROMPT_KINDS["3pt"](three, TARGET, np.random.default_rng(1))
    PROMPT_KINDS["5pt"](five, TARGET, np.random.default_rng(1))
    assert [len(call["coords"]) for call in five.calls] == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(three.calls[2]["coords"], five.calls[2]["coords"])


def test_clicks_stop_when_nothing_is_wrong() -> None:
    painter, pixel = Painter(), np.zeros((8, 8), bool)
    pixel[4, 4] = True
    found = predict_clicks(painter, pixel, np.random.default_rng(3), clicks=3)
    np.testing.assert_array_equal(found, pixel)
    assert len(painter.calls) == 1


@pytest.mark.parametrize("text", ["", "circle", "box,circle", " , "])
def test_unknown_prompt_kinds_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="Choose from box, 1pt, 3pt, 5pt"):
        parse_prompt_kinds(text)


def test_prompt_kinds_are_read_once_each() -> None:
    assert parse_prompt_kinds(" 1pt, box,1pt") == ("1pt", "box")
