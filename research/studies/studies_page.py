"""Writes docs/measured/studies.md: studies_template.md with the tables that the studies left in a folder.

Run: python -m research.studies.studies_page FOLDER --output docs/measured/studies.md

A section whose {table} is not in FOLDER is left out; the commands in the template make the tables.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from dfqsam_core.base.outputs import atomic_output

TEMPLATE = Path(__file__).with_name("studies_template.md")


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, default=Path("docs/measured/studies.md"))
    args = parser.parse_args()
    with atomic_output(args.output, force=True) as temporary:
        temporary.write_text(page(TEMPLATE.read_text(encoding="utf-8"), args.folder), encoding="utf-8")


def page(template: str, folder: Path) -> str:
    """The template with its tables filled in, without the sections that have none."""
    first, *sections = re.split(r"(?m)^(?=## )", template)
    return first + "".join(filter(None, (_filled(section, folder) for section in sections)))


def _filled(section: str, folder: Path) -> str:
    names = re.findall(r"(?m)^\{(.+)\}$", section)
    if not all((folder / name).is_file() for name in names):
        return ""
    for name in names:
        section = section.replace(f"{{{name}}}", (folder / name).read_text(encoding="utf-8").strip())
    return section


if __name__ == "__main__":
    main()
