"""The pages that people read, and the blocks on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "DFQSAMSlicer/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "Resources").rglob("*.md")),
]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its page (relative to the repository), language and text."""

    page: str
    language: str
    text: str

    def lines(self) -> list[str]:
        """Commands of the block, continued ones joined, without comments."""
        joined = self.text.replace("\\\n", " ")
        return [line for raw in joined.splitlines() if (line := re.sub(r"\s+#.*| +$", "", raw).strip())]


def name_of(page: Path) -> str:
    """A page's name relative to the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks() -> Iterator[Block]:
    """All blocks of all pages."""
    for page in PAGES:
        for language, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
            yield Block(name_of(page), language, text)


def prose_of(page: Path) -> str:
    """A page without blocks and code in backticks, line by line."""
    text = _BLOCK.sub(lambda match: "\n" * match[0].count("\n"), page.read_text(encoding="utf-8"))
    return re.sub(r"`[^`\n]*`", "`code`", text)
