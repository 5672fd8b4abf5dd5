"""How an extra of this package is added: from the file or folder it came from, never by a name on an index.

Nobody of this project owns the name there; whoever registers it would own those who type it.
"""

from __future__ import annotations

import json
import os
import shlex
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

_NAME = "dfqsam"
_PACKAGE = Path(__file__).resolve().parents[1]
# Nothing says where it came from: unpacked by hand, or found by --find-links.
_UNKNOWN = "FILE-OR-FOLDER-IT-CAME-FROM"


def install_command(extra: str) -> str:
    """Return what to type to add an extra, such as "pip install '.[openvino]'" in a checkout."""
    return shlex.join(["pip", "install", extra_of(extra)])


def extra_of(extra: str) -> str:
    """Return what pip installs for an extra: a folder or file with it, or an address."""
    return requirement(extra, _PACKAGE.parent, _direct_url(), _here())


def requirement(extra: str, package_parent: Path, direct_url: dict[str, Any] | None, here: Path | None) -> str:
    """As `extra_of`. direct_url: what pip noted (PEP 610), None for nothing. here: where the command will be typed."""
    if (package_parent / "pyproject.toml").is_file():
        return f"{'.' if package_parent == here else package_parent}[{extra}]"
    url = str((direct_url or {}).get("url", ""))
    if not url:
        return f"{_UNKNOWN}[{extra}]"
    if url.startswith("file:"):
        return f"{url2pathname(urlsplit(url).path)}[{extra}]"
    vcs = (direct_url or {}).get("vcs_info")
    address = url if not vcs else f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    return f"{_NAME}[{extra}] @ {address}"


def _here() -> Path | None:
    """The folder of the shell; None where this process was started in another one, for instance by the viewer."""
    here, shell = Path.cwd().resolve(), os.environ.get("PWD")
    return here if shell is None or Path(shell).resolve() == here else None


def _direct_url() -> dict[str, Any] | None:
    try:
        notes = [file for file in distribution(_NAME).files or () if file.name == "direct_url.json"]
        found = json.loads(notes[0].read_text(encoding="utf-8")) if notes else None
    except (PackageNotFoundError, OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
