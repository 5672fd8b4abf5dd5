"""A batch on real processes: of this machine, and of a dask cluster that loses a worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest

from dfqsam_core.cli.main import main
from dfqsam_core.errors import ConfigError
from dfqsam_core.progress import Cancelled
from dfqsam_core.store.model_file import write_model
from dfqsam_core.volume.batch import run as batch
from dfqsam_core.volume.batch.row import BatchWork, RowResult, run_row
from dfqsam_core.volume.batch.run import run_batch
from dfqsam_core.volume.batch.table import BatchRow, read_table
from dfqsam_core.volume.window import WINDOW_PRESETS, WindowLevel
from Testing.support.dicom_series import change, write_series
from Testing.support.packed import packed_toy

PROMPTS = {
    "coordinate_system": "IJK",
    "segments": [{"name": "organ", "label": 7, "prompts": [{"type": "box", "corners": [[2, 2, 1], [9, 8, 1]]}]}],
}


def a_table(folder: Path, count: int) -> Path:
    """`count` volumes with one prompts file, a model, and the table that names them."""
    for n in range(count):
        voxels = np.random.default_rng(n).integers(0, 200, (12, 10, 3)).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1, 1, 3, 1])), folder / f"{n}.nii")
    (folder / "prompts.json").write_text(json.dumps(PROMPTS))
    write_model(folder / "m.safetensors", packed_toy())
    rows = "".join(f"{n}.nii, prompts.json, {n}.labels.nii.gz\n" for n in range(count))
    (folder / "table.csv").write_text("volume,prompts,output\n" + rows)
    return folder / "table.csv"


@pytest.fixture
def table(tmp_path) -> Path:
    return a_table(tmp_path, 3)


def work(folder: Path, **options) -> BatchWork:
    from dfqsam_core.store.file_identity import FileSource

    model = folder / "m.safetensors"
    return BatchWork(str(model), FileSource.of(model).sha256, **options)


def run_here(table: Path, **options) -> list[RowResult]:
    """Every row in this process: what a worker does, without a worker."""
    return [run_row(row, work(table.parent, **options)) for row in read_table(table)]


def test_finished_rows_are_skipped_and_changed_inputs_are_not(table):
    folder = table.parent
    assert [result.status for result in run_here(table)] == ["done"] * 3
    record = json.loads((folder / "0.labels.nii.gz.batch.json").read_text())
    assert record["report"]["segments"][0]["name"] == "organ"
    first = (folder / "0.labels.nii.gz").read_bytes()
    assert [result.status for result in run_here(table)] == ["skipped"] * 3
    (folder / "1.nii").write_bytes((folder / "2.nii").read_bytes())
    results = run_here(table)
    assert [result.status for result in results] == ["skipped", "failed", "skipped"]
    assert "--force" in results[1].reason
    assert [result.status for result in run_here(table, force=True)] == ["skipped", "done", "skipped"]
    assert [result.status for result in run_here(table, window=WindowLevel(50, 50), force=True)] == ["done"] * 3
    assert (folder / "0.labels.nii.gz").read_bytes() != first


def test_an_output_changed_by_hand_is_not_taken_for_the_batchs_own(table):
    run_here(table)
    (table.parent / "0.labels.nii.gz").write_bytes(b"edited")
    assert [result.status for result in run_here(table)] == ["failed", "skipped", "skipped"]
    assert (table.parent / "0.labels.nii.gz").read_bytes() == b"edited"


def test_a_record_without_its_output_is_done_again(table):
    """What a worker leaves that is killed after the record and before the output."""
    run_here(table)
    (table.parent / "2.labels.nii.gz").unlink()
    assert [result.status for result in run_here(table)] == ["skipped", "skipped", "done"]


def test_a_record_never_replaces_a_file_of_another_kind(table):
    precious = table.parent / "0.labels.nii.gz.batch.json"
    precious.write_text("{}")
    assert run_here(table)[0].status == "failed"
    assert precious.read_text() == "{}"
    assert not (table.parent / "0.labels.nii.gz").exists()


def test_another_model_under_the_name_is_noticed(table):
    stale = BatchWork(str(table.parent / "m.safetensors"), "0" * 64)
    assert "another file than when the batch began" in run_row(read_table(table)[0], stale).reason


def test_the_verb_keeps_what_succeeds_and_exits_2_for_the_rest(table, tmp_path, capsys):
    with table.open("a") as file:
        file.write("none.nii,prompts.json,none.labels.nii.gz\n")
    line = ["batch", str(table), "-m", str(tmp_path / "m.safetensors"), "--workers", "2", "--progress", "none"]
    assert main([*line, "--report", str(tmp_path / "r.json")]) == 2
    printed = capsys.readouterr().out
    assert "line 5" in printed
    assert "none.nii does not exist" in printed
    assert "3 done, 0 finished before, 1 failed." in printed
    report = json.loads((tmp_path / "r.json").read_text())
    assert [row["status"] for row in report["rows"]] == ["done", "done", "done", "failed"]
    assert nibabel.load(tmp_path / "2.labels.nii.gz").shape == (12, 10, 3)


def deadly(row: BatchRow, work: BatchWork) -> RowResult:
    """Work whose second row takes its process with it."""
    if row.line == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return RowResult(row.line, str(row.output), "done")


def test_a_row_that_kills_its_process_fails_alone(table, monkeypatch):
    monkeypatch.setattr(batch, "run_row", deadly)
    results = run_batch(read_table(table), table.parent / "m.safetensors", workers=2)
    assert [result.status for result in results] == ["done", "failed", "done"]
    assert "was killed" in results[1].reason


def interrupted(row: BatchRow, work: BatchWork) -> RowResult:
    """Work during which Ctrl-C reaches its process."""
    os.kill(os.getpid(), signal.SIGINT)
    return RowResult(row.line, str(row.output), "done")


def test_ctrl_c_does_not_break_the_rows_in_work(table, monkeypatch):
    """A terminal sends it to all processes; only the first one decides what happens."""
    monkeypatch.setattr(batch, "run_row", interrupted)
    results = run_batch(read_table(table), table.parent / "m.safetensors", workers=2)
    assert [result.status for result in results] == ["done"] * 3


def test_a_window_in_the_record_is_the_text_of_the_command_line(table):
    for window, text in ((None, "auto"), (WINDOW_PRESETS["liver"], "liver"), (WindowLevel(50, 50.5), "50,50.5")):
        assert {result.status for result in run_here(table, window=window, force=True)} == {"done"}
        record = json.loads((table.parent / "0.labels.nii.gz.batch.json").read_text())
        assert record["inputs"]["window"] == text


def test_a_cluster_that_loses_a_worker_loses_no_row(tmp_path):
    distributed = pytest.importorskip("distributed")
    rows = read_table(a_table(tmp_path, 8))
    killed = []
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster, set_as_default=False) as watcher,
    ):
        pids = watcher.run(os.getpid)

        def kill_one(progress):
            busy = [state.address for state in cluster.scheduler.workers.values() if state.processing]
            if not killed and busy:
                killed.append(busy[-1])
                os.kill(pids[busy[-1]], signal.SIGKILL)

        address = cluster.scheduler_address
        results = run_batch(rows, tmp_path / "m.safetensors", scheduler=address, progress=kill_one)
        assert len(killed) == 1
        assert [(result.line, result.status) for result in results if result.status == "failed"] == []
        assert all(nibabel.load(row.output).shape == (12, 10, 3) for row in rows)
        again = run_batch(rows, tmp_path / "m.safetensors", scheduler=address)
        assert {result.status for result in again} == {"skipped"}


def test_cancelling_keeps_what_is_finished(table):
    def cancel(progress):
        raise Cancelled

    with pytest.raises(Cancelled):
        run_batch(read_table(table), table.parent / "m.safetensors", workers=1, progress=cancel)
    assert "skipped" in {result.status for result in run_here(table)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": 0}, "workers is 0"),
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, "its own workers"),
        ({"scheduler": "nowhere at all"}, "No dask scheduler answers"),
    ],
)
def test_wrong_settings_are_refused_before_any_row(table, options, words):
    with pytest.raises(ConfigError, match=words):
        run_batch(read_table(table), table.parent / "m.safetensors", **options)


def test_outputs_beside_the_slices_are_finished_the_second_time(table):
    """The label map, its record and what the system leaves in a DICOM folder are no input."""
    folder = table.parent
    write_series(folder / "case")
    box = {"type": "box", "corners": [[1, 1, 2], [4, 5, 2]]}
    prompts = {"coordinate_system": "IJK", "segments": [{"name": "organ", "label": 7, "prompts": [box]}]}
    (folder / "prompts.json").write_text(json.dumps(prompts))
    table.write_text("volume,prompts,output\ncase,prompts.json,case/labels.dcm\ncase,prompts.json,case/labels.NII.GZ\n")
    assert [result.status for result in run_here(table)] == ["done"] * 2
    (folder / "case" / ".DS_Store").write_bytes(b"x")
    (folder / "case" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    assert [result.status for result in run_here(table)] == ["skipped"] * 2
    change(folder / "case" / "IM0003.dcm", lambda dataset: setattr(dataset, "RescaleIntercept", -1000))
    results = run_here(table)
    assert [result.status for result in results] == ["failed"] * 2
    assert "--force" in results[0].reason
    record = json.loads((folder / "case" / "labels.dcm.batch.json").read_text())
    assert record["report"]["volume"]["passed_over"] == []


def test_a_name_too_long_for_the_record_is_refused_before_the_work(table):
    name = "a" * 220 + ".nii.gz"
    table.write_text(f"volume,prompts,output\n0.nii,prompts.json,{name}\n")
    (result,) = run_here(table)
    assert (result.status, "File name too long" in result.reason) == ("failed", True)
    assert not list(table.parent.glob("a*"))


def test_the_verb_finds_a_dicom_seg_beside_the_slices_finished(table, capsys):
    folder = table.parent
    slices = write_series(folder / "case")
    box = {"type": "box", "corners": [[1, 1, 2], [4, 5, 2]]}
    content = {"coordinate_system": "IJK", "segments": [{"name": "organ", "label": 7, "prompts": [box]}]}
    (folder / "prompts.json").write_text(json.dumps(content))
    table.write_text("volume,prompts,output\ncase,prompts.json,case/labels.dcm\n")
    arguments = ["batch", str(table), "-m", str(folder / "m.safetensors"), "--workers", "1", "--progress", "none"]
    assert main(arguments) == 0
    assert main(arguments) == 0
    assert "0 done, 1 finished before" in capsys.readouterr().out
    table.write_text(f"volume,prompts,output\ncase,prompts.json,case/{slices[0].name}\n")
    assert main([*arguments, "--force"]) == 2
    assert "is a file of the input" in capsys.readouterr().err


def test_what_was_read_in_one_of_two_ways_is_said(table, capsys):
    folder = table.parent
    image = nibabel.load(folder / "1.nii")
    image.set_sform(np.diag([1, 1, 3, 1]), 2)
    moved = np.diag([1.0, 1, 3, 1])
    moved[0, 3] = 12
    image.set_qform(moved, 1)
    nibabel.save(image, folder / "1.nii")
    report = folder / "r.json"
    options = ["--workers", "1", "--progress", "none", "--report", str(report)]
    assert main(["batch", str(table), "-m", str(folder / "m.safetensors"), *options]) == 0
    assert "Note: line 3: sform and qform are up to 12 mm apart" in capsys.readouterr().out
    assert [len(row["notes"]) for row in json.loads(report.read_text())["rows"]] == [0, 1, 0]


@pytest.mark.skipif(os.name == "nt", reason="names are text on Windows")
def test_names_that_are_no_utf8_are_read_from_the_table(table):
    folder = table.parent
    os.rename(folder / "0.nii", os.fsencode(folder) + b"/M\xfcller.nii")
    table.write_bytes(b"volume,prompts,output\nM\xfcller.nii,prompts.json,gr\xfcn.nii.gz\n")
    assert [result.status for result in run_here(table)] == ["done"]
    assert b"gr\xfcn.nii.gz" in os.listdir(os.fsencode(folder))


@pytest.mark.skipif(os.name == "nt", reason="names are text on Windows")
def test_a_table_names_files_where_the_system_speaks_ascii(table):
    folder = table.parent
    os.rename(folder / "0.nii", folder / "\u809d.nii")
    table.write_text("volume,prompts,output\n\u809d.nii,prompts.json,\u809d.mha\n", encoding="utf-8")
    command = [sys.executable, "-m", "dfqsam_core", "batch", str(table), "-m", str(folder / "m.safetensors")]
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([*command, "--workers", "1"], env=os.environ | ascii_only, capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"1 done, 0 finished before, 0 failed.\n")
    assert (folder / "\u809d.mha").is_file()


@pytest.mark.parametrize(
    ("count", "asked", "expected"),
    [
        (40, {}, (8, 1)),
        (3, {}, (3, 2)),
        (1, {}, (1, 8)),
        (40, {"threads": 4}, (2, 4)),
        (40, {"workers": 2}, (2, 4)),
        (2, {"workers": 4, "threads": 1}, (2, 1)),
        (40, {"scheduler": "tcp://head:8786"}, (8, 1)),
    ],
)
def test_no_core_is_left_without_a_slice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, asked: dict, expected: tuple[int, int]
) -> None:
    found = []

    def run(rows: list[BatchRow], work: BatchWork, workers: int, scheduler: str | None) -> Iterator[RowResult]:
        found.append((workers, work.threads))
        yield from [RowResult(row.line, str(row.output), "done") for row in rows]

    monkeypatch.setattr(batch, "physical_cores", lambda: 8)
    monkeypatch.setattr(batch, "_run_all", run)
    model = tmp_path / "m.safetensors"
    model.write_bytes(b"a model")
    rows = [BatchRow(line, tmp_path / "v", tmp_path / "p", tmp_path / f"{line}.nii") for line in range(count)]
    assert len(run_batch(rows, model, **asked)) == count
    assert found == [expected]
