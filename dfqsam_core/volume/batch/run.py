"""Many volumes by a table: the same code on the processes of one machine and on a cluster (dask)."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from pathlib import Path

from ...base.machine import physical_cores
from ...errors import ConfigError
from ...progress import ProgressCallback, report
from ...store.file_identity import FileSource, refuse_missing
from ..window import WindowLevel
from .row import BatchWork, RowResult, run_row
from .table import BatchRow

# A cluster that does not answer within this is no cluster.
_CONNECT_SECONDS = 10
_KILLED = (
    "The process that worked on it was killed, and again when it ran alone. It may need more memory than there is."
)


def run_batch(
    rows: Sequence[BatchRow],
    model: str | os.PathLike,
    *,
    window: WindowLevel | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    threads: int | None = None,
    force: bool = False,
    progress: ProgressCallback | None = None,
    conventions: str | None = None,
) -> list[RowResult]:
    """Segment every row and return how each ended, in the order of `rows`; a row that fails does not stop the others.

    window: as `segment_file` takes it. workers: processes on this machine, default one per `threads` cores. scheduler:
    address of a dask scheduler instead; its workers need this package and the same paths. threads: slices that one
    worker encodes at once; None for as many as the cores of this machine allow, and one on a cluster. conventions: as
    `load_model` has them.
    Rows whose output and record are there and match are skipped, so an interrupted batch is simply started again.
    A row whose worker is killed is done again: by dask on another worker, on this machine alone in a new process.
    The processes import the script that calls this: it does so under `if __name__ == "__main__":`.
    Raises ConfigError for settings and for a model that is not there; one that cannot be used fails every row.
    """
    if workers is not None and (workers < 1 or scheduler):
        raise ConfigError(f"workers is {workers}; it must be 1 or more, and a scheduler has its own workers.")
    model_path = Path(os.path.abspath(model))
    refuse_missing(model_path, ConfigError)
    workers = min(workers or max(1, physical_cores() // (threads or 1)), max(1, len(rows)))
    threads = threads or (1 if scheduler else max(1, physical_cores() // workers))
    work = BatchWork(str(model_path), FileSource.of(model_path).sha256, window, threads, force, conventions)
    results: dict[int, RowResult] = {}
    # Closed at once when `progress` cancels, so that no row is begun after it.
    with contextlib.closing(_run_all(rows, work, workers, scheduler)) as finished:
        for result in finished:
            results[result.line] = result
            report(progress, "batch", len(results), len(rows), f"{Path(result.output).name}: {result.status}")
    return [results[row.line] for row in rows]


def _run_all(
    rows: Sequence[BatchRow], work: BatchWork, workers: int, scheduler: str | None
) -> Generator[RowResult, None, None]:
    suspects = []
    pool = _cluster(scheduler) if scheduler else _processes(workers)
    with pool as executor, contextlib.closing(_run(rows, work, executor)) as finished:
        for row, result in finished:
            if result is None:
                suspects.append(row)
            else:
                yield result
    # A local pool dies with any of its processes; alone, only the row that kills its process fails.
    for row in suspects:
        with _processes(1) as executor:
            ((_, result),) = _run([row], work, executor)
        yield result or RowResult(row.line, str(row.output), "failed", _KILLED)


def _run(
    rows: Sequence[BatchRow], work: BatchWork, pool: Executor
) -> Generator[tuple[BatchRow, RowResult | None], None, None]:
    """Rows with their results as they come; None where the pool itself broke."""
    futures = {pool.submit(run_row, row, work): row for row in rows}
    try:
        for future in as_completed(futures):
            row = futures[future]
            try:
                yield row, future.result()
            except BrokenExecutor:
                yield row, None
            except Exception as error:  # noqa: BLE001 - dask hands over what its workers met, such as KilledWorker
                yield row, RowResult(row.line, str(row.output), "failed", f"{type(error).__name__}: {error}")
    finally:
        for future in futures:
            future.cancel()


@contextlib.contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """Processes started afresh, so that no lock of this process's threads is copied.

    Ctrl-C reaches them too, and is for this process alone: rows in work are finished, unless it comes a second time.
    """
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _ignore_interrupts) as pool:
        try:
            yield pool
        except KeyboardInterrupt:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def _cluster(scheduler: str) -> Iterator[Executor]:
    from distributed import Client

    try:
        client = Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"No dask scheduler answers at {scheduler}: {error}. Check the address.") from error
    with client, client.get_executor(pure=False) as pool:
        yield pool
