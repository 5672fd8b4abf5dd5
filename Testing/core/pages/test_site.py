"""The site is built strictly and without a connection, and asks nobody for anything."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from Testing.support.needs import skip_or_fail
from Testing.support.pages import PAGES, ROOT
from tools import accuracy_overview, site_pages


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings") is None:
        skip_or_fail("The extra docs is not installed: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    # A proxy that nothing answers at: a build that asks for anything fails.
    environment = os.environ | {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 35
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(
            r"<(?:script|link|img|iframe|source|video|form)\b[^>]*(?:src|href|action)=\"((?:https?:)?//[^\"]+)", text
        )
        assert (page.name, loaded) == (page.name, [])
        # The theme's script would fetch what draws such diagrams.
        assert "mermaid" not in text
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_pages_from_outside_docs_and_the_help_of_the_verbs_are_there(site: Path) -> None:
    for page in site_pages.OUTSIDE.values():
        assert (site / page).with_suffix(".html" if page.endswith(".md") else ".png").is_file()
    command_line = (site / "use/command_line.html").read_text(encoding="utf-8")
    assert "<!-- help" not in command_line
    assert "usage: dfqsam segment" in command_line


def test_the_api_pages_show_sections(site: Path) -> None:
    text = (site / "api/runtime.html").read_text(encoding="utf-8")
    for word in ("Parameters:", "Returns:", "Raises:", "point_coords", "low_res_masks"):
        assert word in text


@pytest.mark.parametrize(
    ("page", "written", "shown"),
    [
        ("index.md", "[a](docs/use/viewer.md)", "[a](use/viewer.md)"),
        ("index.md", "![a](Resources/Screenshots/demo.png)", "![a](pictures/demo.png)"),
        ("use/volumes.md", "[a](../../README.md)", "[a](../index.md)"),
        ("how/slicer.md", "[a](../../DFQSAMSlicer/README.md#install)", "[a](../use/slicer.md#install)"),
        ("use/slicer.md", "![a](../docs/pictures/panel_work.png)", "![a](../pictures/panel_work.png)"),
        ("index.md", "([LICENSE.txt](LICENSE.txt))", "(LICENSE.txt)"),
        ("index.md", "[cite](CITATION.cff)", "cite (`CITATION.cff`)"),
        ("index.md", "[a](https://arxiv.org/abs/1) [b](#limits)", "[a](https://arxiv.org/abs/1) [b](#limits)"),
    ],
)
def test_links_lead_where_they_should_on_the_site(page: str, written: str, shown: str) -> None:
    assert site_pages.with_links(written, page) == shown


def test_anchors_that_a_page_outside_the_site_names_are_there() -> None:
    """In the repository's own view; the build looks at those of the site."""
    for page in PAGES:
        for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
            target = (page.parent / path).resolve() if path else page
            heads = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, f"{page}: {path}#{anchor}"


def test_the_accuracy_pages_say_what_their_tables_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [*accuracy_overview.PAGES, "accuracy.md"]
    before = {name: (accuracy_overview.FOLDER / name).read_text(encoding="utf-8") for name in names}
    for name, text in before.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(accuracy_overview, "FOLDER", tmp_path)
    monkeypatch.setattr(accuracy_overview, "OVERVIEW", tmp_path / "accuracy.md")
    accuracy_overview.main()
    assert {name: (tmp_path / name).read_text(encoding="utf-8") for name in names} == before, (
        "Run python tools/accuracy_overview.py"
    )


def test_a_number_of_the_overview_is_that_of_the_table() -> None:
    text = (accuracy_overview.FOLDER / "accuracy_demonstration.md").read_text(encoding="utf-8")
    ((case, objects, rows),) = accuracy_overview.cases(text)
    assert (case, objects) == ("(a) compact", "307")
    assert rows["W4A4 default"]["box drop"] in accuracy_overview.OVERVIEW.read_text(encoding="utf-8")
    assert float(rows["float"]["box Dice"]) > float(rows["float"]["1pt Dice"])
