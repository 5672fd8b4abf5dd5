"""The number of a segment in label maps survives every file that the page opens and saves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core.resources import DEMO_VOLUME, resource_path
from dfqsam_core.volume import read_volume, write_label_map
from Testing.browser.test_files import open_file, write_dicom
from Testing.browser.test_session import save
from Testing.support.viewer import Person, ViewerProcess

NUMBERS, NAMES = (5, 31, 300), {5: "liver", 31: "vertebra", 300: "cyst"}
ENDINGS = (".nii.gz", ".nii", ".nrrd", ".seg.nrrd", ".mrb")
OpenPage = Callable[..., Person]


def numbered(path: Path, volume: Path, names: dict[int, str] | None = None) -> np.ndarray:
    """Write three blocks as labels 5, 31 and 300; returns them (K, J, I)."""
    grid = read_volume(volume)
    labels = np.zeros(grid.voxels_kji.shape, np.uint16)
    for number, low in zip(NUMBERS, (20, 40, 60), strict=True):
        labels[3:6, low : low + 9, 30:50] = number
    write_label_map(path, labels, grid, names)
    return labels


def open_labels(person: Person, name: str) -> None:
    """Open a file of the dialog's folder as the segments of the present volume, or with its scene."""
    person.do("open" if name.endswith(".mrb") else "open labels")
    person.page.click(f".files li[data-name='{name}']")
    person.wait_until(lambda: person.state("message").startswith(f"{name} is open."))
    person.wait_until(lambda: len(person.state("segments")) == len(NUMBERS))


def saved_labels(path: Path) -> np.ndarray:
    """As ITK reads them."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_numbers_survive_every_pair_of_formats(
    start: Callable[..., ViewerProcess], open_page: OpenPage, tmp_path: Path
) -> None:
    volume = resource_path(DEMO_VOLUME)
    expected = numbered(tmp_path / "first.seg.nrrd", volume, NAMES)
    person = open_page(start(volume, "--labels", tmp_path / "first.seg.nrrd", "--root", tmp_path).address)
    person.wait_until(lambda: len(person.state("segments")) == len(NUMBERS))
    assert [segment["name"] for segment in person.state("segments")] == list(NAMES.values())
    for ending in ENDINGS:
        save(person, f"from{ending}")
    for before, after in itertools.product(ENDINGS, ENDINGS):
        open_labels(person, f"from{before}")
        assert [segment["label"] for segment in person.state("segments")] == list(NUMBERS)
        name = f"to-{before.replace('.', '')}{after}"
        save(person, name)
        if after != ".mrb":
            np.testing.assert_array_equal(saved_labels(tmp_path / name), expected, err_msg=name)
    text = person.page.inner_text(".segments li:nth-child(2)")
    assert text.split() == ["31"], "the number stands beside the name"


def test_a_new_segment_takes_no_number_away(
    start: Callable[..., ViewerProcess], open_page: OpenPage, tmp_path: Path
) -> None:
    """Drawn, saved and opened again: Slicer's own writer would number all segments anew."""
    volume = resource_path(DEMO_VOLUME)
    before = numbered(tmp_path / "first.nrrd", volume)
    person = open_page(start(volume, "--labels", tmp_path / "first.nrrd", "--root", tmp_path).address)
    person.wait_until_idle()
    person.page.click("#add-segment")
    person.wait_until(lambda: [s["label"] for s in person.state("segments")] == [*NUMBERS, 1])
    person.do("remove segment", person.state("segments")[1]["id"])
    person.wait_until(lambda: [s["label"] for s in person.state("segments")] == [5, 300, 1])
    person.tool("positive")
    person.prompt("axial", 0.33, 0.45)
    save(person, "work.seg.nrrd")
    after = saved_labels(tmp_path / "work.seg.nrrd")
    assert set(np.unique(after)) == {0, 1, 5, 300}
    np.testing.assert_array_equal(after == 5, before == 5)
    np.testing.assert_array_equal(after == 300, before == 300)


def test_numbers_and_names_survive_a_dicom_seg(
    start: Callable[..., ViewerProcess], open_page: OpenPage, tmp_path: Path
) -> None:
    highdicom = pytest.importorskip("highdicom")
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(resource_path(DEMO_VOLUME))))[:12].astype(np.int16)
    write_dicom(tmp_path / "series", voxels)
    expected = numbered(tmp_path / "first.seg.nrrd", tmp_path / "series", NAMES)
    person = open_page(start(tmp_path / "series", "-l", tmp_path / "first.seg.nrrd", "--root", tmp_path).address)
    person.wait_until(lambda: len(person.state("segments")) == len(NUMBERS))
    save(person, "work.dcm")
    found = highdicom.seg.segread(tmp_path / "work.dcm")
    assert [found.get_segment_description(n).SegmentDescription for n in (1, 2, 3)] == [f"label {n}" for n in NUMBERS]
    open_file(person, "work.dcm")
    person.wait_until(lambda: person.state("message").startswith("work.dcm is open."))
    assert [(s["label"], s["name"]) for s in person.state("segments")] == list(NAMES.items())
    save(person, "again.nii.gz")
    np.testing.assert_array_equal(saved_labels(tmp_path / "again.nii.gz"), expected)
