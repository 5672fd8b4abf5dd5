"""The plan of the house names what is there: every file, function, class and room of CONTRIBUTING."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from dfqsam_viewer.keys import key_list

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# Such as `dfqsam_core/volume/segment.py: segment_volume`.
PLACES = re.findall(r"`([\w/]+\.py): ([\w.]+)`", TEXT)
PAGES = [
    *map(ROOT.joinpath, ("README.md", "CONTRIBUTING.md", "DFQSAMSlicer/README.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
]
# The repository's folders, with which a place in it begins on every page.
FOLDERS = [path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]


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
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


@pytest.mark.parametrize(("file", "name"), PLACES, ids=lambda value: value)
def test_a_function_on_the_ways_through_the_house_is_there(file: str, name: str) -> None:
    assert name in names_in(ROOT / file)


def test_the_three_ways_have_their_steps() -> None:
    assert len(PLACES) > 25


def places_on(page: Path) -> set[str]:
    """What a page names in backticks as a file or a folder of this repository, and every Python file."""
    words = re.findall(r"[^\s:,()*]+", " ".join(re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))))
    return {word for word in words if re.fullmatch(rf"({'|'.join(FOLDERS)})/.+|[\w/]+\.py", word)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    missing = [place for place in places_on(page) if not ((ROOT / place).exists() or (page.parent / place).exists())]
    assert missing == []


def test_the_pages_of_the_house_name_many_places() -> None:
    assert {page.name for page in PAGES if len(places_on(page)) > 10} >= {"CONTRIBUTING.md", "method.md", "slicer.md"}


def test_the_page_on_the_viewer_tells_every_key() -> None:
    page = (ROOT / "docs/use/viewer.md").read_text(encoding="utf-8")
    text = page.replace("↑", "ArrowUp").replace("↓", "ArrowDown")
    cells = [cell.strip() for line in text.splitlines() if line.startswith("|") for cell in line.split("|")[1:-1:2]]
    told = {key for cell in cells for key in cell.split(", ")} | set(re.findall(r"`(.)`", text))
    assert {entry["key"] for entry in key_list()} - told == set()


def test_the_tree_shows_every_room_of_the_core() -> None:
    tree = TEXT.split("```")[1]
    rooms = {path.parent for path in (ROOT / "dfqsam_core").rglob("__init__.py")} - {ROOT / "dfqsam_core"}
    assert [room.name for room in sorted(rooms) if f"{room.name}/" not in tree] == []
