"""Whole objects from one to three prompted slices, beside the former chain, as docs/measured/propagation.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from dfqsam_core.evaluate import dice
from dfqsam_core.evaluate.metrics import mean_interval
from dfqsam_core.runtime import EmbeddingCache
from dfqsam_core.volume import Extent, PropagationConfig, VolumeSession, propagate
from tools.former_chain import propagate_formerly
from tools.volume_targets import Target, table

TEXT = """# Whole objects from one, two or three prompted slices

**One slice: where the object is largest. Two: each a third of the way in from an end, not near the ends. Say where it
starts and ends, if you can see it.** Two slices near the ends are worse than a single one where the object is largest;
two at the thirds are better, three at the quarters better still, and more than any setting gives. After a propagation
the slice is offered on which one more prompt would help most: it is about as good as the thirds.

Mean Dice of whole objects after `propagate` with its default settings. Prompted slices get a tight box of the label:
one is the largest slice, two lie at a fifth from both ends, three at the quarters. "Known ends": the extent given is
the object's own; "whole stack": every slice of the volume, so that propagation has to find the ends by itself. "Former
chain": how masks were carried on before they were moved by registration (`tools/former_chain.py`), given the same range
of slices; its ends were that range. "Every slice": a box on every slice of the object, which is about what propagation
could reach at best. "Thorough": slices of the two other axes vote, too; on the objects of volumes of at most {side}
voxels across.

These numbers belong to the small demonstration model, which answers a box a few points better than the
ellipse inside it (its card).
"""
GAINS = """Gain, paired by object, with its 95 % bootstrap interval over objects, and how many objects lose more than
0.01:
"""
# Two more axes are encoded for each object: of large volumes that would take hours.
THOROUGH_SIDE = 122
FIFTHS, THIRDS, QUARTERS = (0.2, 0.8), (0.3, 0.7), (0.25, 0.5, 0.75)
KNOWN, WHOLE = "known ends", "whole stack"
FORMERLY = ", former chain"
SMALL, THOROUGH = "small volumes, known ends", "small volumes, thorough"
Scores = dict[str, dict[str, list[float]]]
Carry = Callable[[VolumeSession, int, int], Any]


def measure_propagation(model: Any, targets: Sequence[Target]) -> Scores:
    """Dice values by range and chain, then by prompted slices."""
    scores: Scores = {}
    cache = EmbeddingCache()

    def put(group: str, name: str, value: float) -> None:
        scores.setdefault(group, {}).setdefault(name, []).append(value)

    for target in targets:
        every = object_session(model, cache, target, target.extent)
        put(KNOWN, "every slice", dice(every.labels_kji, target.mask))
        prompts = {f"{count} prompted": prompted(target, count) for count in (1, 2, 3)}
        ends, stack = (int(target.extent[0]), int(target.extent[-1])), (0, len(target.mask) - 1)
        for name, slices in {**prompts, "2 at the thirds": at_shares(target, THIRDS)}.items():
            score = partial(carried, model, cache, target, slices)
            put(KNOWN + FORMERLY, name, score(formerly, ends))
            put(KNOWN, name, score(to_known_ends, ends))
            put(WHOLE + FORMERLY, name, score(formerly, stack))
            put(WHOLE, name, score(onwards, stack))
        offered = with_offered_slice(model, cache, target, prompts["1 prompted"])
        put(KNOWN, "2, the second as offered", carried(model, cache, target, offered, to_known_ends, ends))
        if max(target.mask.shape[1:]) <= THOROUGH_SIDE:
            for name in ("1 prompted", "3 prompted"):
                put(SMALL, name, carried(model, cache, target, prompts[name], to_known_ends, ends))
                put(THOROUGH, name, carried(model, cache, target, prompts[name], thoroughly, ends))
    return scores


def carried(
    model: Any, cache: EmbeddingCache, target: Target, slices: Iterable[int], carry: Carry, ends: tuple[int, int]
) -> float:
    """Dice of the object carried from tight boxes on `slices` to those between `ends`, both included."""
    session = object_session(model, cache, target, slices)
    if session.labels_kji.any():
        carry(session, *ends)
    return dice(session.labels_kji, target.mask)


def with_offered_slice(model: Any, cache: EmbeddingCache, target: Target, slices: list[int]) -> list[int]:
    """Prompted slices and the one that is offered after them."""
    session = object_session(model, cache, target, slices)
    if not session.labels_kji.any():
        return slices
    session.extents.put(1, Extent("K", int(target.extent[0]), int(target.extent[-1])))
    offered = propagate(session, 1, "K", int(target.extent[0]), int(target.extent[-1])).next_prompt
    # Labels may have a gap, where there is nothing to put a box around.
    return sorted({*slices, offered}) if offered is not None and target.mask[offered].any() else slices


def formerly(session: VolumeSession, first: int, last: int) -> None:
    """The former chain."""
    propagate_formerly(session, 1, "K", first, last)


def onwards(session: VolumeSession, first: int, last: int) -> None:
    """With ends that are not known."""
    propagate(session, 1, "K", first, last)


def to_known_ends(session: VolumeSession, first: int, last: int, config: PropagationConfig | None = None) -> None:
    """With known ends."""
    session.extents.put(1, Extent("K", first, last))
    propagate(session, 1, "K", first, last, config)


thoroughly = partial(to_known_ends, config=PropagationConfig(thorough=True))


def object_session(model: Any, cache: EmbeddingCache, target: Target, slices: Iterable[int]) -> VolumeSession:
    """Session with one segment and a tight box on each of `slices`."""
    session = VolumeSession(target.volume, model, cache=cache)
    session.add_segment(1, "object")
    for k in slices:
        session.add_prompt(1, target.box(int(k)))
    return session


def prompted(target: Target, count: int) -> list[int]:
    """Slices that a person would prompt: the largest, or `count` ones spread over the object."""
    if count == 1:
        return [int(target.mask.sum(axis=(1, 2)).argmax())]
    return at_shares(target, FIFTHS if count == 2 else QUARTERS)


def at_shares(target: Target, shares: Sequence[float]) -> list[int]:
    """Slices at these shares of the object's length."""
    return sorted({int(np.quantile(target.extent, share, method="nearest")) for share in shares})


def propagation_page(results: dict[str, Scores]) -> list[str]:
    """The parts of the page but for the command that made it."""
    return [TEXT.format(side=THOROUGH_SIDE), table(results), GAINS, gains(results)]


def gains(results: dict[str, Scores]) -> str:
    """Markdown: one row per comparison and condition, one column per model."""
    pairs = {
        f"{KNOWN}, over the former chain": (KNOWN, KNOWN + FORMERLY),
        f"{WHOLE}, over the former chain": (WHOLE, WHOLE + FORMERLY),
        "thorough, over not": (THOROUGH, SMALL),
    }
    first = next(iter(results.values()))
    lines = [f"| | | {' | '.join(results)} |", "|---" * (2 + len(results)) + "|"]
    for name, (group, other) in pairs.items():
        for condition in first[other]:
            cells = [gain(scores[group][condition], scores[other][condition]) for scores in results.values()]
            lines.append(f"| {name} | {condition} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def gain(values: list[float], others: list[float]) -> str:
    """Mean difference with its interval, and the share of objects that lose more than 0.01."""
    change = np.array(values) - np.array(others)
    interval = mean_interval(change)
    worse = np.mean(change < -0.01)
    return f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}], {worse:.0%} lose"
