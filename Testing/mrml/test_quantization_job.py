"""Quantizations in real child processes: finished, cancelled, resumed, killed, refused; no scene and no Qt anywhere."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from dfqsam_core.errors import CheckpointError, DFQSAMError, OutputError
from dfqsam_core.progress import Progress
from dfqsam_scene.jobs import child_process
from dfqsam_scene.jobs.quantization import (
    QuantizationJob,
    QuantizationSettings,
    can_resume,
    discard,
    read_settings,
    unfinished_jobs,
)
from dfqsam_scene.jobs.time_left import TimeLeft, in_words
from Testing.support.finished import wait_for

HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="quantizing needs torch: make test")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny float checkpoint."""
    from Testing.support.checkpoint_file import write_toy_checkpoint

    return write_toy_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def settings(checkpoint, tmp_path):
    """Two images of 40 steps: a few seconds."""
    return QuantizationSettings(
        str(checkpoint), str(tmp_path / "packed.safetensors"), "fast", seed=5, images=2, iterations=40, threads=1
    )


def finish(job):
    """Poll until the job has ended."""
    wait_for(lambda: (job.poll(), job.state != "running")[1])
    return job


@needs_torch
def test_a_quantization_reports_shows_pictures_and_leaves_only_the_model(settings, tmp_path):
    job = QuantizationJob.start(settings, tmp_path / "jobs")
    stages, pictures, left = set(), set(), []

    def is_over():
        job.poll()
        stages.update(report.stage for report in job._child.history)
        pictures.update(picture.name for picture in job.folder.glob("preview/*.png"))
        left.append(job.seconds_left)
        return job.state != "running"

    wait_for(is_over)
    assert job.state == "done", job.log
    assert job.message.endswith("MB, from 19.2 MB")
    assert {"synthesis", "calibration"} <= stages
    assert "image_000_step_0020.png" in pictures
    assert any(seconds is not None and 0 <= seconds < 120 for seconds in left)
    assert job.report["card"]["seed"] == 5
    assert job.report["output"]["sha256"] == hashlib.sha256(Path(settings.output).read_bytes()).hexdigest()
    assert list((tmp_path / "jobs").iterdir()) == []


@needs_torch
def test_a_cancelled_job_resumes_after_a_new_start_and_gives_the_same_bytes(settings, tmp_path):
    jobs = tmp_path / "jobs"
    job = QuantizationJob.start(settings, jobs)
    wait_for(lambda: (job.poll(), can_resume(job.folder))[1])
    job.cancel()
    finish(job)
    assert job.state == "cancelled"
    assert "Resume" in job.message
    assert job.newest_picture() == max(job.folder.glob("preview/*.png"), key=lambda path: path.stat().st_mtime_ns)
    assert not os.path.exists(settings.output)
    # What another start of Slicer finds on disk.
    [(folder, found)] = unfinished_jobs(jobs)
    assert (folder, found) == (job.folder, settings)
    resumed = finish(QuantizationJob.resume(folder))
    assert resumed.state == "done", resumed.log
    uninterrupted = replace(settings, output=str(tmp_path / "again.safetensors"))
    expected = finish(QuantizationJob.start(uninterrupted, jobs)).report["output"]["sha256"]
    assert resumed.report["output"]["sha256"] == expected
    assert list(unfinished_jobs(jobs)) == []


@pytest.fixture
def endless(settings):
    """The same with as many steps as there may be: hours, so that it never ends by itself."""
    return replace(settings, iterations=100_000)


