"""Which parts of this project install from wheels on which system: `python tools/check_wheels.py [--page FILE]`.

Nothing is installed and no wheel is built: uv resolves the dependencies with the markers and tags of each system. It
needs a package index, and uv (`pip install '.[wheels]'`). Exit code 3 when a part lacks wheels where it must have them.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
# Names of uv. The last one is shown and not demanded: torch and Slicer's own scene have no wheels for it any more.
SYSTEMS = {
    "x86_64-unknown-linux-gnu": "Linux x86-64",
    "x86_64-pc-windows-msvc": "Windows x86-64",
    "aarch64-apple-darwin": "macOS Apple silicon",
    "x86_64-apple-darwin": "macOS Intel",
}
DEMANDED = tuple(SYSTEMS)[:3]
_MODULE = ROOT / "DFQSAMSlicer" / "Resources"
_BEGIN, _END = "<!-- wheels: made by tools/check_wheels.py -->", "<!-- end of wheels -->"
_AT_ONCE = 6


@dataclass(frozen=True)
class Part:
    """Something that people install. words: of uv that name its requirements. pythons: versions that it is for."""

    name: str
    words: tuple[str, ...]
    pythons: tuple[str, ...] = PYTHONS


@dataclass(frozen=True)
class Answer:
    """The answer whether a part has wheels for a system and a Python; reason: uv's own words where it has not."""

    part: str
    system: str
    python: str
    reason: str = ""


def parts() -> list[Part]:
    """The package, each of its extras for users, and what the Slicer module installs beside Slicer's own packages."""
    extras = ("quantize", "evaluate", "batch", "openvino", "dicomseg", "browser")
    pins = ("--constraints", str(ROOT / "Resources" / "slicer-5.12-constraints.txt"))
    files = {"requirements.txt": "segmenting in Slicer", "requirements-quantize.txt": "quantizing in Slicer"}
    return [
        Part("`pip install .`", ("pyproject.toml",)),
        *(Part(f"`.[{extra}]`", ("pyproject.toml", "--extra", extra)) for extra in extras),
        *(Part(text, (str(_MODULE / name), *pins), ("3.12",)) for name, text in files.items()),
    ]


def resolve(part: Part, system: str, python: str) -> Answer:
    """Ask uv for versions that all have wheels."""
    options = ("--python-platform", system, "--python-version", python, "--only-binary", ":all:", "--quiet")
    command = [sys.executable, "-m", "uv", "pip", "compile", *part.words, *options]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT, check=False)
    reason = (
        "" if done.returncode == 0 else " ".join(done.stderr.split()).split(" hint:")[0] or "uv failed without a word"
    )
    return Answer(part.name, system, python, reason)


def table(answers: Iterable[Answer]) -> Iterator[str]:
    """Lines of a Markdown table: parts down, systems across, in each cell the Python versions with wheels."""
    known = list(answers)
    systems = [system for system in SYSTEMS if any(answer.system == system for answer in known)]
    yield "| installed | " + " | ".join(SYSTEMS[system] for system in systems) + " |"
    yield "|---" * (len(systems) + 1) + "|"
    for name in dict.fromkeys(answer.part for answer in known):
        of_part = [answer for answer in known if answer.part == name]
        yield f"| {name} | " + " | ".join(_cell([a for a in of_part if a.system == s]) for s in systems) + " |"


def _cell(answers: Sequence[Answer]) -> str:
    good = [answer.python for answer in answers if not answer.reason]
    if len(good) > 1 and len(good) == len(answers):
        return f"{good[0]} to {good[-1]}"
    return ", ".join(good) or "no"


def write_into(page: Path, lines: Sequence[str]) -> None:
    """Replace what stands between the two marks of a page."""
    before, rest = page.read_text(encoding="utf-8").split(_BEGIN)
    page.write_text(f"{before}{_BEGIN}\n" + "\n".join(lines) + f"\n{_END}{rest.split(_END)[1]}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Resolve, print the table and what is missing where; 3 when a demanded system lacks a wheel."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", choices=PYTHONS, help="only this version (may be repeated)")
    parser.add_argument("--part", action="append", help="only parts whose name contains this (may be repeated)")
    parser.add_argument("--page", type=Path, help="also write the table into this page, between its marks")
    args = parser.parse_args(arguments)
    if importlib.util.find_spec("uv") is None:
        print("This check needs uv, which is not installed here. Install it: pip install '.[wheels]'.", file=sys.stderr)
        return 2
    wanted = [part for part in parts() if not args.part or any(text in part.name for text in args.part)]
    pythons = args.python or PYTHONS
    questions = [(p, s, v) for p in wanted for s in SYSTEMS for v in p.pythons if v in pythons]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda question: resolve(*question), questions))
    lines = list(table(answers))
    print("\n".join(lines))
    for answer in answers:
        if answer.reason:
            print(f"\n{answer.part}, {SYSTEMS[answer.system]}, Python {answer.python}: {answer.reason}")
    if args.page:
        write_into(args.page, lines)
    return 3 if any(answer.reason and answer.system in DEMANDED for answer in answers) else 0


if __name__ == "__main__":
    sys.exit(main())
