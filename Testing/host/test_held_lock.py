"""While anything is worked on, a tick lets the thread run, although the event loop keeps Python's lock.

Counted, not timed: a job that hands the lock over many times gets one turn in a tick where nobody rests, and as many as
it wants where the tick does.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-host")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-host")

from dfqsam_scene.jobs.worker import Job, Worker
from Testing.support.held_loop import run_loop

ROOT = Path(__file__).resolve().parents[2]
HAND_OVERS = 400
# A quarter of what a loop needs in which nobody rests; hundreds of hand-overs fit into one rest.
MOST_TICKS = HAND_OVERS // 4
IDLE_MS = 2.0


def hand_over_often(_report):
    """As a model that is loaded, or a graph that is run: many short stays outside of Python."""
    for _ in range(HAND_OVERS):
        time.sleep(0)
    return "done"


def ticks_until_done(worker: Worker, tick) -> int:
    """Ticks of a loop that holds the lock until a job of HAND_OVERS is done."""
    heard = []
    worker.submit(Job(hand_over_often, heard.append, heard.append))
    ticks = run_loop(tick, lambda: bool(heard), milliseconds=IDLE_MS)
    assert heard == ["done"]
    return ticks


def test_a_loop_in_which_nobody_rests_starves_the_thread(worker):
    # What the others are measured against: if this fails, the loop is kinder than Slicer's.
    assert ticks_until_done(worker, worker.deliver) > MOST_TICKS


def test_a_worker_that_is_allowed_to_rest_is_not_starved(worker):
    def tick():
        worker.deliver()
        worker.rest()

    assert ticks_until_done(worker, tick) < MOST_TICKS


def test_a_tick_of_the_panel_lets_its_thread_run(person):
    assert ticks_until_done(person.panel.worker, person.widget.onTick) < MOST_TICKS


def test_a_tick_of_the_effect_lets_its_thread_run(slicer_app, world, a_volume_node):
    from dfqsam_scene.nodes.segments import new_segmentation
    from Testing.support.segment_editor_host import ScriptedEffect, SegmentEditorHost, load_effect_class

    node = new_segmentation(a_volume_node, "Organs")
    node.GetSegmentation().AddEmptySegment("liver", "liver")
    effect = load_effect_class()(ScriptedEffect(SegmentEditorHost(world.scene, node, a_volume_node)))
    effect.setMRMLDefaults()
    effect.setupOptionsFrame()
    effect.activate()
    ticks = ticks_until_done(effect.prompting.worker, effect.onTick)
    effect.deactivate()
    effect.cleanup()
    assert ticks < MOST_TICKS


def test_resting_with_nothing_to_do_keeps_nobody_waiting(worker):
    # Every tick of an idle Slicer calls it.
    assert not worker.is_busy
    waits = []
    condition = worker._changed.wait
    worker._changed.wait = lambda *values: waits.append(values) or condition(*values)
    for _ in range(100):
        worker.rest()
    assert waits == []


def test_closing_waits_for_the_thread_and_comes_back(worker):
    worker.submit(Job(hand_over_often))
    worker.close()
    assert not worker._thread.is_alive()


def test_opening_a_front_end_imports_the_engine_and_no_thread_does_it_later():
    # Its start keeps the lock in one piece, longer than a tick of ours may hold the main thread.
    program = (
        "import sys; from Testing.support.slicer_bases import install_words; install_words(); "
        "from dfqsam_scene.prompting.prompting import FrontEnd, Prompting; "
        "assert 'onnxruntime' not in sys.modules; Prompting(FrontEnd()).close(); print('onnxruntime' in sys.modules)"
    )
    end = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert end.stdout.split() == ["True"]
