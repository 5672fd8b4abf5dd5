"""Print what loading, clicks and propagation take where the event loop keeps Python's lock, beside one that lets go.

Slicer's loop keeps the lock while it idles (PythonQt's thread support is off), so a thread gets turns only in the
ticks of our own timer. Both loops run the same work by turns, on the embedded CT, idle for 5 ms and rest in each tick
as the panel does. Meanwhile a person scrolls: the longest answer is that to a mouse event which comes just when a tick
begins. On a busy machine the system itself takes the processor from a tick: look at how many were long.

make test-panel                                             # once: installs slicer-core
.venv-slicer/bin/python tools/benchmark_slicer_loop.py [MODEL] [--rounds 5]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Slices on each side of the prompted one, and voxels of the prompts, in the embedded CT of 122 x 101 x 30.
PROPAGATED = 5
FIRST, LATER = (40, 45), ((48, 45), (36, 50), (44, 52))
LONG_TICK_SECONDS = 0.03
FIRST_CLICK, CLICK_MEANWHILE = "first click on a slice", "first click during a propagation, until shown"
PATIENCE_SECONDS = 300.0
Idle = Callable[[float], None]


class Person:
    """A person at the module under one kind of loop.

    seconds: what each kind of work took. ticks: how long each of ours held the main thread. answers: what it took from
    the begin of a tick to the answer to a mouse event.
    """

    def __init__(self, name: str, idle: Idle) -> None:
        self.name = name
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.ticks: defaultdict[str, list[float]] = defaultdict(list)
        self.answers: defaultdict[str, list[float]] = defaultdict(list)
        self._idle = idle
        self._scroll: Callable[[], None] = lambda: None

    def work_through(self, world: Any, model_file: Path, slice_k: int) -> None:
        """Load the model, click into a slice four times, and propagate; then click while another one propagates."""
        from dfqsam_core import load_model
        from dfqsam_scene.jobs.resting import BEGIN_SECONDS
        from dfqsam_scene.jobs.worker import Job, Worker

        worker = Worker(lambda: worker.rest(BEGIN_SECONDS))
        loaded: list[Any] = []

        def submit() -> None:
            worker.submit(Job(lambda _: load_model(model_file), loaded.append, loaded.append))

        self._timed("loading the model", submit, worker, worker.deliver, lambda: bool(loaded))
        if isinstance(loaded[0], BaseException):
            raise loaded[0]
        for work in (self._click_and_propagate, self._click_meanwhile):
            workspace = self._workspace(world, loaded[0], worker, slice_k)
            work(world, workspace, worker, slice_k)
            workspace.close()
        worker.close()

    def _workspace(self, world: Any, model: Any, worker: Any, slice_k: int) -> Any:
        """A workspace with one segment that has encoded no slice."""
        from dfqsam_core.volume import SliceKey
        from dfqsam_scene.nodes.segments import new_segmentation
        from dfqsam_scene.prompting.workspace import Workspace

        node = new_segmentation(world.volume_node, "Organs")
        workspace = Workspace(world.volume_node, node, model, worker, world.window)
        workspace.controller.auto_accept = True
        # Nothing is encoded ahead: that would be other work in each of the loops.
        workspace.encode_ahead(False)
        slices = itertools.cycle(range(slice_k - PROPAGATED, slice_k + PROPAGATED))
        self._scroll = lambda: workspace.look_at(SliceKey("K", next(slices)))
        workspace.segment_id = workspace.segments.add_segment("organ")
        return workspace

    def _click_and_propagate(self, world: Any, workspace: Any, worker: Any, slice_k: int) -> None:
        for n, voxel in enumerate((FIRST, *LATER)):
            self._click("later click" if n else FIRST_CLICK, workspace, worker, (*voxel, slice_k))
        begin = partial(self._propagate, world, workspace, slice_k)
        self._act(f"propagation through {2 * PROPAGATED} slices", begin, workspace, worker)

    def _click_meanwhile(self, world: Any, workspace: Any, worker: Any, slice_k: int) -> None:
        """Click on the slice that a propagation comes to last, when it has done two."""
        from dfqsam_core.volume import PointPrompt, SliceKey

        self._click(FIRST_CLICK, workspace, worker, (*FIRST, slice_k))
        controller, place = workspace.controller, SliceKey("K", slice_k + PROPAGATED)
        clicked: list[float] = []

        def is_shown() -> bool:
            progress = controller.progress
            if progress is not None and progress.done >= 2 and not clicked:
                clicked.append(time.perf_counter())
                controller.add_prompt(workspace.segment_id, PointPrompt((*FIRST, place.index)))
            return progress is not None and progress.preview is not None and progress.preview.key == place

        begin = partial(self._propagate, world, workspace, slice_k)
        self._timed(CLICK_MEANWHILE, begin, worker, controller.deliver, is_shown)
        self.seconds[CLICK_MEANWHILE][-1] = time.perf_counter() - clicked[0]

    def _click(self, name: str, workspace: Any, worker: Any, ijk: tuple[int, int, int]) -> None:
        from dfqsam_core.volume import PointPrompt

        prompt = PointPrompt(ijk)
        self._act(name, lambda: workspace.controller.add_prompt(workspace.segment_id, prompt), workspace, worker)

    def _propagate(self, world: Any, workspace: Any, slice_k: int) -> None:
        ends = slice_k - PROPAGATED, slice_k + PROPAGATED
        workspace.controller.propagate(workspace.segment_id, "K", *ends, world.everywhere)

    def _act(self, name: str, action: Callable[[], None], workspace: Any, worker: Any) -> None:
        controller = workspace.controller
        self._timed(name, action, worker, controller.deliver, lambda: not controller.is_busy)
        if controller.is_error:
            raise RuntimeError(controller.message)

    def _timed(
        self,
        name: str,
        begin: Callable[[], None],
        worker: Any,
        deliver: Callable[[], None],
        is_done: Callable[[], bool],
    ) -> None:
        from Testing.support.held_loop import WORKING_TICK_MS

        started = time.perf_counter()
        begin()
        while not is_done():
            self._idle(WORKING_TICK_MS)
            before = time.perf_counter()
            worker.rest()
            deliver()
            self.ticks[name].append(time.perf_counter() - before)
            self._scroll()
            self.answers[name].append(time.perf_counter() - before)
            if time.perf_counter() - started > PATIENCE_SECONDS:
                raise TimeoutError(f"{name} did not end within {PATIENCE_SECONDS:.0f} s in a loop that {self.name}.")
        self.seconds[name].append(time.perf_counter() - started)


class World:
    """Slicer's scene with the embedded CT."""

    def __init__(self) -> None:
        from DFQSAMSlicerLib.sample_data import load_sample

        from dfqsam_core.volume import PropagationConfig, choose_window
        from dfqsam_scene.nodes.volume_node import read_volume_node
        from Testing.support.mrml_scene import MrmlWorld

        self.scene = MrmlWorld()
        self.volume_node = load_sample()
        volume = read_volume_node(self.volume_node)
        self.window = choose_window("auto", volume.voxels_kji)
        # Every slice of the range is worked on, so that both loops have the same work.
        self.everywhere = PropagationConfig(
            min_predicted_iou=0, min_overlap=0, max_area_ratio=1000, min_stability=0, min_likeness=0
        )


