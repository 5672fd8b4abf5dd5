"""Finds the files that come with the package, whether it is installed, editable, inside Slicer, or a source tree."""

from __future__ import annotations

from pathlib import Path

from .errors import DFQSAMError

# The packed model is what people segment with at first; the float checkpoint is what it was made from.
DEMO_MODEL = "Models/sam-med2d_demo-w4a4.safetensors"
DEMO_CHECKPOINT = "Models/sam-med2d_demo.safetensors"
DEMO_VOLUME = "SampleData/ct_abdomen.nii.gz"
DEMO_LABELS = "SampleData/ct_abdomen_labels.nii.gz"
DEMO_PROMPTS = "SampleData/prompts.json"

_PACKAGE = Path(__file__).resolve().parent
# Installed packages carry the files inside; a source tree (and an editable install) keeps them beside the package.
_ROOTS = (_PACKAGE / "_resources", _PACKAGE.parent / "Resources")


def resource_path(relative: str) -> Path:
    """Return the absolute path of an embedded file, named as in the source tree's Resources folder.

    relative: for instance "SampleData/prompts.json".
    Raises DFQSAMError when this copy of the package does not carry the file.
    """
    for root in _ROOTS:
        path = root / relative
        if path.is_file():
            return path
    raise DFQSAMError(
        f"The embedded file {relative} is missing (looked in {' and '.join(str(root) for root in _ROOTS)}). "
        "This copy of the package is incomplete: install it again."
    )
