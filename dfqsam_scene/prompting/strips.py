"""What is known of the slices of a segment, axis by axis: prompted, carried there and how far that is to be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from slicer.i18n import tr as _

from dfqsam_core.volume.geometry import AXES
from dfqsam_core.volume.session.slice_state import SliceState
from dfqsam_core.volume.session.trust import Trust

from .controller import Controller


@dataclass(frozen=True)
class StripSlice:
    """One slice that has something of the segment. index: from 0. is_prompted: whether it has prompts of its own.

    share: how far a propagated mask is to be trusted, 0..1, None where that is not known. is_weak: whether a person
    should look at it. words: both in words.
    """

    index: int
    is_prompted: bool
    share: float | None
    is_weak: bool
    words: str


@dataclass(frozen=True)
class Strip:
    """The slices of one axis. last: the volume's last slice. first_end, last_end: where the segment starts and ends, as
    somebody said, None where nobody did. All from 0. slices: those that have something, ascending.
    """

    axis: str
    last: int
    first_end: int | None
    last_end: int | None
    slices: tuple[StripSlice, ...]

    def at(self, index: int) -> StripSlice | None:
        """Return what there is on a slice, None for nothing."""
        return next((one for one in self.slices if one.index == index), None)

    def next_weak(self, index: int, direction: int) -> int | None:
        """The next weak slice from `index` upwards (1) or downwards (-1), None where there is none."""
        weak = [one.index for one in self.slices if one.is_weak and (one.index - index) * direction > 0]
        return min(weak, key=lambda other: abs(other - index), default=None)


def read_strips(controller: Controller | None, segment_id: str) -> tuple[Strip, ...]:
    """Of the axes along which a segment was propagated, or has a marked end."""
    label = None if controller is None else controller.writer.known_label(segment_id)
    if controller is None or label is None:
        return ()
    session, found = controller.session, []
    states = [(key, session.state(label, key)) for key in session.slices_of(label)]
    for axis in AXES:
        slices = tuple(_slice(key.index, state) for key, state in states if key.axis == axis)
        extent = session.extents.of(label, axis)
        if extent.is_known or not all(one.is_prompted for one in slices):
            last = session.volume.geometry.size_along(axis) - 1
            found.append(Strip(axis, last, extent.first, extent.last, slices))
    return tuple(found)


def _slice(index: int, state: SliceState) -> StripSlice:
    if state.prompts:
        return StripSlice(index, True, None, False, _("prompted"))
    trust = None if state.prediction is None else state.prediction.trust
    if trust is None:
        return StripSlice(index, False, None, False, _("propagated"))
    return StripSlice(index, False, min(max(trust.share, 0.0), 1.0), trust.is_weak, _words(trust))


def _words(trust: Trust) -> str:
    parts = [_("neighbours {share}").format(share=f"{trust.neighbours:.2f}")]
    if trust.is_shape_alone:
        parts.insert(0, _("the model disagreed, a shape stands in"))
    elif trust.predicted_iou is not None:
        parts.insert(0, _("model {share}").format(share=f"{trust.predicted_iou:.2f}"))
    if trust.planes is not None:
        parts.append(_("other planes {share}").format(share=f"{trust.planes:.2f}"))
    return (_("weak, look at it: ") if trust.is_weak else _("propagated: ")) + ", ".join(parts)
