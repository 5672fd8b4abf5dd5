"""The conventions that a person can say a float checkpoint was trained with, in words."""

from __future__ import annotations

from slicer.i18n import tr as _

from dfqsam_core.network.conventions import CONVENTIONS


def convention_choices() -> dict[str, str]:
    """Words by name, first "" for what the checkpoint's own tensors tell."""
    return {"": _("Trained as the file says")} | {
        name: _("Trained as {title}").format(title=conventions.title) for name, conventions in CONVENTIONS.items()
    }
