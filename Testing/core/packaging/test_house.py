"""The house rules that a program can see: sizes, docstrings, paths, and links that lead somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ROOMS = (
    "dfqsam_core",
    "dfqsam_scene",
    "dfqsam_viewer",
    "DFQSAMSlicer",
    "tools",
    "research/training",
    "research/studies",
)
PRODUCT = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
MAX_FILE, MAX_FUNCTION = 300, 45


def relative(path: Path) -> str:
    """Name of a test case."""
    return path.relative_to(ROOT).as_posix()


def lines_of_code(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without those of its docstring."""
    first = node.body[0]
    is_docstring = ast.get_docstring(node) is not None
    return (node.end_lineno or 0) - node.lineno + 1 - is_docstring * ((first.end_lineno or 0) - first.lineno + 1)


@pytest.mark.parametrize("path", PRODUCT, ids=relative)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    functions = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    long = [node.name for node in functions if lines_of_code(node) > MAX_FUNCTION]
    assert len(text.splitlines()) <= MAX_FILE
    assert not long


@pytest.mark.parametrize("path", [path for path in PRODUCT if path.parts[-2] != "__pycache__"], ids=relative)
def test_public_functions_and_classes_say_what_they_do(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    public = [
        node for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    ]
    assert not [node.name for node in public if ast.get_docstring(node) is None]


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "Resources").rglob("*.md")]:
        links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8"))
        assert not [link for link in links if not (document.parent / link).exists()], document
