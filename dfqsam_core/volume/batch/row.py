"""One row of a batch, from files to files: what a worker does, wherever it runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from ...base.machine import keep_freed_memory
from ...base.outputs import refuse_overwrite
from ...errors import DFQSAMError, ModelFileError
from ...runtime import Model, load_model
from ..window import WindowLevel, window_text
from .record import input_digest, is_finished, record_path, write_record
from .segment_file import segment_file
from .table import BatchRow

Status = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class BatchWork:
    """The settings that all rows of a batch share.

    model: absolute path of a packed model or float checkpoint; model_sha256: its digest when the batch began.
    window: as `segment_file` takes it. threads: slices that a worker
    encodes at once. force: replace outputs of other inputs. conventions: as `load_model` has them.
    """

    model: str
    model_sha256: str
    window: WindowLevel | None = None
    threads: int | None = 1
    force: bool = False
    conventions: str | None = None


@dataclass(frozen=True)
class RowResult:
    """How a row ended: done now, skipped as finished before, or failed with its reason; seconds of work.

    notes: what was read or changed in a way that the user may not expect, of a row done now.
    """

    line: int
    output: str
    status: Status
    reason: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


def run_row(row: BatchRow, work: BatchWork) -> RowResult:
    """Segment one row and write its output and record; whatever goes wrong becomes the result's reason."""
    started = time.perf_counter()
    status: Status
    notes: tuple[str, ...] = ()
    try:
        (status, notes), reason = _segment(row, work), ""
    except DFQSAMError as error:
        status, reason = "failed", str(error)
    except Exception as error:  # noqa: BLE001 - one volume must not end the others, and its reason is reported
        status, reason = "failed", f"{type(error).__name__}: {error}"
    return RowResult(row.line, str(row.output), status, reason, round(time.perf_counter() - started, 3), notes)


def _segment(row: BatchRow, work: BatchWork) -> tuple[Status, tuple[str, ...]]:
    inputs = _inputs(row, work)
    if is_finished(row.output, inputs):
        return "skipped", ()
    refuse_overwrite(record_path(row.output), force=True)

    def record(output: Path, report: dict[str, Any]) -> None:
        # Before the output gets its name: a worker killed in between leaves a record alone, and the row is done again.
        write_record(row.output, inputs, output, report, work.force)

    def load() -> Model:
        return _model(work.model, work.model_sha256, work.threads, work.conventions)

    result = segment_file(row.files, load, work.window, force=work.force, written=record)
    return "done", result.notes


def _inputs(row: BatchRow, work: BatchWork) -> dict[str, Any]:
    """What the result depends on, ready for JSON."""
    return {
        "volume": input_digest(row.volume, row.series),
        "prompts": input_digest(row.prompts),
        "model": work.model_sha256,
        **({"conventions": work.conventions} if work.conventions else {}),
        "window": window_text(work.window),
        "frame": row.frame,
        "series": row.series,
    }


@lru_cache(maxsize=1)
def _model(path: str, sha256: str, threads: int | None, conventions: str | None) -> Model:
    """The model, loaded once per worker; raises ModelFileError when its file has changed since the batch began."""
    keep_freed_memory()
    model = load_model(path, threads=threads, side_by_side=True, conventions=conventions)
    if not model.digest.startswith(sha256):
        raise ModelFileError(f"The model {path} is another file than when the batch began. Start the batch again.")
    return model
