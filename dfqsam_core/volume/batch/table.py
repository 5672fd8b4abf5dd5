"""The table of a batch: a CSV file with one volume, its prompts and its output a line."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

from ...base.inputs import refuse_special_file
from ...base.system.files import place_key
from ...errors import ConfigError
from .segment_file import SegmentFiles

_REQUIRED, _OPTIONAL = ("volume", "prompts", "output"), ("frame", "series")
_MAX_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class BatchRow:
    """One line of the table.

    line: its number in the file, for messages. volume, prompts, output: absolute paths. frame: of a 4D file. series: of
    a DICOM folder that holds several.
    """

    line: int
    volume: Path
    prompts: Path
    output: Path
    frame: int | None = None
    series: str | None = None

    @property
    def files(self) -> SegmentFiles:
        """The files that the row reads and writes."""
        return SegmentFiles(self.volume, self.prompts, self.output, self.frame, self.series)


def read_table(path: str | os.PathLike) -> tuple[BatchRow, ...]:
    """Rows of a CSV file with the columns volume, prompts, output and, where wanted, frame and series.

    Relative paths start at the table's own folder. Raises ConfigError for a file that is no such table, an empty cell,
    or one output of two rows; whether the files exist is found out row by row.
    """
    source = Path(path)
    try:
        refuse_special_file(source, ConfigError)
        if source.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigError(f"The table {source} has more than {_MAX_FILE_BYTES} bytes. Split it.")
        with source.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file, strict=True, skipinitialspace=True)
            _check_columns(source, reader.fieldnames)
            folder = source.resolve().parent
            rows = tuple(_row(source, folder, reader.line_num, cells) for cells in reader if not _is_blank(cells))
    except OSError as error:
        raise ConfigError(f"The table {source} cannot be read: {error.strerror}. Check the path.") from error
    except (csv.Error, UnicodeError) as error:
        raise ConfigError(f"The table {source} is not CSV in UTF-8: {error}. Save it again as such.") from error
    _check_rows(source, rows)
    return rows


def _check_columns(source: Path, columns: object) -> None:
    found = list(columns) if isinstance(columns, list) else []
    missing = [name for name in _REQUIRED if name not in found]
    unknown = [name for name in found if name not in _REQUIRED + _OPTIONAL]
    if missing or unknown or len(set(found)) < len(found):
        raise ConfigError(
            f"The first line of {source} names the columns {found}. Needed are {', '.join(_REQUIRED)}; "
            f"{' and '.join(_OPTIONAL)} may follow, each once."
        )


def _is_blank(cells: dict[str, str | None]) -> bool:
    """Whether a line has nothing but commas and blanks, as spreadsheets leave it."""
    # DictReader collects cells beyond the last column as a list.
    return not any(
        text.strip() for cell in cells.values() for text in (cell if isinstance(cell, list) else [cell or ""])
    )


def _row(source: Path, folder: Path, line: int, cells: dict[str, str | None]) -> BatchRow:
    texts = {name: (cells.get(name) or "").strip() for name in _REQUIRED + _OPTIONAL}
    empty = [name for name in _REQUIRED if not texts[name]]
    # DictReader collects cells beyond the last column under the key None.
    if empty or None in cells:
        found = f"no {empty[0]}" if empty else "more cells than columns"
        raise ConfigError(f"Line {line} of {source} has {found}. Repair the line.")
    if texts["frame"] and not (texts["frame"].isascii() and texts["frame"].isdigit()):
        raise ConfigError(f"Line {line} of {source} has the frame {texts['frame']!r}; frames are counted from 0.")
    if any("\0" in texts[name] for name in _REQUIRED):
        raise ConfigError(f"Line {line} of {source} has a name with a null character. Repair the line.")
    volume, prompts, output = (Path(os.path.abspath(folder / _file_name(texts[name]))) for name in _REQUIRED)
    frame = int(texts["frame"]) if texts["frame"] else None
    return BatchRow(line, volume, prompts, output, frame, texts["series"] or None)


def _file_name(text: str) -> str:
    """The name that has the bytes of the table, in whatever character set this system takes names for."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def _check_rows(source: Path, rows: tuple[BatchRow, ...]) -> None:
    if not rows:
        raise ConfigError(f"The table {source} has no rows below its first line. Add a line for each volume.")
    lines: dict[str, int] = {}
    inputs = {place_key(path) for row in rows for path in (row.volume, row.prompts)}
    for row in rows:
        place = place_key(row.output)
        if place in lines:
            raise ConfigError(f"The lines {lines[place]} and {row.line} of {source} have the same output {row.output}.")
        if place in inputs:
            raise ConfigError(f"Line {row.line} of {source} has the output {row.output}, which is an input.")
        lines[place] = row.line
