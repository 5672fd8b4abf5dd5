"""Tables on standard output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import readable

# More than any table here; asking for its natural width needs some bound.
_WIDEST = 500


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1, caption: str = ""
) -> None:
    """Print rows of text under their headings; the first `text_columns` are aligned left, the numbers right.

    No cell is ever cut or wrapped: where the terminal is too narrow, the lines are longer than it. Without rich, which
    3D Slicer's Python lacks, the cells are parted by tabs.
    """
    try:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
    except ModuleNotFoundError:
        print(readable("\n".join("\t".join(cells) for cells in (headings, *rows))), caption, sep="\n")
        return

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < text_columns else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(readable(cell).replace("[", "\\[") for cell in row))
    console = Console()
    natural = console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum
    console.width = max(console.width, natural)
    console.print(table)
    if caption:
        Console().print(caption, markup=False, highlight=False)
