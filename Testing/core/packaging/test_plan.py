"""The plan of the house names what is there: every file, function, class and room of CONTRIBUTING."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# Such as `dfqsam_core/volume/segment.py: segment_volume`.
PLACES = re.findall(r"`([\w/]+\.py): ([\w.]+)`", TEXT)
FILES = re.findall(r"`((?:dfqsam_\w+|tools|research|Testing|docs|DFQSAMSlicer)/[\w/.]*\w)", TEXT)


def names_in(path: Path) -> set[str]:
    """Functions, classes, methods as Class.method, and assigned names of a file."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{method.name}" for method in node.body if isinstance(method, ast.FunctionDef)}
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


@pytest.mark.parametrize(("file", "name"), PLACES, ids=lambda value: value)
def test_a_function_on_the_ways_through_the_house_is_there(file: str, name: str) -> None:
    assert name in names_in(ROOT / file)


def test_the_three_ways_have_their_steps() -> None:
    assert len(PLACES) > 25


@pytest.mark.parametrize("file", sorted(set(FILES)))
def test_a_file_that_is_named_is_there(file: str) -> None:
    assert (ROOT / file).exists()


def test_the_tree_shows_every_room_of_the_core() -> None:
    tree = TEXT.split("```")[1]
    rooms = {path.parent for path in (ROOT / "dfqsam_core").rglob("__init__.py")} - {ROOT / "dfqsam_core"}
    assert [room.name for room in sorted(rooms) if f"{room.name}/" not in tree] == []
