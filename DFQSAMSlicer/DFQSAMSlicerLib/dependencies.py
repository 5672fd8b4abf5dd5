"""What segmenting needs of Python packages: says what is missing, and installs it only when a person agreed."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REQUIREMENTS = Path(__file__).resolve().parents[1] / "Resources" / "requirements.txt"
_REQUESTER = "DFQSAMSlicer"
# Unpacked on Linux with what they bring along: tools/package_sizes.py.
UNPACKED_MB = 104
_TO_SEGMENT = (
    "To segment, these packages are needed in Slicer's Python:",
    f"With what they bring along (protobuf, flatbuffers, ml_dtypes) they take about {UNPACKED_MB} MB of disk.",
)


@dataclass(frozen=True)
class Requirement:
    """One line of requirements.txt. text: name and lower bound. why: its comment. found: installed version, if any."""

    text: str
    why: str
    found: str | None


def missing(requirements: Path = REQUIREMENTS) -> tuple[Requirement, ...]:
    """The packages of `requirements` that are not installed, or only in a version that is too old; nothing changes."""
    from packaging.requirements import Requirement as Parsed

    found = []
    for line in requirements.read_text(encoding="utf-8").splitlines():
        text, _, why = line.partition("#")
        if not text.strip():
            continue
        parsed = Parsed(text.strip())
        version = _installed(parsed.name)
        if version is None or not parsed.specifier.contains(version, prereleases=True):
            found.append(Requirement(text.strip(), why.strip(), version))
    return tuple(found)


def explain(packages: tuple[Requirement, ...], words: tuple[str, str] = _TO_SEGMENT) -> str:
    """Return what would be installed, why, and how large it is, for a person to decide.

    packages: not empty. words: sentences before and after the list.
    """
    lines = [f"- {package.text}: {package.why}{_version_note(package)}" for package in packages]
    return "\n".join(
        [
            words[0],
            *lines,
            words[1],
            "Nothing that is installed already is changed: not Slicer's own packages, nor those of other extensions.",
        ]
    )


def ensure(confirm: Callable[[str], bool], requirements: Path = REQUIREMENTS) -> bool:
    """Install what is missing after `confirm` said yes to the explanation; returns whether all is there now.

    Call it from a button, in the main thread. Raises what the installer raises; installed packages stay as they are.
    """
    packages = missing(requirements)
    if not packages:
        return True
    if not confirm(explain(packages)):
        return False
    install(packages)
    return not missing(requirements)


def install(packages: tuple[Requirement, ...]) -> None:
    """Install `packages` now, with everything else held where it is. Raises what the installer raises."""
    with held_packages(packages) as constraints:
        _install([package.text for package in packages], constraints)
    importlib.invalidate_caches()


@contextlib.contextmanager
def held_packages(packages: tuple[Requirement, ...]) -> Iterator[Path]:
    """Yield a file of constraints that holds everything installed but `packages`."""
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "installed.txt"
        constraints.write_text("\n".join(installed_constraints(packages)) + "\n", encoding="utf-8")
        yield constraints


def installed_constraints(packages: tuple[Requirement, ...]) -> list[str]:
    """`name==version` of everything that is installed, except those of `packages` that are too old and must change."""
    from packaging.requirements import Requirement as Parsed
    from packaging.utils import canonicalize_name

    free = {canonicalize_name(Parsed(package.text).name) for package in packages}
    pairs = {
        canonicalize_name(distribution.metadata["Name"]): distribution.version
        for distribution in importlib.metadata.distributions()
        if distribution.metadata["Name"] and "+" not in distribution.version
    }
    return sorted(f"{name}=={version}" for name, version in pairs.items() if name not in free)


def _install(texts: list[str], constraints: Path) -> None:
    packaging = _slicer_packaging()
    if packaging is None:
        # Slicer 5.10 has no slicer.packaging; the question was asked already.
        import slicer.util

        slicer.util.pip_install([*texts, "--constraint", str(constraints)])
        return
    from packaging.requirements import Requirement as Parsed

    packaging.pip_ensure(
        [Parsed(text) for text in texts], constraints=constraints, prompt_install=False, requester=_REQUESTER
    )


def _slicer_packaging() -> Any:
    try:
        return importlib.import_module("slicer.packaging")
    except ImportError:
        return None


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _version_note(package: Requirement) -> str:
    return f" (version {package.found} is installed, which is too old)" if package.found else ""
