"""Prompts in a few words, for lists; and the ends of a segment in a sentence."""

from __future__ import annotations

from slicer.i18n import tr as _

from dfqsam_core.volume import BoxPrompt, Extent, LassoPrompt, ScribblePrompt
from dfqsam_core.volume.prompts import Prompt


def describe(prompt: Prompt) -> str:
    """A prompt in a few words, with its voxels (I, J, K): of a stroke the first one."""
    if isinstance(prompt, BoxPrompt):
        return _("Box {low} – {high}").format(low=prompt.low_ijk, high=prompt.high_ijk)
    kind = _("Scribble") if isinstance(prompt, ScribblePrompt) else _("Point")
    kind = _("Lasso") if isinstance(prompt, LassoPrompt) else kind
    sign = "+" if prompt.positive else "−"
    return _("{kind} {sign} {ijk}").format(kind=kind, sign=sign, ijk=prompt.voxels_ijk[0])


def extent_sentence(extent: Extent) -> str:
    """Where a segment starts and ends, in a sentence; slices are counted from 0, as prompts are."""
    first, last, axis = extent.first, extent.last, extent.axis
    if first is not None and last is not None:
        return _("It goes from slice {axis} {first} to {last}; propagate to fill them.").format(
            axis=axis, first=first, last=last
        )
    if first is not None:
        return _("It starts on slice {axis} {index}; mark its other end, too.").format(axis=axis, index=first)
    if last is not None:
        return _("It ends on slice {axis} {index}; mark its other end, too.").format(axis=axis, index=last)
    return _("No end is marked along {axis}.").format(axis=axis)
