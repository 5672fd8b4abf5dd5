"""Write what the accuracy pages say: the first sentences of each, and the table of docs/measured/accuracy.md.

    python tools/accuracy_overview.py

Every number is read from the tables of the pages themselves, which tools/accuracy_table.py made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "measured"
OVERVIEW = FOLDER / "accuracy.md"
# In the order of the overview, with the words for their models.
PAGES = {
    "accuracy_demonstration.md": "demonstration model",
    "accuracy_all_images.md": "demonstration model, all images",
    "accuracy_twins.md": "outlier twin",
    "accuracy_laboratory.md": "laboratory model",
}
BEGIN, END = "<!-- says: made by tools/accuracy_overview.py -->", "<!-- end -->"
FORMER = "Numbers of the former"
# By the row's name in a table.
COLUMNS = {"default": "W4A4 default", "round to nearest": "W4A4 nearest", "paper": "W4A4 paper"}
Rows = Mapping[str, Mapping[str, str]]


def main() -> None:
    """Renew every page's first sentences and the overview's table."""
    head = "| model | objects | prompt | float Dice |" + "".join(f" {name} |" for name in COLUMNS)
    lines = [head, "|---" * (head.count("|") - 1) + "|"]
    for name, model in PAGES.items():
        text = (FOLDER / name).read_text(encoding="utf-8")
        (FOLDER / name).write_text(with_part(text, says(text)), encoding="utf-8")
        is_former = FORMER in text
        for case, objects, rows in cases(text):
            lines += overview_rows(f"[{model}]({name}){twin(case)}{', former recipe' * is_former}", objects, rows)
    OVERVIEW.write_text(with_part(OVERVIEW.read_text(encoding="utf-8"), "\n".join(lines)), encoding="utf-8")


def with_part(text: str, part: str) -> str:
    """A page with the part between the marks replaced."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{part}\n{END}{after}"


def says(text: str) -> str:
    """One sentence for each table of a page: what 4 bits cost, and what plain rounding costs."""
    sentences = []
    for case, objects, rows in cases(text):
        if COLUMNS["default"] not in rows:
            continue
        row = rows[COLUMNS["default"]]
        sentence = (
            f"Drop in Dice points when packed to 4 bits with the recipe `default`{twin(case)}: {row['box drop']} with "
            f"a box and {row['1pt drop']} with one click ({objects} objects)"
        )
        if nearest := rows.get(COLUMNS["round to nearest"]):
            sentence += f"; with plain round-to-nearest {nearest['box drop']} and {nearest['1pt drop']}"
        sentences.append(f"{sentence}.")
    return "\n\n".join(sentences)


def cases(text: str) -> Iterator[tuple[str, str, Rows]]:
    """Name, number of objects and rows of each case's first table; a row's cells by the name of their column."""
    for case, objects, section in re.findall(r"^## ([^\n]+): (\d+) objects\n(.*?)(?=^## |\Z)", text, re.M | re.S):
        table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.split("\n") if line[:1] == "|"]
        head, rows = table[0], table[2:]
        width = len(head)
        yield case, objects, {row[0]: dict(zip(head, row, strict=True)) for row in rows[::-1] if len(row) == width}


def overview_rows(model: str, objects: str, rows: Rows) -> Iterator[str]:
    """The lines of one case: a box and one click."""
    for prompt, words in (("box", "box"), ("1pt", "one click")):
        drops = "".join(f" {rows.get(row, {}).get(f'{prompt} drop', '')} |" for row in COLUMNS.values())
        yield f"| {model} | {objects} | {words} | {rows['float'][f'{prompt} Dice']} |{drops}"


def twin(case: str) -> str:
    """ ", channels 20 times unequal" of the case "(b20) twin"; nothing of another."""
    found = re.match(r"\(b(\d+)\)", case)
    return f", channels {found[1]} times unequal" if found else ""


if __name__ == "__main__":
    main()
