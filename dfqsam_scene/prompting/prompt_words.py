"""Prompts in a few words, for lists."""

from __future__ import annotations

from slicer.i18n import tr as _

from dfqsam_core.volume import BoxPrompt, LassoPrompt, ScribblePrompt
from dfqsam_core.volume.prompts import Prompt


def describe(prompt: Prompt) -> str:
    """A prompt in a few words, with its voxels (I, J, K): of a stroke the first one."""
    if isinstance(prompt, BoxPrompt):
        return _("Box {low} – {high}").format(low=prompt.low_ijk, high=prompt.high_ijk)
    kind = _("Scribble") if isinstance(prompt, ScribblePrompt) else _("Point")
    kind = _("Lasso") if isinstance(prompt, LassoPrompt) else kind
    sign = "+" if prompt.positive else "−"
    return _("{kind} {sign} {ijk}").format(kind=kind, sign=sign, ijk=prompt.voxels_ijk[0])
