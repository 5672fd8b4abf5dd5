"""Words and phrases that the pages do not use, each with what to write instead; part of `make lint`.

    python tools/check_prose.py [PAGE.md | CODE.py ...]      # default: all pages and the installed packages

On pages code in backticks and blocks are not looked at. Of code the docstrings of public names are: they begin with
what the object does or is. Exit code 1 where something was found.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("dfqsam_core", "dfqsam_scene", "dfqsam_viewer", "DFQSAMSlicer", "tools", "research")
_Named = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
RULES = {
    r"\b(\w+)\s+\1\b(?<!that that)(?<!had had)": "the same word twice",
    r"\ballows? to\b": "lets ..., or allows ...ing",
    r"\b(utili[sz]e[sd]?|leverag(e|es|ed|ing)|in order to|prior to|due to the fact that)\b": "use, to, before, because",
    r"\b(simply|obviously|of course|needless to say|clearly|basically)\b": "nothing: if it were, nobody would read it",
    r"\b(e\.g\.|i\.e\.|etc\.|resp\.|a\.k\.a\.)": "for instance, that is, and the like",
    r"\bclick here\b": "words that say where the link leads",
    r"\b(gray|color|colors|colored|behavior|center|analyze|labeled)\b": "British spelling: grey, colour, ...",
    r"\b(state[- ]of[- ]the[- ]art|cutting[- ]edge|blazing(ly)?|seamless(ly)?|powerful|revolutionary)\b": (
        "what was measured"
    ),
    r"\b(whitelist|blacklist|sanity check)\b": "allow list, block list, check",
    r"\b(TODO|FIXME|TBD|XXX)\b": "an issue, or nothing",
    r"[\U0001F300-\U0001FAFF]": "words",
    r"\b(one|some|many) (possibility|possibilities) to\b": "a way to",
    r"\bin dependence of\b|\bdependent of\b": "depending on",
    r"\buntil now\b|\bup to now\b": "so far, not yet",
    r"\bso[- ]called\b": "nothing, or an entry in the glossary",
    r"\b(actual|actually)\b": "present, current, or nothing",
    r"\beventual(ly)?\b": "possible, in the end",
}
_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# Citations and names keep their own spelling.
_PASSED = re.compile(r"`[^`\n]*`|\]\([^)]*\)|https?://\S+|^\|.*Center.*$", re.MULTILINE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was found as page:line; 1 where that is anything."""
    names = list(sys.argv[1:] if arguments is None else arguments) or tracked_files()
    found = [line for path in map(Path, names) for line in faults_of(path)]
    print("\n".join(found) if found else f"{len(names)} files: nothing found")
    return 1 if found else 0


def tracked_files() -> list[str]:
    """Return every page of the repository and every file of its packages."""
    command = ["git", "ls-files", "*.md", *(f"{room}/*.py" for room in ROOMS)]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [str(ROOT / name) for name in listed.splitlines()]


def faults_of(path: Path) -> Iterator[str]:
    """Return the faults of a page or of a file of code."""
    return faults(path) if path.suffix == ".md" else docstring_faults(path)


def faults(page: Path) -> Iterator[str]:
    """Yield what a page says that it should not, with its place."""
    text = _BLOCK.sub(lambda match: "\n" * match[0].count("\n"), page.read_text(encoding="utf-8"))
    text = _PASSED.sub(lambda match: "\x00" * len(match[0]), text)
    for pattern, instead in RULES.items():
        for match in re.finditer(pattern, text, re.IGNORECASE):
            if not match[0].replace("\n", " ").strip().isdigit():
                line = text.count("\n", 0, match.start()) + 1
                yield f"{page}:{line}: {match[0]!r}: write instead: {instead}"


def docstring_faults(code: Path) -> Iterator[str]:
    """Yield the docstrings of public functions and classes that begin with "What" or "Whether", with their places."""
    for node in _public(ast.parse(code.read_text(encoding="utf-8"))):
        first = re.match(r"(What|Whether)\b", ast.get_docstring(node) or "")
        if first:
            yield f"{code}:{node.lineno}: {first[0]!r}: write instead: Return ..., True where ..., or what it is"


def _public(node: ast.Module | _Named) -> Iterator[_Named]:
    for inner in node.body:
        if isinstance(inner, _Named) and not inner.name.startswith("_"):
            yield inner
            if isinstance(inner, ast.ClassDef):
                yield from _public(inner)


if __name__ == "__main__":
    sys.exit(main())
