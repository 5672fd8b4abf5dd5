"""Words: none that send people to a stranger, none that only we know, and the same for the same thing."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from dfqsam_core import __version__
from dfqsam_core.cli.main import EXAMPLES
from Testing.support.pages import PAGES, ROOT, name_of, prose_of
from tools import check_prose, site_pages

# Where the list "Before publishing" says that an address is a placeholder, and tests of what such a list says.
PLACEHOLDERS = {
    "CMakeLists.txt",
    "DFQSAMSlicer.json",
    "DFQSAMSlicer/DFQSAMSlicer.py",
    "DFQSAMSlicer/README.md",
}
FOR_USERS = [
    page for page in PAGES if name_of(page) in ("README.md", "DFQSAMSlicer/README.md") or "docs/use" in name_of(page)
]
GLOSSARY = (ROOT / "docs/use/glossary.md").read_text(encoding="utf-8")
# What a page for users may say without more, as the glossary explains it.
EXPLAINED = (
    "Packed",
    "Simulated",
    "Recipe",
    "Prompt",
    "Propagation",
    "Outlier twin",
    "Laboratory model",
    "Demonstration model",
    "Embedding",
    "Candidate",
    "Card",
    "Extra",
    "Extent",
    "Drop",
    "W4A4",
    "Window",
    "Correction",
    "Synthetic image",
)
SOURCES = sorted(
    path
    for room in ("dfqsam_core", "dfqsam_scene", "dfqsam_viewer", "DFQSAMSlicer")
    for path in (ROOT / room).rglob("*.py")
)


def class_names() -> set[str]:
    """Classes of the rooms that are no part of the public API: words of the house."""
    names = set()
    for path in SOURCES:
        if "dfqsam_scene" in path.parts or "dfqsam_viewer" in path.parts:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names |= {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    return {name for name in names if re.fullmatch(r"_?(?:[A-Z][a-z]+){2,}", name)}


def test_placeholder_addresses_stand_only_where_the_list_before_publishing_says() -> None:
    places = [
        ROOT / "CMakeLists.txt",
        ROOT / "DFQSAMSlicer.json",
        ROOT / "pyproject.toml",
        ROOT / "CITATION.cff",
        ROOT / "mkdocs.yml",
    ]
    places += [*PAGES, *SOURCES, *(ROOT / ".github").rglob("*.*"), *ROOT.glob("dfqsam_viewer/static/*.html")]
    found = {name_of(path) for path in places if re.search(r"example\.(org|com)", path.read_text(encoding="utf-8"))}
    assert found == PLACEHOLDERS
    listed = (ROOT / "DFQSAMSlicer/README.md").read_text(encoding="utf-8").split("## Before publishing")[1]
    assert [name for name in PLACEHOLDERS - {"DFQSAMSlicer/README.md"} if Path(name).name not in listed] == []


@pytest.mark.parametrize("word", EXPLAINED)
def test_the_glossary_explains_a_word(word: str) -> None:
    assert re.search(rf"^(?:.*, )?{word}(?:, .*)?\n:   \S", GLOSSARY, re.MULTILINE)


@pytest.mark.parametrize("page", FOR_USERS, ids=name_of)
def test_a_page_for_users_says_no_word_of_the_house(page: Path) -> None:
    words = set(re.findall(r"\b\w+\b", prose_of(page)))
    assert words & class_names() == set()


@pytest.mark.parametrize("verb", EXAMPLES)
def test_the_help_of_a_verb_says_no_word_of_the_house(verb: str) -> None:
    words = set(re.findall(r"\b\w+\b", site_pages.help_of(verb)))
    assert words & class_names() == set()


def test_the_first_page_leads_to_the_glossary_and_says_packed_before_4_bit() -> None:
    readme = prose_of(ROOT / "README.md")
    assert "docs/use/glossary.md" in readme
    paragraphs = [" ".join(part.split()) for part in readme.split("\n\n")]
    assert [part for part in paragraphs if "4-bit" in part and not re.search("[Pp]acked|activations", part)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_keeps_the_rules_of_words(page: Path) -> None:
    assert list(check_prose.faults(page)) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "It it works.",
        "This allows to click.",
        "Simply click here.",
        "A gray slice, e.g. of CT.",
        "In order to see it\nbetter.",
    ],
)
def test_a_fault_is_found_with_its_place(tmp_path: Path, sentence: str) -> None:
    (tmp_path / "page.md").write_text(f"# Page\n\n`allows to` is code.\n\n```sh\nsimply\n```\n\n{sentence}\n")
    assert all(f"{tmp_path / 'page.md'}:9: " in fault for fault in check_prose.faults(tmp_path / "page.md"))
    assert check_prose.main([str(tmp_path / "page.md")]) == 1


@pytest.mark.parametrize("room", check_prose.ROOMS)
def test_public_docstrings_begin_with_what_the_object_does_or_is(room: str) -> None:
    found = [fault for path in sorted((ROOT / room).rglob("*.py")) for fault in check_prose.docstring_faults(path)]
    assert found == []


def test_a_docstring_that_begins_with_whether_is_found(tmp_path: Path) -> None:
    methods = ('is_b(self):\n        """Whether it is B."""', '_c(self):\n        """What."""')
    code = 'class A:\n    """An A."""\n' + "".join(f"\n    def {method}\n" for method in methods)
    (tmp_path / "a.py").write_text(code)
    assert [fault.split(": ")[0] for fault in check_prose.docstring_faults(tmp_path / "a.py")] == [
        f"{tmp_path / 'a.py'}:4"
    ]
    assert check_prose.main([str(tmp_path / "a.py")]) == 1


SWITCHES = ["Refine mask", "Protect others", "Prepare neighbours", "Thorough", "Apply immediately"]


@pytest.mark.parametrize("word", SWITCHES)
def test_a_switch_has_one_name_in_panel_effect_page_and_glossary(word: str) -> None:
    panel, page, effect, viewer = (
        (ROOT / name).read_text(encoding="utf-8")
        for name in (
            "DFQSAMSlicer/Resources/UI/DFQSAMSlicer.ui",
            "dfqsam_viewer/static/page.html",
            "DFQSAMSlicer/SegmentEditorDFQSAMLib/SegmentEditorEffect.py",
            "docs/use/viewer.md",
        )
    )
    assert re.search(rf"<string>{word}( propagation)?</string>", panel)
    assert re.search(rf"(/>|>) ?{word}</label>", page)
    assert word == "Thorough" or f'"{word}"' in effect
    assert f"**{word}**" in viewer
    assert f"\n{word}" in GLOSSARY


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_messages_are_spelt_as_the_pages_are(path: Path) -> None:
    if path.name == "card.py":
        return  # Its words are in the bytes of the models that were made.
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert [text for text in texts if re.search(r"\bgray (value|level)|\bis no (plain|file|scene)\b", text)] == []


def test_the_version_is_one_everywhere() -> None:
    changelog, citation = ((ROOT / name).read_text(encoding="utf-8") for name in ("CHANGELOG.md", "CITATION.cff"))
    newest = re.search(r"^## (\d\S+) - (\S+)$", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == __version__
    assert f"version: {newest[1]}\ndate-released: {newest[2]}\n" in citation


def test_the_citation_is_valid() -> None:
    cffconvert = pytest.importorskip("cffconvert")
    cffconvert.Citation((ROOT / "CITATION.cff").read_text(encoding="utf-8")).validate()
