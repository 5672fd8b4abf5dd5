from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

from research.training.cli import main  # noqa: E402
from research.training.curves import draw_curves  # noqa: E402
from research.training.evaluate import Answer  # noqa: E402
from research.training.pictures import ANSWER_COLOUR, TARGET_COLOUR, draw_answers  # noqa: E402
from research.training.validation import Case  # noqa: E402


def test_answers_are_drawn_with_bright_lines_on_gray(tmp_path):
    target, found = (np.zeros((256, 256), bool) for _ in range(2))
    target[100:150, 100:150] = found[110:160, 100:150] = True
    case = Case("CT", "squashed", np.full((256, 256), 90, np.uint8), target[None])
    draw_answers(tmp_path / "a.png", [case], [Answer("CT", 0, target, {"box": 0.8}, {"box": found})], "box")
    picture = np.array(Image.open(tmp_path / "a.png").convert("RGB"))
    colours = {tuple(int(part) for part in colour) for colour in np.unique(picture.reshape(-1, 3), axis=0)}
    assert {TARGET_COLOUR, ANSWER_COLOUR} <= colours
    assert all(r == g == b for r, g, b in colours - {TARGET_COLOUR, ANSWER_COLOUR})


def test_curves_of_two_trainings_become_one_picture(tmp_path):
    for name, images in (("first", (0, 100)), ("second", (150, 250))):
        (tmp_path / name).mkdir()
        rows = [f"{n},0.5,0.3,0.6" for n in images]
        (tmp_path / name / "log.csv").write_text("\n".join(["images,box,point,last", *rows]) + "\n")
    out = tmp_path / "curve.png"
    assert main(["curves", str(tmp_path / "first"), str(tmp_path / "second"), "--out", str(out)]) == 0
    assert Image.open(out).size == (990, 360)


def test_curves_show_trainings_of_which_one_lacks_a_column_and_one_everything(tmp_path):
    head = "step,images,all ellipse,all box,all 1pt,all 3pt"
    tables = {"early": f"{head}\n1,10,0.8,0.7,0.5,0.6\n", "late": f"{head},large all 1pt\n2,20,0.8,0.8,0.6,0.7,0.9\n"}
    for name, text in {**tables, "empty": f"{head}\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "validation.csv").write_text(text)
    areas = []
    for chosen in (("empty",), ("empty", "early", "late")):
        draw_curves([tmp_path / name for name in chosen], tmp_path / "curves.png")
        areas.append(int((np.array(Image.open(tmp_path / "curves.png"))[..., :3] < 128).any(-1).sum()))
    assert areas[1] > areas[0]
