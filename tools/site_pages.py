"""MkDocs hook: one set of Markdown serves the repository and the site.

Pages that lie outside docs/ (the README, the cards of the models) become pages of the site, links between all of them
lead where they should, and `<!-- help: VERB -->` becomes what `dfqsam VERB --help` prints.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

# Files of the repository as files of the site.
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "how/house.md",
    "SECURITY.md": "how/security.md",
    "DFQSAMSlicer/README.md": "use/slicer.md",
    "Resources/Models/README.md": "models/index.md",
    "Resources/Models/sam-med2d_demo.md": "models/demonstration.md",
    "Resources/SampleData/README.md": "models/sample.md",
    "Resources/Screenshots/demo.png": "pictures/demo.png",
}
_INSIDE = {site: repository for repository, site in OUTSIDE.items()}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
_HELP = re.compile(r"<!-- help: (\w+) -->")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages and pictures that lie outside docs/."""
    from mkdocs.structure.files import File

    for repository, site in OUTSIDE.items():
        files.append(File.generated(config, site, abs_src_path=str(ROOT / repository)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn links of the repository into links of the site, and marks into the help of their verbs."""
    return with_help(with_links(markdown, page.file.src_uri))


def with_links(markdown: str, page: str) -> str:
    """The page `page` of the site with its links as they are there; what the site does not have is named in words."""
    source = _INSIDE.get(page, f"docs/{page}")

    def link(match: re.Match[str]) -> str:
        picture, text, path, anchor = match.groups()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        site = OUTSIDE.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if site is None:
            return text if text.strip("`") == target else f"{text} (`{target}`)"
        return f"{picture}[{text}]({posixpath.relpath(site, posixpath.dirname(page) or '.')}{anchor or ''})"

    return _LINK.sub(link, markdown)


def with_help(markdown: str) -> str:
    """Each mark replaced by what its verb prints."""
    return _HELP.sub(lambda match: f"```text\n{help_of(match[1])}```", markdown)


def help_of(verb: str) -> str:
    """Return what `dfqsam VERB --help` prints on a terminal of 100 columns."""
    import os

    from dfqsam_core.cli.main import build_parser

    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        actions = build_parser()._subparsers._group_actions  # argparse has no public way to a verb's parser
        return str(actions[0].choices[verb].format_help())
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
