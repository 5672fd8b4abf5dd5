"""What every viewer has: the value under the mouse, sizes of segments, how they look, names of organs, whose images."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from dfqsam_core.resources import DEMO_VOLUME, resource_path
from Testing.browser.test_files import write_dicom
from Testing.browser.test_label_numbers import saved_labels
from Testing.browser.test_session import LIVER, save
from Testing.support.viewer import Person, ViewerProcess, colored_pixels

OpenPage = Callable[..., Person]


@pytest.mark.shares_the_viewer
def test_the_value_under_the_mouse_is_the_voxels(person: Person) -> None:
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(resource_path(DEMO_VOLUME))))
    for place in (LIVER, (0.5, 0.75)):
        before = person.state("under_mouse")
        person.page.mouse.move(*person.point_of("axial", *place), steps=3)
        person.wait_until(lambda before=before: person.state("under_mouse") not in ("", before))
        text = person.state("under_mouse")
        value, i, j, k = map(float, re.fullmatch(r"(\S+) HU at (\d+), (\d+), (\d+)", text).groups())
        assert k == person.state("views")["axial"]["index"]
        assert value == voxels[int(k), int(j), int(i)]


@pytest.mark.shares_the_viewer
def test_with_shift_the_other_views_follow_the_mouse(person: Person) -> None:
    before = person.state("views")
    person.page.mouse.move(*person.point_of("axial", 0.5, 0.5))
    person.page.keyboard.down("Shift")
    person.page.mouse.move(*person.point_of("axial", 0.35, 0.4), steps=5)
    person.wait_until(lambda: person.state("views")["sagittal"]["index"] != before["sagittal"]["index"])
    person.catch_up()
    person.page.keyboard.up("Shift")
    after = person.state("views")
    under_mouse = ", ".join(str(after[view]["index"]) for view in ("sagittal", "coronal", "axial"))
    person.wait_until(lambda: person.state("under_mouse").endswith(f" at {under_mouse}"))


def test_sizes_are_shown_and_saved_as_a_table(person: Person, tmp_path: Path) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.page.click("#add-segment")
    person.wait_until(lambda: len(person.state("segments")) == 2)
    person.page.click("#statistics")
    person.page.wait_for_selector("#sizes")
    rows = [row.split("\t") for row in person.page.inner_text("#sizes tbody").splitlines()]
    save_name = "sizes.csv"
    person.page.click("#save-csv")
    person.page.fill("#save-name", save_name)
    person.page.click("#save-now")
    person.wait_until(lambda: person.state("message").endswith(save_name))
    save(person, "labels.nrrd")
    image = sitk.ReadImage(str(tmp_path / "labels.nrrd"))
    voxels = int((sitk.GetArrayFromImage(image) == 1).sum())
    ml = voxels * float(np.prod(image.GetSpacing())) / 1000
    table = list(csv.DictReader((tmp_path / save_name).open(encoding="utf-8")))
    assert [(int(row["label"]), int(row["voxels"]), int(row["slices"])) for row in table] == [(1, voxels, 1), (2, 0, 0)]
    assert float(table[0]["ml"]) == pytest.approx(ml, abs=1e-3)
    assert [row[2] for row in rows] == [str(voxels), "0"]


@pytest.mark.shares_the_viewer
def test_segments_become_outlines_and_fade(person: Person) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.page.mouse.move(640, 20)
    person.wait_until(lambda: colored_pixels(person.picture("axial")) > 3000)
    filled = colored_pixels(person.picture("axial"))
    person.page.check("#outline-only")
    person.wait_until(lambda: colored_pixels(person.picture("axial")) < filled / 2)
    person.page.uncheck("#outline-only")
    person.wait_until(lambda: colored_pixels(person.picture("axial")) > 0.9 * filled)
    person.page.fill("#opacity", "5")
    person.wait_until(lambda: colored_pixels(person.picture("axial")) < filled / 2)
    assert not person.state("can_redo")


def test_an_organ_of_the_list_gives_an_empty_segment_its_number(person: Person, tmp_path: Path) -> None:
    assert person.page.locator("#organs option").count() == 117
    person.page.fill(".segments .text", "liver")
    person.page.keyboard.press("Enter")
    person.wait_until(lambda: person.state("segments")[0]["label"] == 5)
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.page.fill(".segments .text", "vertebrae L1")
    person.page.keyboard.press("Enter")
    person.wait_until(lambda: person.state("segments")[0]["name"] == "vertebrae L1")
    assert person.state("segments")[0]["label"] == 5, "what is drawn keeps its number"
    save(person, "labels.nrrd")
    assert set(np.unique(saved_labels(tmp_path / "labels.nrrd"))) == {0, 5}
    for _ in range(3):
        person.page.keyboard.press("Control+z")
        person.catch_up()
        person.wait_until(lambda: not person.state("is_working"))
    person.wait_until(lambda: person.state("segments")[0]["label"] == 1)


def test_patient_and_series_stand_on_the_page_and_not_in_its_title(
    start: Callable[..., ViewerProcess], open_page: OpenPage, tmp_path: Path
) -> None:
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(resource_path(DEMO_VOLUME))))[:6].astype(np.int16)
    write_dicom(tmp_path / "series", voxels)
    for path in (tmp_path / "series").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.PatientName, dataset.PatientID, dataset.SeriesDescription = "Doe^Jane", "4711", "Abdomen portal venous"
        dataset.save_as(path)
    person = open_page(start(tmp_path / "series", "--root", tmp_path).address)
    person.wait_until_idle()
    assert person.state("volume")["caption"] == "Doe Jane, 4711, Abdomen portal venous"
    assert "Doe" not in person.page.title()


def test_a_3d_model_has_the_volume_and_place_of_its_segment(person: Person, tmp_path: Path) -> None:
    """Read without VTK: six-fold volumes of the tetrahedra under each triangle, in LPS as ITK has them."""
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.page.keyboard.press("g")
    person.wait_until(lambda: person.state("stops"))
    for name in ("liver.stl", "liver.obj", "liver.nrrd"):
        save(person, name)
    records = np.frombuffer((tmp_path / "liver.stl").read_bytes()[84:], np.dtype("12<f4, <u2"))["f0"]
    triangles = records[:, 3:].reshape(-1, 3, 3).astype(float)
    image = sitk.ReadImage(str(tmp_path / "liver.nrrd"))
    places = np.argwhere(sitk.GetArrayFromImage(image))[:, ::-1]
    middle = np.mean([image.TransformIndexToPhysicalPoint(place.tolist()) for place in places], axis=0)
    six_fold = np.linalg.det(triangles - middle)
    assert abs(six_fold.sum()) / 6 == pytest.approx(len(places) * np.prod(image.GetSpacing()), rel=0.1)
    assert np.abs(triangles.mean(axis=(0, 1)) - middle).max() < 15
    lines = (tmp_path / "liver.obj").read_text().splitlines()
    points = np.array([line.split()[1:4] for line in lines if line.startswith("v ")], float)
    np.testing.assert_allclose(points.min(axis=0), triangles.min(axis=(0, 1)), atol=0.01)