@pytest.fixture
def other_slicer(endless, tmp_path):
    """Another process that begins such a job, looks after it, and says the child's number; killed with the test."""
    code = (
        "import time; from pathlib import Path\n"
        "from dfqsam_scene.jobs import quantization as room\n"
        "room._HEARTBEAT_SECONDS = 0.1\n"
        f"settings = room.QuantizationSettings(**{vars(endless)!r})\n"
        f"job = room.QuantizationJob.start(settings, Path({str(tmp_path / 'jobs')!r}))\n"
        "print(job._child._process.pid, flush=True)\n"
        "while True: job.poll(); time.sleep(0.05)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as host:
        yield host
        host.kill()


@needs_torch
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_the_child_ends_when_slicer_is_killed_and_the_job_can_be_resumed(other_slicer, tmp_path):
    child, jobs = int(other_slicer.stdout.readline()), tmp_path / "jobs"
    [folder] = jobs.iterdir()
    wait_for(lambda: can_resume(folder))
    # A sign of life: the file was touched again.
    os.utime(folder / "job.json", (0, 0))
    wait_for(lambda: (folder / "job.json").stat().st_mtime > 0)
    other_slicer.kill()
    other_slicer.wait()
    wait_for(lambda: not is_running(child))
    assert can_resume(folder)
    assert read_settings(folder).iterations == 100_000
    # One that is young does not let anybody be sure that no other Slicer works on it.
    (folder / "job.json").touch()
    assert list(unfinished_jobs(jobs)) == []
    os.utime(folder / "job.json", (0, 0))
    assert [found for found, _ in unfinished_jobs(jobs)] == [folder]


@needs_torch
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_inside_slicer_it_is_started_through_pythonslicer_and_cancelling_ends_what_that_started(
    endless, tmp_path, monkeypatch
):
    # Slicer's PythonSlicer is a launcher: the Python that works is a child of it.
    launcher = tmp_path / "bin" / "PythonSlicer"
    launcher.parent.mkdir()
    pid_file = tmp_path / "pid"
    launcher.write_text(f"#!/bin/sh\n'{sys.executable}' \"$@\" &\necho $! > '{pid_file}'\nwait\n")
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", str(launcher.parent), prepend=os.pathsep)
    job = QuantizationJob.start(endless, tmp_path / "jobs")
    wait_for(lambda: (job.poll(), can_resume(job.folder))[1])
    worker = int(pid_file.read_text())
    assert os.getpriority(os.PRIO_PROCESS, worker) > os.getpriority(os.PRIO_PROCESS, 0)
    job.cancel()
    finish(job)
    assert job.state == "cancelled"
    # What ends closes its output, which the job waits for, a moment before the system counts it as ended.
    wait_for(lambda: not is_running(worker))


def is_running(pid):
    """Whether a process exists and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(HAS_TORCH, reason="only where torch is absent, as in a fresh Slicer: make test-slicer")
def test_without_torch_the_reason_is_a_sentence(settings, tmp_path):
    job = finish(QuantizationJob.start(settings, tmp_path / "jobs"))
    assert job.state == "failed"
    assert job.message.startswith("This command needs torch")
    assert list((tmp_path / "jobs").iterdir()) == []


def test_sizes_and_time_are_estimated_without_torch_and_nothing_is_written(settings, tmp_path):
    report = tmp_path / "estimate.json"
    child = child_process.ChildProcess([*settings.arguments(), "--dry-run", "--report", str(report)])
    wait_for(lambda: (child.poll(), child.exit_code is not None)[1])
    assert child.exit_code == 0, child.message
    estimated = json.loads(report.read_text())
    assert estimated["bytes"]["encoder_codes"] < estimated["bytes"]["float32_checkpoint"] / 8
    assert estimated["estimated_seconds"]["synthesis"] > 0
    assert not os.path.exists(settings.output)


def test_what_can_be_seen_at_once_is_refused_before_anything_starts(settings, tmp_path):
    jobs = tmp_path / "jobs"
    with pytest.raises(CheckpointError, match="is not there"):
        QuantizationJob.start(QuantizationSettings("/no/such.pth", settings.output), jobs)
    with pytest.raises(OutputError, match=r"\.safetensors"):
        QuantizationJob.start(QuantizationSettings(settings.checkpoint, str(tmp_path / "model.pth")), jobs)
    (tmp_path / "packed.safetensors").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        QuantizationJob.start(settings, jobs)
    assert (tmp_path / "packed.safetensors").read_bytes() == b"mine"
    assert not jobs.exists()


def test_a_file_that_is_no_checkpoint_fails_with_its_reason_and_leaves_nothing(tmp_path):
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(b"\x89PNG")
    job = finish(
        QuantizationJob.start(QuantizationSettings(str(wrong), str(tmp_path / "x.safetensors")), tmp_path / "jobs")
    )
    assert job.state == "failed"
    assert "not a checkpoint" in job.message if HAS_TORCH else "torch" in job.message
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_child_that_does_not_listen_is_killed(monkeypatch, tmp_path):
    deaf = tmp_path / "deaf.py"
    deaf.write_text(
        f"#!{sys.executable}\nimport signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\ntime.sleep(600)\n"
    )
    deaf.chmod(0o755)
    monkeypatch.setattr(child_process, "GRACE_SECONDS", 0.2)
    child = child_process.ChildProcess([], python=str(deaf))
    wait_for(lambda: (child.poll(), child.message == "ready")[1])
    child.cancel()
    wait_for(lambda: (child.poll(), child.exit_code is not None)[1])
    assert child.exit_code == -signal.SIGKILL


def test_a_child_that_says_more_than_can_be_read_holds_nobody_up(tmp_path):
    flood = tmp_path / "flood.py"
    flood.write_text(f"#!{sys.executable}\nwhile True:\n    print('more', flush=True)\n")
    flood.chmod(0o755)
    child = child_process.ChildProcess([], python=str(flood))
    # What is taken out is filled in by the reading thread as fast: the queue is hardly ever empty.
    polling = threading.Thread(target=lambda: [child.poll() for _ in range(20)], daemon=True)
    polling.start()
    polling.join(60)
    assert not polling.is_alive()
    child.cancel()
    wait_for(lambda: (child.poll(), child.exit_code is not None)[1])


def test_damaged_settings_are_refused_and_not_listed(tmp_path):
    folder = tmp_path / "job"
    (folder / "work").mkdir(parents=True)
    (folder / "work" / "image_0000.safetensors").touch()
    (folder / "job.json").write_text("{")
    os.utime(folder / "job.json", (0, 0))
    assert list(unfinished_jobs(tmp_path)) == []
    with pytest.raises(DFQSAMError, match="Start the quantization anew"):
        QuantizationJob.resume(folder)


def test_discarding_touches_only_folders_of_jobs(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    discard(tmp_path / "other")
    assert (tmp_path / "other" / "thesis.txt").exists()


def test_time_left_follows_the_pace_and_ignores_what_an_earlier_run_did():
    left = TimeLeft()
    left.note(Progress("synthesis", 80, 200, ""), 0.0)
    assert left.seconds is None
    left.note(Progress("synthesis", 90, 200, "image 2"), 10.0)
    left.note(Progress("synthesis", 100, 200, "image 2"), 20.0)
    assert left.seconds == pytest.approx(100.0)
    left.note(Progress("synthesis", 150, 200, ""), 21.0)
    assert left.seconds is None
    left.note(Progress("calibration", 0, 1, "choosing ranges"), 30.0)
    assert left.seconds is None


def test_durations_are_words():
    assert [in_words(seconds) for seconds in (0.4, 8, 720, 4800)] == ["less than 1 s", "8 s", "12 min", "1 h 20 min"]


def test_polling_does_not_wait_for_the_child(tmp_path):
    python, go = tmp_path / "python", tmp_path / "go"
    python.write_text(
        f"#!{sys.executable}\nimport pathlib, time\nprint('waiting', flush=True)\nends = time.monotonic() + 120\n"
        f"while not pathlib.Path({str(go)!r}).exists():\n"
        "    assert time.monotonic() < ends\n    time.sleep(0.01)\nprint('went on')\n"
    )
    python.chmod(0o755)
    child = child_process.ChildProcess([], python=str(python))
    wait_for(lambda: (child.poll(), child.message == "waiting")[1])
    for _ in range(100):
        child.poll()
    # It ends only after this, so no poll waited for its end or for another word of it.
    go.touch()
    wait_for(lambda: (child.poll(), child.exit_code is not None)[1])
    assert (child.exit_code, child.message) == (0, "went on")


def test_without_any_python_a_child_is_refused_with_a_sentence(monkeypatch, tmp_path):
    # As in a Slicer that was started without its launcher.
    for executable in ("", None):
        monkeypatch.setattr(sys, "executable", executable)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(OSError, match=r"PythonSlicer is not on the path.*terminal"):
            child_process.ChildProcess(["info"])


def test_of_what_is_asked_for_twice_one_runs(endless, tmp_path):
    """A button is pressed again where a slow computer does not show the first press."""
    pytest.importorskip("slicer")
    from dfqsam_scene.jobs.library import ModelLibrary
    from dfqsam_scene.jobs.quantizing import Quantizing

    quantizing = Quantizing(ModelLibrary(tmp_path), lambda path, message: None)
    quantizing.start(endless)
    quantizing.estimate(endless)
    job, estimating = quantizing.job, quantizing._estimating
    quantizing.start(endless)
    quantizing.estimate(endless)
    assert (quantizing.job, quantizing._estimating) == (job, estimating)
    quantizing.close()
    assert finish(job).state != "done"
