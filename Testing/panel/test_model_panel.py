"""The Model panel with its real .ui file on PySide6, a real scene, and real child processes."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-panel")
pytest.importorskip("PySide6", reason="PySide6 is not installed: make test-panel")

from PySide6 import QtWidgets

from dfqsam_core.store.model_file import write_model
from dfqsam_core.volume import SliceKey
from Testing.support.checkpoint_file import write_toy_checkpoint
from Testing.support.finished import PATIENCE_SECONDS, wait_for
from Testing.support.needs import skip_or_fail
from Testing.support.packed import packed_toy

# A Python that has torch, for quantizing; this one has none, as Slicer's. `make test-panel` names it.
TORCH_PYTHON = Path(os.environ.get("DFQSAM_TORCH_PYTHON", "no Python is named"))


@pytest.fixture
def torch_python() -> str:
    """That Python; where it is not there, tests that need it are skipped, but under CI=true they fail."""
    if not TORCH_PYTHON.is_file():
        skip_or_fail(f"quantizing needs a Python with torch (DFQSAM_TORCH_PYTHON: {TORCH_PYTHON})")
    return str(TORCH_PYTHON)


@pytest.fixture
def new_panel(slicer_app, tmp_path):
    """Makes a panel with a data folder of its own; notes the models that were chosen."""
    from DFQSAMSlicerLib.model_panel import ModelPanel

    made = []

    def make():
        container = QtWidgets.QWidget()
        panel = ModelPanel(container, chosen.append, tmp_path / "data")
        panel.container = container
        made.append(panel)
        return panel

    chosen = []
    make.chosen = chosen
    yield make
    for panel in made:
        panel.cleanup()
        panel.container.deleteLater()


@pytest.fixture
def panel(new_panel):
    return new_panel()


@pytest.fixture
def with_torch(torch_python, monkeypatch):
    """As in a Slicer in which torch is installed: children get a Python that has it."""
    from DFQSAMSlicerLib import torch_dependency

    from dfqsam_scene.jobs import child_process

    monkeypatch.setattr(child_process, "python_executable", lambda: torch_python)
    monkeypatch.setattr(torch_dependency, "missing", lambda: ())


def until(panel, is_true):
    """Tick as the Widget's timer does, until something is so; returns how long the longest tick computed, in seconds.

    What other programs do on a busy machine does not lengthen that.
    """
    longest = 0.0

    def step():
        nonlocal longest
        begin = time.thread_time()
        panel.tick()
        longest = max(longest, time.thread_time() - begin)
        return is_true()

    wait_for(step)
    return longest


def tick_beside_a_child_that_stands_still(panel):
    """Fails when a tick waits for the child, which is stopped meanwhile."""
    group = panel.quantize.quantizing.job._child._process.pid
    go_on = threading.Timer(PATIENCE_SECONDS, os.killpg, (group, signal.SIGCONT))
    os.killpg(group, signal.SIGSTOP)
    go_on.start()
    try:
        for _ in range(20):
            panel.tick()
        assert go_on.is_alive()
    finally:
        go_on.cancel()
        os.killpg(group, signal.SIGCONT)


def message(panel):
    return panel.ui.modelMessageLabel.text


def lines(panel):
    rows = panel.ui.libraryList
    return [rows.item(n).text() for n in range(rows.count)]


def add(panel, path):
    panel.library.add(path)
    until(panel, lambda: any(path.name in line for line in lines(panel)))


def test_unfolding_a_section_shows_nothing_that_was_hidden(panel):
    panel.ui.quantizeSection.collapsed = False
    assert panel.ui.estimateButton.isVisibleTo(panel.container)
    assert not panel.ui.quantizeProgressBar.isVisibleTo(panel.container)
    assert not panel.ui.unfinishedRow.isVisibleTo(panel.container)


def test_it_opens_and_says_what_it_is_for(panel):
    assert "For research only" in message(panel)
    assert panel.ui.librarySection.enabled
    assert not panel.ui.pictureLabel.isVisibleTo(panel.container)


def test_without_the_packages_it_explains_itself_and_wakes_up_when_they_are_there(new_panel, monkeypatch):
    from DFQSAMSlicerLib import dependencies

    lacking = (dependencies.Requirement("platformdirs>=4.0", "finds folders", None),)
    monkeypatch.setattr(dependencies, "missing", lambda *_: lacking)
    panel = new_panel()
    panel.tick()
    assert "press Install" in message(panel)
    assert not panel.ui.quantizeSection.enabled
    monkeypatch.setattr(dependencies, "missing", lambda *_: ())
    until(panel, lambda: panel.library is not None)
    assert panel.ui.quantizeSection.enabled


def test_a_model_is_added_looked_at_copied_exported_used_and_taken_off_the_list(
    panel, new_panel, model_file, monkeypatch
):
    import qt

    monkeypatch.setattr(qt.QFileDialog, "getOpenFileName", staticmethod(lambda *_: str(model_file)))
    panel.ui.addModelButton.click()
    until(panel, lambda: model_file.name in lines(panel)[-1] and panel.ui.copyCardButton.enabled)
    assert "SHA-256" in lines(panel)[-1]
    assert "intended_use" in panel.ui.cardText.toPlainText()
    panel.ui.copyCardButton.click()
    assert qt.QApplication.clipboard().text() == panel.ui.cardText.toPlainText()
    target = model_file.with_name("card.json")
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", staticmethod(lambda *_: str(target)))
    panel.ui.exportCardButton.click()
    assert json.loads(target.read_text())["card"]["architecture_name"] in panel.ui.cardText.toPlainText()
    panel.ui.useModelButton.click()
    assert new_panel.chosen == [model_file]
    panel.ui.removeModelButton.click()
    assert not any(model_file.name in line for line in lines(panel))
    assert str(model_file) in message(panel)
    assert model_file.exists()


def test_a_file_that_is_no_model_is_refused_with_its_reason(panel, tmp_path):
    picture = tmp_path / "picture.pth"
    picture.write_bytes(b"\x89PNG\r\n")
    before = lines(panel)
    panel.library.add(picture)
    until(panel, lambda: "PNG" in message(panel))
    assert lines(panel) == before


def test_a_model_exchanged_since_it_was_listed_says_so(panel, tmp_path):
    # Both have the same size: only the hash tells.
    path = tmp_path / "exchanged.safetensors"
    write_model(path, packed_toy())
    add(panel, path)
    path.unlink()
    write_model(path, packed_toy(seed=1))
    panel.library.refresh(str(path))
    until(panel, lambda: "Reading" not in panel.ui.cardText.toPlainText())
    assert "SHA-256 differs" in panel.ui.cardText.toPlainText()


def test_a_model_deleted_since_says_so(panel, model_file):
    add(panel, model_file)
    model_file.unlink()
    panel.library.refresh(str(model_file))
    panel.tick()
    assert "is gone" in lines(panel)[-1]
    assert "is gone" in panel.ui.cardText.toPlainText()


def test_without_torch_quantizing_is_explained_and_the_estimate_works(panel, tmp_path):
    assert not panel.ui.quantizeButton.enabled
    assert "torch>=2.4" in panel.ui.quantizeNeedsLabel.text
    panel.ui.checkpointEdit.setText(str(write_toy_checkpoint(tmp_path)))
    panel.ui.estimateButton.click()
    until(panel, lambda: panel.ui.estimateButton.enabled)
    assert "19.2 MB in float32" in panel.ui.estimateLabel.text
    assert message(panel) == "Nothing was written."


def test_quantizing_is_told_how_the_checkpoint_was_trained(panel, tmp_path):
    section = panel.quantize
    assert section.settings().conventions == ""
    panel.ui.checkpointConventionsBox.setCurrentIndex(3)
    settings = section.settings()
    assert settings.conventions == "medsam"
    assert settings.arguments()[-2:] == ["--conventions", "medsam"]
    panel.ui.checkpointEdit.setText(str(tmp_path / "another.pth"))
    assert section.settings().conventions == ""


def test_quantizing_shows_progress_and_pictures_and_lists_the_model_though_the_scene_is_closed(
    with_torch, panel, person, world, tmp_path
):
    begin(panel, write_toy_checkpoint(tmp_path), images=2)
    seen = {"left": False, "counted": False, "picture": False}

    def is_done():
        seen["left"] |= "left for this part" in panel.ui.timeLeftLabel.text
        seen["counted"] |= panel.ui.quantizeProgressBar.maximum == 80 and panel.ui.quantizeProgressBar.value > 0
        pixmap = panel.ui.pictureLabel.pixmap
        if not seen["picture"] and not pixmap.isNull():
            seen["picture"] = (pixmap.width(), pixmap.height()) == (128, 64)
            # Closing the scene is none of the child's business.
            world.scene.Clear(0)
            tick_beside_a_child_that_stands_still(panel)
        return message(panel).startswith("Done: ")

    longest = until(panel, is_done)
    assert seen == {"left": True, "counted": True, "picture": True}
    assert longest < 0.5
    person.wait()
    assert "Choose a volume" in person.message
    [model] = Path(panel.ui.outputEdit.text).parent.glob("*.safetensors")
    assert model.name == "toy-w5a5.safetensors"
    assert any(model.name in line for line in lines(panel))
    until(panel, lambda: "seed: 7" in panel.ui.cardText.toPlainText())
    assert not panel.ui.quantizeProgressBar.isVisibleTo(panel.container)


def test_a_cancelled_quantization_is_offered_again_after_slicer_was_closed(with_torch, new_panel, tmp_path):
    first = new_panel()
    begin(first, write_toy_checkpoint(tmp_path), images=3)
    until(first, lambda: list((tmp_path / "data").glob("quantizations/*/work/image_*.safetensors")))
    first.ui.cancelQuantizeButton.click()
    until(first, lambda: first.ui.unfinishedBox.count == 1)
    assert "Resume" in message(first)
    first.cleanup()
    second = new_panel()
    assert "toy-w5a5" in second.ui.unfinishedBox.currentText
    second.ui.resumeButton.click()
    until(second, lambda: message(second).startswith("Done: "))
    assert second.ui.unfinishedBox.count == 0


def test_an_unfinished_quantization_is_deleted_only_after_a_yes(new_panel, tmp_path, monkeypatch):
    folder = tmp_path / "data" / "quantizations" / "toy-1"
    (folder / "work").mkdir(parents=True)
    (folder / "work" / "image_0000.safetensors").touch()
    settings = {"checkpoint": "/x.pth", "output": "/x.safetensors", "recipe": "fast", "bits": 4, "seed": 0}
    (folder / "job.json").write_text(json.dumps({**settings, "images": 1, "iterations": None, "threads": None}))
    os.utime(folder / "job.json", (0, 0))
    panel = new_panel()
    assert panel.ui.unfinishedBox.count == 1
    for answer, count in ((False, 1), (True, 0)):
        monkeypatch.setattr("slicer.util.confirmOkCancelDisplay", lambda *_, answer=answer: answer)
        panel.ui.discardJobButton.click()
        assert panel.ui.unfinishedBox.count == count
    assert list((tmp_path / "data" / "quantizations").iterdir()) == []


def test_wrong_settings_are_refused_in_the_panel(panel, with_torch_missing_python, tmp_path):
    panel.ui.checkpointEdit.setText("")
    panel.ui.quantizeButton.setEnabled(True)
    panel.ui.quantizeButton.click()
    assert "checkpoint" in message(panel)
    panel.ui.checkpointEdit.setText(str(write_toy_checkpoint(tmp_path)))
    taken = tmp_path / "taken.safetensors"
    taken.write_bytes(b"mine")
    panel.ui.outputEdit.setText(str(taken))
    panel.ui.quantizeButton.setEnabled(True)
    panel.ui.quantizeButton.click()
    assert "exists already" in message(panel)
    assert taken.read_bytes() == b"mine"


@pytest.fixture
def with_torch_missing_python(monkeypatch):
    """No child can be started."""
    from dfqsam_scene.jobs import child_process

    monkeypatch.setattr(child_process, "python_executable", lambda: sys.executable + "-missing")


def begin(panel, checkpoint, images):
    """Set everything by hand and press Quantize."""
    ui = panel.ui
    ui.checkpointEdit.setText(str(checkpoint))
    ui.checkpointEdit.editingFinished.emit()
    ui.recipeBox.setCurrentIndex(ui.recipeBox.findText("default"))
    ui.bitsBox.setValue(5)
    ui.seedBox.setValue(7)
    ui.imagesBox.setValue(images)
    assert ui.quantizeButton.enabled
    ui.quantizeButton.click()
    assert not ui.quantizeButton.enabled


def test_the_comparison_shows_numbers_for_the_loaded_volume(panel, a_volume_node, phantom_file, model_file, tmp_path):
    from dfqsam_scene.nodes.segments import SegmentScene, new_segmentation

    node = new_segmentation(a_volume_node, "Truth")
    segments = SegmentScene(a_volume_node, node)
    segment_id = segments.add_segment("ellipsoid")
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(phantom_file))) > 150
    for k, mask in enumerate(truth):
        segments.write(segment_id, SliceKey("K", k), mask)
    add(panel, model_file)
    panel.ui.checkpointEdit.setText("")
    panel.ui.compareButton.click()
    assert "Choose the float checkpoint" in message(panel)
    panel.ui.checkpointEdit.setText(str(write_toy_checkpoint(tmp_path)))
    panel.ui.compareButton.click()
    assert "There is no volume" in message(panel)
    panel.ui.compareVolumeSelector.setCurrentNode(a_volume_node)
    panel.ui.compareSegmentationSelector.setCurrentNode(node)
    panel.ui.compareButton.click()
    assert panel.ui.cancelCompareButton.enabled, message(panel)
    job = panel.compare._job
    until(panel, lambda: panel.ui.compareButton.enabled)
    table = panel.ui.compareTable
    shown = [[table.item(row, column).text() for column in range(4)] for row in range(table.rowCount)]
    assert [row[0] for row in shown] == ["box", "1pt", "3pt"]
    assert [row[1:] for row in shown] == [
        [str(row["objects"]), f"{row['model']['mean']:.3f}", f"{row['reference']['mean']:.3f}"] for row in job.rows
    ]
    assert job.rows[0]["objects"] > 0


def test_a_damaged_list_is_a_sentence_and_stays_as_it_is(new_panel, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "models.json").write_text("{")
    panel = new_panel()
    assert "models.json" in message(panel)
    assert (tmp_path / "data" / "models.json").read_text() == "{"
