"""Contact sheets of answers from the worst to the best."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage as ndi

from .evaluate import Answer
from .validation import Case

TARGET_COLOUR, ANSWER_COLOUR = (60, 255, 60), (255, 70, 70)
COLUMNS = 6
GRAYS = 48


def draw_answers(path: Path, cases: list[Case], answers: list[Answer], prompt: str, number: int = 12) -> None:
    """Draw `number` answers from the worst to the best Dice, most of them bad ones: target green, answer red."""
    ordered = sorted(answers, key=lambda answer: answer.dice[prompt])
    places = np.linspace(0, 1, min(number, len(ordered))) ** 2 * (len(ordered) - 1)
    chosen = [ordered[int(place)] for place in places]
    _save_sheet(path, [_answer_tile(cases[answer.case], answer, prompt) for answer in chosen])


def outline(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask (H, W) that touch its outside."""
    return mask & ~ndi.binary_erosion(mask)


def _answer_tile(case: Case, answer: Answer, prompt: str) -> np.ndarray:
    rows, columns = np.nonzero(answer.target)
    side = int(np.clip(2 * max(np.ptp(rows), np.ptp(columns)), 48, len(case.pixels)))
    top, left = (int(np.clip(line.mean() - side / 2, 0, len(case.pixels) - side)) for line in (rows, columns))
    zoom = np.arange(256) * side // 256
    window = np.ix_(top + zoom, left + zoom)
    tile = np.repeat(case.pixels[window][..., None], 3, axis=2)
    tile[outline(answer.target[window])] = TARGET_COLOUR
    tile[outline(answer.masks[prompt][window])] = ANSWER_COLOUR
    return tile


def _save_sheet(path: Path, tiles: list[np.ndarray]) -> None:
    from PIL import Image

    blank = np.zeros_like(tiles[0])
    tiles = tiles + [blank] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    # A palette of grays and the colours of the lines: a third of the bytes, and the lines stay bright.
    grays = np.linspace(0, 255, GRAYS)[:, None].repeat(3, 1).round()
    table = Image.new("P", (1, 1))
    table.putpalette(np.vstack([grays, TARGET_COLOUR, ANSWER_COLOUR]).astype(np.uint8).tobytes())
    Image.fromarray(np.vstack(rows)).quantize(palette=table, dither=Image.Dither.NONE).save(path, optimize=True)
