"""A viewer that is killed in the middle of work has lost nothing of it when it is started again on the same volume."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core.resources import DEMO_VOLUME, resource_path
from dfqsam_scene.jobs import journal_file
from dfqsam_scene.jobs.journals import WHOLE
from Testing.support.finished import wait_for
from Testing.support.nursery import Nursery
from Testing.support.viewer import Person, ViewerProcess

Again = Callable[..., tuple[ViewerProcess, Person]]


@pytest.fixture
def again(
    browser: Any, open_page: Callable[[str], Person], tmp_path: Path, model_path: Path, nursery: Nursery
) -> Iterator[Again]:
    """Starts viewers on the embedded CT whose user is the same, and somebody at the page of each."""
    started: list[ViewerProcess] = []

    def begin() -> tuple[ViewerProcess, Person]:
        arguments = (resource_path(DEMO_VOLUME), "-m", model_path, "--root", tmp_path)
        viewer = ViewerProcess(tmp_path / "data", *arguments, nursery=nursery)
        started.append(viewer)
        person = open_page(viewer.address)
        person.wait_until_idle()
        return viewer, person

    yield begin
    for viewer in started:
        viewer.stop()


def work(person: Person) -> None:
    """Points and a box, in two segments, one of them named and coloured by hand, on slices of two axes."""
    person.tool("positive")
    person.prompt("axial", 0.33, 0.45)
    person.prompt("axial", 0.36, 0.40)
    person.do("rename segment", person.state("segments")[0]["id"], "Liver")
    person.page.click("#add-segment")
    person.wait_until(lambda: len(person.state("segments")) == 2)
    person.do("recolor segment", person.state("segments")[1]["id"], "#ff0000")
    person.prompt("coronal", 0.6, 0.5)
    person.wait_until(lambda: person.state("segments")[1]["color"] == "#ff0000")


def known(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the page without what is only chosen and not made."""
    return [{name: value for name, value in row.items() if name != "chosen"} for row in rows]


def is_kept(folder: Path, name: str = "") -> bool:
    """Whether a journal in the folder holds a complete state: one that was only begun offers nothing.

    name: of a segment, which the state has.
    """
    for path in folder.glob("*.journal"):
        with path.open("rb") as file:
            found = journal_file._read(file.fileno())
        if found is not None and WHOLE in found[0]:
            return not name or name in [segment[1] for segment in found[0].get(("segments",), ())]
    return False


def saved(person: Person, path: Path) -> np.ndarray:
    """The segments as a label map."""
    person.do("save")
    person.wait_until(lambda: person.state("dialog") is not None)
    person.do("save path", path.name)
    person.wait_until(lambda: path.exists() and person.state("dialog") is None)
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.mark.parametrize("name", ["SIGKILL", "SIGHUP", "SIGSEGV"])
def test_prompts_masks_and_segments_are_there_again(again: Again, tmp_path: Path, name: str) -> None:
    viewer, person = again()
    work(person)
    before = saved(person, tmp_path / "before.nrrd")
    assert {0, 1, 2} == set(np.unique(before))
    # A change after saving: a clean end forgets what was saved.
    person.do("rename segment", person.state("segments")[0]["id"], "Whole liver")
    person.wait_until(lambda: person.state("segments")[0]["name"] == "Whole liver")
    segments, prompts = known(person.state("segments")), known(person.state("prompts"))
    # What was done is on the page; its noting may take a few turns of the loop.
    wait_for(lambda: is_kept(tmp_path / "data" / "DFQSAMSlicer" / "journals", "Whole liver"))
    viewer.process.send_signal(getattr(signal, name))
    wait_for(lambda: viewer.process.poll() is not None)
    assert viewer.process.returncode == (0 if name == "SIGHUP" else -getattr(signal, name)), viewer.text

    _, second = again()
    second.wait_until(lambda: second.state("offer"))
    assert second.state("offer") == "Work on this volume was not saved (2 segments, 3 prompts)."
    # Twice, as by somebody who sees nothing happen.
    second.page.eval_on_selector("#continue-work", "button => { button.click(); button.click() }")
    second.wait_until(lambda: len(second.state("prompts")) == 3)
    second.wait_until_idle()
    assert second.state("offer") == ""
    assert not second.state("is_error"), second.state("message")
    assert second.state("unsaved")
    assert known(second.state("segments")) == segments
    assert known(second.state("prompts")) == prompts
    np.testing.assert_array_equal(saved(second, tmp_path / "after.nrrd"), before)


def test_saved_or_discarded_work_is_not_offered(again: Again, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "DFQSAMSlicer" / "journals"
    viewer, person = again()
    person.tool("positive")
    person.prompt("axial", 0.33, 0.45)
    wait_for(lambda: is_kept(folder))
    saved(person, tmp_path / "saved.nrrd")
    viewer.stop()
    assert list(folder.iterdir()) == []
    viewer, person = again()
    person.tool("positive")
    person.prompt("axial", 0.33, 0.45)
    wait_for(lambda: is_kept(folder))
    viewer.process.kill()
    wait_for(lambda: viewer.process.poll() is not None)
    viewer, person = again()
    person.wait_until(lambda: person.state("offer"))
    person.page.click("#discard-work")
    person.wait_until(lambda: person.state("offer") == "")
    assert list(folder.iterdir()) == []
    assert os.stat(folder).st_mode & 0o777 == 0o700


def test_strokes_and_a_3d_box_are_there_again(again: Again, tmp_path: Path) -> None:
    viewer, person = again()
    for role, places in (
        ("scribble", ((0.36, 0.42), (0.38, 0.58))),
        ("lasso_out", ((0.3, 0.35), (0.35, 0.35), (0.33, 0.4))),
        ("roi", ((0.37, 0.52), (0.47, 0.72))),
    ):
        before = person.state("prompts")
        person.tool(role)
        person.draw("axial", *places)
        person.wait_until(lambda before=before: person.state("prompts") != before and not person.state("is_working"))
    voxels, prompts = saved(person, tmp_path / "before.nrrd"), known(person.state("prompts"))
    assert len(prompts) > 5
    person.do("rename segment", person.state("segments")[0]["id"], "Liver")
    person.wait_until(lambda: person.state("segments")[0]["name"] == "Liver")
    wait_for(lambda: is_kept(tmp_path / "data" / "DFQSAMSlicer" / "journals", "Liver"))
    viewer.process.kill()
    wait_for(lambda: viewer.process.poll() is not None)
    _, person = again()
    person.wait_until(lambda: person.state("offer"))
    person.do("continue work")
    person.wait_until(lambda: len(person.state("prompts")) == len(prompts))
    assert [row["text"] for row in person.state("prompts")] == [row["text"] for row in prompts]
    np.testing.assert_array_equal(saved(person, tmp_path / "after.nrrd"), voxels)
