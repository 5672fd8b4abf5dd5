"""The record beside a batch's output: from which bytes it was made, so that finished work is known again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...base.outputs import atomic_output
from ...errors import VolumeError
from ...store.file_identity import FileSource
from ..files.dicom import series_files
from ..files.nifti import nifti_files

_FORMAT = "dfqsam batch record 1"
_MAX_RECORD_BYTES = 64 * 2**20


def record_path(output: Path) -> Path:
    """Where the record of `output` lies: beside it, with ".batch.json" after its name."""
    return output.with_name(output.name + ".batch.json")


def input_digest(path: Path, series: str | None = None) -> str:
    """SHA-256 of a file, of both files of a NIfTI pair, or of the slices in a DICOM folder with their names.

    series: of a folder that holds several. Nothing else in a folder counts, as outputs and the system's own files; of
    one that cannot be read every file does. Raises VolumeError where there is nothing.
    """
    if not path.exists():
        raise VolumeError(f"{path} does not exist. Check the table.")
    files = _folder_files(path, series) if path.is_dir() else nifti_files(path)
    if files == [path]:
        return FileSource.of(path).sha256
    digest = hashlib.sha256()
    for file in files:
        digest.update(os.fsencode(os.path.relpath(file, path.parent)) + f"\0{FileSource.of(file).sha256}\n".encode())
    return digest.hexdigest()


def _folder_files(folder: Path, series: str | None) -> list[Path]:
    try:
        return series_files(folder, series)
    except VolumeError:
        paths = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
        return sorted(path for path in paths if path.is_file())


def is_finished(output: Path, inputs: Mapping[str, Any]) -> bool:
    """Return whether `output` is what a batch made from the same `inputs`, and nobody has changed it since."""
    record = _read(record_path(output))
    if record is None or record.get("inputs") != inputs or not output.is_file():
        return False
    return record.get("output_sha256") == FileSource.of(output).sha256


def write_record(
    output: Path, inputs: Mapping[str, Any], written: Path, report: Mapping[str, Any], force: bool
) -> None:
    """Record `inputs` and `report` for `output`, whose content lies in the file `written`.

    An older record is replaced; any other file of its name only with `force`, else OutputError.
    """
    target = record_path(output)
    content = {
        "format": _FORMAT,
        "inputs": dict(inputs),
        "output_sha256": FileSource.of(written).sha256,
        "report": dict(report),
    }
    with atomic_output(target, force or _read(target) is not None) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any] | None:
    """Content of a record; None for whatever is none."""
    try:
        if path.stat().st_size > _MAX_RECORD_BYTES:
            return None
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.get("format") == _FORMAT else None
