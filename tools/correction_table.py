"""What corrective clicks on propagated slices give: the measurement and the page of `volume_tables.py corrections`.

Objects are prompted as for the propagation page and propagated inside their known extent; every n-th slice that got a
mask there and holds the object is corrected, each from that same mask. A click goes into the middle of the largest
region that is wrong, positive or negative.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dfqsam_core.evaluate import dice
from dfqsam_core.evaluate.dataset import largest_component
from dfqsam_core.evaluate.metrics import mean_interval, points
from dfqsam_core.volume import PointPrompt, SliceKey, VolumeSession
from dfqsam_core.volume.prompts import can_predict
from dfqsam_core.volume.session.edited_mask import edited_mask
from dfqsam_core.volume.session.mask_prompts import deep_points
from dfqsam_core.volume.slices import SliceFrame

CLICKS, WORSE = 3, 0.05
FORMER, DISC, CORRECTED = "click alone (former)", "disc alone, no model", "correction"
TEXT = """# Corrective clicks on propagated slices

Mean Dice of slices that a propagation reached, before and after corrective clicks, each in the middle of the largest
region that is wrong. "Click alone": what such a click did formerly: a positive one replaced the mask by its own answer,
a negative one emptied the slice. "Disc alone": the disc from the click to the mask's border added or removed, no model.
"Correction": what a click does now ([volumes.md](volumes.md), Corrections). Change: Dice points, 95 % bootstrap interval
over objects; worse: slices that lose more than 0.05; honoured: all clicks so far are right in the mask; kept edit: the
disc stays instead of the answer, with a sentence.
"""


@dataclass(frozen=True)
class Corrected:
    """One slice after one or more clicks. is_positive: the last of these. is_kept_edit: the answer was refused."""

    target: int
    way: str
    clicks: int
    is_positive: bool
    before: float
    after: float
    is_honoured: bool
    is_kept_edit: bool


def measure_corrections(model: Any, targets: Sequence[Any], prompt: Any, every: int, count: int) -> list[Corrected]:
    """Correct every n-th propagated slice; prompt: gives the session of a target with `count` slices prompted."""
    rows = []
    for number, target in enumerate(targets):
        session = prompt(model, target, count)
        frame = SliceFrame.of(target.volume.geometry, "K")
        for k in propagated_slices(session)[::every]:
            if target.mask[k].any():
                rows += [Corrected(number, *row) for row in corrected_slice(session, frame, k, target.mask[k])]
        print(f"{number + 1}/{len(targets)}", file=sys.stderr)
    return rows


def propagated_slices(session: VolumeSession) -> list[int]:
    """Indices along K of slices with a mask and no prompts."""
    states = ((key.index, session.state(1, key)) for key in session.slices_of(1))
    return [k for k, state in states if not state.prompts and state.prediction and state.prediction.mask.any()]


def corrected_slice(session: VolumeSession, frame: SliceFrame, k: int, label: np.ndarray) -> Iterator[tuple[Any, ...]]:
    """One row for each way and number of clicks; the session is as before afterwards."""
    key = SliceKey("K", k)
    propagated = session.state(1, key)
    before = dice(session.mask(1, key), label)
    for way in (FORMER, DISC, CORRECTED):
        mask, clicks = session.mask(1, key), []
        for n in range(1, 1 + (1 if way is FORMER else CLICKS)):
            click = worst_click(mask, label, k)
            if click is None:
                break
            clicks.append(click)
            note = ""
            if way is DISC:
                mask = frame.to_storage(edited_mask(frame.to_canonical(mask), frame, clicks)) if mask.any() else mask
            elif way is FORMER:
                asked = can_predict((click,))
                mask = session.slices.predict(key, (click,)).mask if asked else np.zeros_like(mask)
            else:
                edit = session.add_prompt(1, click)
                mask, note = edit.after, edit.note
            honoured = all(mask[c.ijk[1], c.ijk[0]] == c.positive for c in clicks)
            yield way, n, click.positive, before, dice(mask, label), honoured, bool(note)
        session.restore_state(1, key, propagated)


def worst_click(mask: np.ndarray, label: np.ndarray, k: int) -> PointPrompt | None:
    """The click in the middle of the largest wrong region of a mask (J, I) bool, None where nothing is wrong."""
    missed, covered = largest_component(label & ~mask), largest_component(mask & ~label)
    is_missed = np.count_nonzero(missed) >= np.count_nonzero(covered)
    middle = deep_points(missed if is_missed else covered, 1)
    return PointPrompt((int(middle[0, 0]), int(middle[0, 1]), k), is_missed) if len(middle) else None


def correction_page(results: dict[str, list[Corrected]]) -> str:
    """The page without the command that made it."""
    parts = [TEXT]
    for name, rows in results.items():
        objects = len({row.target for row in rows})
        slices = sum((row.way, row.clicks) == (CORRECTED, 1) for row in rows)
        parts += [f"## {name}\n\n{slices} slices of {objects} objects.\n", table(rows)]
    return "\n".join(parts)


def table(rows: list[Corrected]) -> str:
    """Markdown: one row for each way and number of clicks, the first click by its sign, too."""
    groups: dict[str, list[Corrected]] = defaultdict(list)
    for row in rows:
        clicks = "one click" if row.clicks == 1 else f"{row.clicks} clicks"
        groups[f"{row.way}, {clicks}"].append(row)
        if row.clicks == 1:
            groups[f"{row.way}, {'positive' if row.is_positive else 'negative'}"].append(row)
    head = "| | slices | Dice before | after | change | worse | honoured | kept edit |"
    return "\n".join([head, "|---" * 8 + "|", *[_line(name, group) for name, group in sorted(groups.items())]]) + "\n"


def _line(name: str, rows: list[Corrected]) -> str:
    before, after = (np.array([getattr(row, field) for row in rows]) for field in ("before", "after"))
    objects = defaultdict(list)
    for row in rows:
        objects[row.target].append(row.after - row.before)
    interval = mean_interval(np.array([np.mean(changes) for changes in objects.values()]))
    change = points({"mean": interval.mean, "low": interval.low, "high": interval.high})
    shares = (after < before - WORSE, [row.is_honoured for row in rows], [row.is_kept_edit for row in rows])
    percent = " | ".join(f"{100 * np.mean(share):.0f} %" for share in shares)
    return f"| {name} | {len(rows)} | {before.mean():.3f} | {after.mean():.3f} | {change} | {percent} |"