def print_table(held: Person, releasing: Person) -> None:
    """Print medians of both loops and their ratio; ticks and answers where the lock is kept."""
    print("seconds (medians)          milliseconds")
    print("  keeps  lets go   ratio   median tick  longest  longest answer   ticks over 30 ms")
    for name, seconds in held.seconds.items():
        first, second = statistics.median(seconds), statistics.median(releasing.seconds[name])
        ticks, answer = held.ticks[name], max(held.answers[name])
        long = f"{sum(tick > LONG_TICK_SECONDS for tick in ticks)} of {len(ticks)}"
        print(f"{first:7.3f} {second:8.3f} {first / second:7.2f}", end="")
        print(f" {1e3 * statistics.median(ticks):13.1f} {1e3 * max(ticks):8.1f} {1e3 * answer:15.1f}", end="")
        print(f" {long:>18}   {name}")


def main() -> None:
    """Run both loops by turns and print a line for each kind of work."""
    parser = argparse.ArgumentParser(description="Loading, clicks and propagation under both kinds of event loop.")
    parser.add_argument("model", nargs="?", type=Path, help="a packed model or float checkpoint (default: embedded)")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    from dfqsam_core.resources import DEMO_MODEL, resource_path
    from Testing.support.held_loop import idle_holding, idle_releasing

    model_file = arguments.model or resource_path(DEMO_MODEL)
    world = World()
    held, releasing = Person("keeps the lock", idle_holding), Person("lets go of it", idle_releasing)
    # What a first start of the model writes for later ones, and what Python imports, belongs to no round.
    Person("warm-up", idle_releasing).work_through(world, model_file, 10)
    for n in range(arguments.rounds):
        for person in (held, releasing) if n % 2 else (releasing, held):
            person.work_through(world, model_file, 8 + 3 * (n % 5))
    print_table(held, releasing)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "DFQSAMSlicer")]
    main()
