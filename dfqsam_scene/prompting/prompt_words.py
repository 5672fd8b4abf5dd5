"""Prompts in a few words, for lists."""

from __future__ import annotations

from slicer.i18n import tr as _

from dfqsam_core.volume import BoxPrompt
from dfqsam_core.volume.prompts import Prompt


def describe(prompt: Prompt) -> str:
    """A prompt in a few words, with its voxels (I, J, K)."""
    if isinstance(prompt, BoxPrompt):
        return _("Box {low} – {high}").format(low=prompt.low_ijk, high=prompt.high_ijk)
    return (_("Point + {ijk}") if prompt.positive else _("Point − {ijk}")).format(ijk=prompt.ijk)
