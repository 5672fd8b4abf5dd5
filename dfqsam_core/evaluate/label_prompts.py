"""Prompts made from a label, as SAM-Med2D's evaluation makes them, and the masks they give."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from ..errors import ConfigError
from ..network.conventions import SAM_MED2D, Conventions, PromptKind, conventions_named
from ..runtime.predictor import Predictor
from .dataset import largest_component


def tight_box(mask: np.ndarray) -> np.ndarray:
    """Return the box (4,) float32 x0, y0, x1, y1 around a non-empty mask (H, W); x1 and y1 are exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def predict_box(predictor: Predictor, target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the mask (H, W) bool that the tight box of `target` gives."""
    return _best(*predictor.predict(box=tight_box(target)))[0]


def predict_clicks(predictor: Predictor, target: np.ndarray, rng: np.random.Generator, clicks: int) -> np.ndarray:
    """Return the mask after `clicks` clicks: a random pixel of `target`, then of the largest region still wrong.

    In a missed region the click is positive, in a wrongly covered one negative; points accumulate and the previous
    low-resolution logits are fed back, as in SAM-Med2D's interactive evaluation. Stops early when nothing is wrong.
    """
    points, labels = [_random_pixel(target, rng)], [1]
    mask, low_res = _best(*predictor.predict(np.array(points, np.float32), np.array(labels)))
    while len(points) < clicks and (mask != target).any():
        x, y = _random_pixel(_largest_error(mask, target), rng)
        points.append((x, y))
        labels.append(int(target[y, x]))
        mask, low_res = _best(
            *predictor.predict(np.array(points, np.float32), np.array(labels), mask_input=low_res[None])
        )
    return mask


PROMPT_KINDS: dict[str, Callable[[Predictor, np.ndarray, np.random.Generator], np.ndarray]] = {
    "box": predict_box,
    "1pt": partial(predict_clicks, clicks=1),
    "3pt": partial(predict_clicks, clicks=3),
    "5pt": partial(predict_clicks, clicks=5),
}

# What a network must have learnt for each kind: corrections go on from the mask before.
_NEEDS: dict[str, set[PromptKind]] = {
    "box": {"box"},
    "1pt": {"point"},
    "3pt": {"point", "mask"},
    "5pt": {"point", "mask"},
}

_USUAL = ("box", "1pt", "3pt")

# Kinds whose answer depends on random clicks.
RANDOM_KINDS = frozenset(PROMPT_KINDS) - {"box"}


def parse_prompt_kinds(text: str) -> tuple[str, ...]:
    """Return the prompt kinds of a list like "box,1pt,3pt"; raises ConfigError for an unknown or missing kind."""
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [kind for kind in kinds if kind not in PROMPT_KINDS]
    if unknown or not kinds:
        raise ConfigError(f"Unknown prompt kinds {unknown or repr(text)}. Choose from {', '.join(PROMPT_KINDS)}.")
    return kinds


def usual_kinds(conventions: str | None) -> tuple[str, ...]:
    """The kinds that are measured where nobody asks for others; conventions: the model's, None for SAM-Med2D's."""
    known = conventions_named(conventions or SAM_MED2D.name).prompts
    return tuple(kind for kind in _USUAL if known.issuperset(_NEEDS[kind]))


def check_kinds(kinds: Iterable[str], conventions: Conventions) -> None:
    """Raise ConfigError for kinds of prompts that a model was not trained with."""
    refused = [kind for kind in kinds if not conventions.prompts.issuperset(_NEEDS[kind])]
    if refused:
        why = conventions.why_refused({need for kind in refused for need in _NEEDS[kind]})
        raise ConfigError(f"{', '.join(refused)} cannot be measured: {why.rsplit('. ', 1)[0]}. Give --prompts box.")


def _largest_error(mask: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The largest component of what `mask` misses or of what it wrongly covers; of equal ones the missed."""
    missed, covered = largest_component(target & ~mask), largest_component(mask & ~target)
    return missed if np.count_nonzero(missed) >= np.count_nonzero(covered) else covered


def _random_pixel(mask: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    rows, columns = np.nonzero(mask)
    chosen = int(rng.integers(len(rows)))
    return int(columns[chosen]), int(rows[chosen])


def _best(masks: np.ndarray, iou_predictions: np.ndarray, low_res: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    chosen = int(np.argmax(iou_predictions))
    return masks[chosen].astype(bool), low_res[chosen]
