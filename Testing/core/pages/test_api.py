"""The API pages show what is there, in numpydoc's sections."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pytest

pytest.importorskip("torch")

from Testing.support.pages import ROOT

NAMES = [
    name
    for page in sorted((ROOT / "docs/api").glob("*.md"))
    for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
]
# What the contract names must be among them.
CONTRACT = (
    "load_model SamPredictor QuantConfig quantize VolumeGeometry WindowLevel PointPrompt BoxPrompt VolumeSession "
    "propagate dice compare_models"
)


def named(path: str) -> Any:
    """The object of a dotted name."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name, None) or importlib.import_module(path)


def docstrings(path: str) -> dict[str, str]:
    """The docstring of an object and of its public members, by name."""
    owner = named(path)
    members = vars(owner) if inspect.isclass(owner) else {}
    found = {path: inspect.getdoc(owner) or ""}
    for name, member in members.items():
        function = getattr(member, "fget", None) or getattr(member, "func", None) or getattr(member, "__func__", member)
        if not name.startswith("_") and (callable(function) or isinstance(member, property)):
            found[f"{path}.{name}"] = inspect.getdoc(function) or ""
    return found


def test_the_names_of_the_contract_are_on_the_pages() -> None:
    assert set(CONTRACT.split()) <= {name.rpartition(".")[2] for name in NAMES}


@pytest.mark.parametrize("path", NAMES)
def test_a_docstring_begins_with_what_the_object_does_or_is(path: str) -> None:
    bad = {name: text for name, text in docstrings(path).items() if not text or re.match("(What|Whether)\\b", text)}
    assert bad == {}


@pytest.mark.parametrize("path", NAMES)
def test_sections_name_parameters_that_are_there(path: str) -> None:
    owner = named(path)
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\w+\n-+$|\Z)", inspect.getdoc(owner) or "", re.MULTILINE | re.DOTALL
    )
    if section is None:
        assert inspect.ismodule(owner)
        return
    told = {name.strip() for line in re.findall(r"^(\S.*)$", section[1], re.MULTILINE) for name in line.split(",")}
    assert told == set(inspect.signature(owner).parameters)
