"""What quantizing needs beside segmenting: torch comes through Slicer's extension PyTorch, never by pip from here."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dfqsam_core.errors import DFQSAMError

from . import dependencies
from .dependencies import Requirement

REQUIREMENTS = dependencies.REQUIREMENTS.with_name("requirements-quantize.txt")
# torch's build for CPUs with what it brings along: tools/package_sizes.py.
UNPACKED_MB = 741
_WORDS = (
    "To quantize (not to segment), these packages are needed in Slicer's Python:",
    f"Together they take about {UNPACKED_MB} MB of disk, several GB where torch is installed for an NVIDIA GPU, and "
    "some minutes to download. torch is installed by Slicer's extension PyTorch.",
)


def missing() -> tuple[Requirement, ...]:
    """Return what is not there, or too old; nothing is imported."""
    return dependencies.missing(REQUIREMENTS)


def ensure(confirm: Callable[[str], bool]) -> bool:
    """Install what is missing after `confirm` said yes; returns whether all is there now.

    Call it from a button, in the main thread. Raises DFQSAMError where the extension PyTorch is missing, and what the
    installers raise.
    """
    packages = missing()
    torch = tuple(package for package in packages if package.text.startswith("torch"))
    utilities = _pytorch_utilities() if torch else None
    if torch and utilities is None:
        raise DFQSAMError(
            "Quantizing needs torch, which Slicer gets through its extension PyTorch. Install that in the Extensions "
            "Manager, restart Slicer, and try again. Or quantize in a terminal and add the model to the list here."
        )
    if packages and not confirm(dependencies.explain(packages, _WORDS)):
        return False
    if utilities is not None:
        with _pip_constraint(torch):
            bound = torch[0].text.removeprefix("torch")
            utilities.PyTorchUtilsLogic().installTorch(askConfirmation=False, torchVersionRequirement=bound)
    if others := tuple(package for package in packages if package not in torch):
        dependencies.install(others)
    return not missing()


def _pytorch_utilities() -> Any:
    try:
        return importlib.import_module("PyTorchUtils")
    except ImportError:
        return None


@contextlib.contextmanager
def _pip_constraint(packages: tuple[Requirement, ...]) -> Iterator[Path]:
    """Let pip, wherever it is called meanwhile, hold what is installed: the utilities take no constraints."""
    before = os.environ.get("PIP_CONSTRAINT")
    with dependencies.held_packages(packages) as constraints:
        os.environ["PIP_CONSTRAINT"] = str(constraints)
        try:
            yield constraints
        finally:
            if before is None:
                del os.environ["PIP_CONSTRAINT"]
            else:
                os.environ["PIP_CONSTRAINT"] = before
