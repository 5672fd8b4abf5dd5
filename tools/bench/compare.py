"""A model beside its float reference in every form that docs/measured/performance.md names, timed in turn."""

from __future__ import annotations

from typing import Any

from dfqsam_core.bench.benchmark import Task, network_box, random_pixels, run_benchmark
from dfqsam_core.cli.bars import progress_bars
from dfqsam_core.runtime import Model
from dfqsam_core.runtime.engines.choice import ENGINES, Engine

from .pose import is_posing
from .rivals import rival_tasks


def compare(model: str, reference: str | None, threads: list[int], runs: int, pose: str | None) -> dict[str, Any]:
    """The report of `run_benchmark` for the first of `threads`, JSON-ready; those of the others as `more_threads`.

    pose: what this process poses as, None for nothing; it becomes `simulated`.
    """

    def rivals(measured: Model) -> dict[str, Task]:
        return rival_tasks(reference, measured.threads, random_pixels(measured), network_box(measured))

    # OpenVINO knows the processor behind a pose.
    engines: tuple[Engine, ...] = ("onnxruntime",) if is_posing() else ENGINES
    with progress_bars() as progress:
        results = [
            run_benchmark(
                model,
                reference,
                count,
                runs,
                progress,
                starts=count == threads[0],
                engines=engines,
                rivals=rivals if reference else None,
            )
            for count in threads
        ]
    return results[0] | {"simulated": pose, "more_threads": results[1:]}
