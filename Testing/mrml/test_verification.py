"""The walk of Reload & Test on a scene without views: what it finds, what it says of faults, what it leaves behind."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

import vtk
from DFQSAMSlicerLib.verification.event_loop import wait_by_sleeping
from DFQSAMSlicerLib.verification.pictures import picture_of_slice
from DFQSAMSlicerLib.verification.report import has_failed, page, write_report
from DFQSAMSlicerLib.verification.timing import Clock, Outcome, Picture, Skipped, Step, run_steps
from DFQSAMSlicerLib.verification.verify import require_empty_scene, verify
from DFQSAMSlicerLib.verification.walk import ScriptStage
from vtkmodules.util.numpy_support import vtk_to_numpy

from dfqsam_core.errors import OutputError


class NoWalk:
    """What steps of these tests need of a walk: no pictures."""

    def take_pictures(self):
        return ()


def run(*steps, say=lambda _: None):
    found = [Step(run.__name__, branch, run) for branch, run in steps]
    return run_steps(found, NoWalk(), Clock(lambda: None, wait_by_sleeping), say)


def waits(walk):
    answers = iter([False, False, True])
    yield lambda: next(answers)
    return "three times asked"


def fails(walk):
    yield lambda: True
    raise AssertionError("Undo left another slice <than> before.")


def cannot(walk):
    raise Skipped("There is no torch.")
    yield


def test_a_step_waits_is_timed_and_says_what_it_found():
    said = []
    [outcome] = run(("a", waits), say=said.append)
    assert (outcome.title, outcome.state, outcome.sentence) == ("waits", "passed", "three times asked")
    assert outcome.seconds > 0
    assert said == ["waits"]


def test_a_failure_ends_its_branch_and_no_other():
    outcomes = run(("a", fails), ("a", waits), ("b", waits), ("b", cannot), ("b", waits))
    assert [outcome.state for outcome in outcomes] == ["failed", "skipped", "passed", "skipped", "passed"]
    assert outcomes[1].sentence == "It goes on from a step that failed: fails."
    assert outcomes[3].sentence == "There is no torch."
    assert "test_verification.py" in outcomes[0].details
    assert "/" not in outcomes[0].details
    assert has_failed(outcomes)
    assert not has_failed(outcomes[1:])


class Page(HTMLParser):
    """Tags, texts and addresses of a page, by the parser of Python's library."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.addresses = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_escapes_what_is_said_and_needs_no_other_file():
    outcome = Outcome(
        "A <b>step</b>", "failed", "</table><script>x</script>", 1.5, 12.0, "a&b", (Picture(b"P", '"c"'),)
    )
    found = Page(page([outcome], "Slicer <5>"))
    assert "script" not in found.tags
    assert {"A <b>step</b>", "</table><script>x</script>", "a&b", "Slicer <5>", '"c"', "1.50"} <= set(found.texts)
    assert found.addresses == ["data:image/png;base64,UA=="]


def test_a_report_takes_the_place_of_the_one_before(tmp_path):
    for sentence in ("first", "second"):
        path = write_report([Outcome("Step", "passed", sentence)], tmp_path / "new")
    assert [file.name for file in (tmp_path / "new").iterdir()] == [path.name]
    assert "second" in path.read_text("utf-8")


def test_a_folder_that_cannot_be_made_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be made"):
        write_report([Outcome("Step", "passed", "")], tmp_path / "file" / "below")


def test_a_slicer_without_slice_views_says_so_and_fails_nothing(world, tmp_path):
    world.scene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    outcomes, _ = verify(ScriptStage(tuple), lambda _: None, tmp_path)
    assert [outcome.state for outcome in outcomes[:2]] == ["passed", "skipped"]
    assert outcomes[1].sentence == "There are no slice views here, so nothing can be clicked."
    assert not has_failed(outcomes), outcomes


def test_a_picture_shows_the_slice_as_it_is_stored_with_the_masks_outline(tmp_path):
    plane, mask = np.arange(48.0).reshape(6, 8), np.zeros((6, 8), bool)
    mask[1:4, 2:6] = True
    (tmp_path / "slice.png").write_bytes(picture_of_slice(plane, mask, 0, 47))
    reader = vtk.vtkPNGReader()
    reader.SetFileName(str(tmp_path / "slice.png"))
    reader.Update()
    pixels = vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars()).reshape(6, 8, 3)[::-1]
    edge = mask.copy()
    edge[2, 3:5] = False
    assert (pixels[edge] == (255, 200, 0)).all()
    np.testing.assert_array_equal(pixels[~edge][:, 0], (plane[~edge] * (255 / 47)).astype(np.uint8))


def test_the_walk_is_not_begun_on_somebodys_work(world, a_volume_node):
    with pytest.raises(AssertionError, match="Save and close it"):
        require_empty_scene()
    assert a_volume_node.GetScene() is world.scene


def test_a_panel_that_writes_nothing_is_found_out(world, tmp_path, monkeypatch):
    # A fault as it would be in a real Slicer: prompts come, and no voxel does.
    monkeypatch.setattr("dfqsam_scene.nodes.segments.SegmentScene.write", lambda *_, **__: ())
    outcomes, report = verify(ScriptStage(tuple), lambda _: None, tmp_path)
    assert [outcome.state for outcome in outcomes[:3]] == ["passed", "failed", "skipped"]
    assert outcomes[1].sentence == "The prompt has segmented nothing."
    assert "The prompt has segmented nothing." in Page(report.read_text("utf-8")).texts
    require_empty_scene()


def test_the_walk_twice_in_a_row_leaves_an_empty_scene_and_pictures(world, tmp_path):
    for _ in range(2):
        require_empty_scene()
        outcomes, report = verify(ScriptStage(tuple), lambda _: None, tmp_path)
        assert not has_failed(outcomes), outcomes
        assert next(outcome.state for outcome in outcomes if "scribble" in outcome.title) == "passed"
    assert len(Page(report.read_text("utf-8")).addresses) == 4
    require_empty_scene()
