"""What corrective clicks on propagated slices give: measurement and page of `tools/volume_tables.py corrections`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dfqsam_core.evaluate import dice
from dfqsam_core.evaluate.dataset import largest_component
from dfqsam_core.evaluate.metrics import mean_interval, points
from dfqsam_core.volume import PointPrompt, SliceKey, VolumeSession
from dfqsam_core.volume.session.edited_mask import edited_mask
from dfqsam_core.volume.session.mask_prompts import deep_points
from dfqsam_core.volume.slices import SliceFrame

CLICKS, WORSE = 3, 0.05
FORMER, DISC, CORRECTED = "click alone", "disc alone", "correction"
TEXT = """# Corrective clicks on propagated slices

**One click into the middle of what is wrong improves nearly every propagated slice, and hardly ever makes one worse.**

The largest slice of an object gets a tight box, which is propagated inside the object's known extent; every third slice
that got a mask so is corrected, each from that mask. A click goes into the middle of the largest region that is wrong.

- "click alone" is what such a click did formerly: a positive one replaced the mask by its own answer, a negative one
  emptied the slice.
- "disc alone": the disc from the click to the mask's border added or removed, without a model.
- "correction" is what a click does now ([volumes.md](../use/volumes.md), Corrections).

Dice before and after: means over slices. Change: Dice points, mean over objects with its 95 % bootstrap interval.
Worse: slices that lost more than 0.05 from the propagated mask. Honoured: all clicks so far are right in the mask.
Edit kept: the disc counts instead of the model's answer, and a sentence says so.

That an answer has to keep half of the mask, and which clicks ask for an island, was chosen on these objects.
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


def measure_corrections(
    targets: Sequence[Any], propagated: Callable[[Any], VolumeSession], every: int
) -> list[Corrected]:
    """Correct every n-th propagated slice of each target; propagated: gives its session, whose segment 1 it is."""
    rows = []
    for target in targets:
        session = propagated(target)
        frame = SliceFrame.of(target.volume.geometry, "K")
        for k in propagated_slices(session)[::every]:
            if target.mask[k].any():
                rows += [Corrected(target.number, *row) for row in corrected_slice(session, frame, k, target.mask[k])]
    return rows


def propagated_slices(session: VolumeSession) -> list[int]:
    """Indices along K of slices with a mask and no prompts."""
    states = ((key.index, session.state(1, key)) for key in session.slices_of(1))
    return [k for k, state in states if not state.prompts and state.prediction and state.prediction.mask.any()]


def corrected_slice(session: VolumeSession, frame: SliceFrame, k: int, label: np.ndarray) -> Iterator[tuple[Any, ...]]:
    """One row for each way and number of clicks; the session is as before afterwards. label: (J, I) bool."""
    key = SliceKey("K", k)
    propagated = session.state(1, key)
    before = dice(session.mask(1, key), label)
    for way in (FORMER, DISC, CORRECTED):
        mask, clicks = session.mask(1, key), list[PointPrompt]()
        while len(clicks) < (1 if way is FORMER else CLICKS) and (click := worst_click(mask, label, k)):
            clicks.append(click)
            mask, note = clicked(way, session, frame, mask, clicks)
            honoured = all(mask[c.ijk[1], c.ijk[0]] == c.positive for c in clicks)
            yield way, len(clicks), click.positive, before, dice(mask, label), honoured, bool(note)
        session.restore_state(1, key, propagated)


def clicked(
    way: str, session: VolumeSession, frame: SliceFrame, mask: np.ndarray, clicks: list[PointPrompt]
) -> tuple[np.ndarray, str]:
    """Mask (J, I) bool after the last click, and what is said of it."""
    if way is CORRECTED:
        edit = session.add_prompt(1, clicks[-1])
        return edit.after, edit.note
    if way is DISC:
        return frame.to_storage(edited_mask(frame.to_canonical(mask), frame, clicks)) if mask.any() else mask, ""
    is_positive = clicks[-1].positive
    return session.slices.predict(clicks[-1].slice, (clicks[-1],)).mask if is_positive else np.zeros_like(mask), ""


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
        groups[f"{row.way}, {row.clicks}"].append(row)
        if row.clicks == 1:
            groups[f"{row.way}, 1 {'positive' if row.is_positive else 'negative'}"].append(row)
    head = "| way, clicks | slices | Dice before | after | change | worse | honoured | edit kept |"
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
