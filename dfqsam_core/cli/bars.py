"""Progress bars with the time left, one a stage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from ..errors import readable
from ..progress import NOTE, Progress, ProgressCallback


@contextlib.contextmanager
def progress_bars() -> Iterator[ProgressCallback]:
    """Yield a callback that draws bars on standard error; where that is no terminal, only the finished bars appear."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[message]}", markup=False),
    )
    tasks: dict[str, TaskID] = {}
    with RichProgress(*columns, console=Console(stderr=True)) as bars:

        def show(progress: Progress) -> None:
            if progress.stage == NOTE:
                bars.console.print(readable(progress.message), markup=False, highlight=False)
                return
            if progress.stage not in tasks:
                for task in bars.tasks:
                    # A stage that gives way to the next one is over, also where it could not count its steps.
                    bars.update(task.id, completed=task.total or 1, total=task.total or 1, message="")
                tasks[progress.stage] = bars.add_task(readable(progress.stage), total=None, message="")
            bars.update(
                tasks[progress.stage],
                completed=progress.done,
                total=progress.total or None,
                message=readable(progress.message),
            )

        yield show
