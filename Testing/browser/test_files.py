"""What can be opened and saved beside NIfTI: Slicer's segmentations and scenes, DICOM folders, and broken files."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from dfqsam_core.resources import DEMO_VOLUME, resource_path
from Testing.browser.test_session import LIVER, save
from Testing.support.viewer import Person, ViewerProcess, keep_picture

OpenPage = Callable[..., Person]


def open_file(person: Person, name: str) -> None:
    """Open a file of the dialog's folder."""
    person.page.keyboard.press("Control+o")
    person.page.click(f".files li[data-name='{name}']")


def write_dicom(folder: Path, voxels_kji: np.ndarray) -> None:
    """A CT series with one file a slice, which ITK writes."""
    folder.mkdir()
    image = sitk.GetImageFromArray(voxels_kji)
    image.SetSpacing((1.5, 1.25, 3.0))
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    series = pydicom.uid.generate_uid()
    for k in range(voxels_kji.shape[0]):
        plane = image[:, :, k]
        tags = {
            "0008|0060": "CT",
            "0020|000e": series,
            "0020|000d": "1.2.3.4",
            "0008|0018": pydicom.uid.generate_uid(),
            "0020|0032": f"0\\0\\{3.0 * k}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0018|0050": "3",
            "0020|0013": str(k),
            "0028|1052": "0",
            "0028|1053": "1",
        }
        for tag, value in tags.items():
            plane.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{k:03d}.dcm"))
        writer.Execute(plane)


def test_a_segmentation_keeps_names_colours_and_voxels(person: Person, tmp_path: Path) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.do("rename segment", person.state("segments")[0]["id"], "Liver, left lobe")
    person.do("recolor segment", person.state("segments")[0]["id"], "#12ab34")
    person.wait_until(lambda: person.state("segments")[0]["color"] == "#12ab34")
    save(person, "first.seg.nrrd")
    save(person, "labels.nii.gz")
    person.page.click("#add-segment")
    open_file(person, "first.seg.nrrd")
    person.wait_until(lambda: person.state("message") == "first.seg.nrrd is open.")
    (segment,) = person.state("segments")
    assert (segment["name"], segment["color"]) == ("Liver, left lobe", "#12ab34")
    save(person, "again.nii.gz")
    first, again = (sitk.ReadImage(str(tmp_path / name)) for name in ("labels.nii.gz", "again.nii.gz"))
    assert sitk.GetArrayFromImage(first).any()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(again), sitk.GetArrayFromImage(first))
    np.testing.assert_allclose(again.GetOrigin(), first.GetOrigin())


def test_a_scene_brings_back_volume_segments_and_prompts(
    viewer: ViewerProcess, start: Callable[..., ViewerProcess], open_page: OpenPage, tmp_path: Path
) -> None:
    person = open_page(viewer.address)
    person.wait_until_idle()
    person.tool("positive")
    person.prompt("axial", *LIVER)
    person.wait_until(lambda: person.state("unsaved"))
    save(person, "work.mrb")
    save(person, "before.nrrd")
    person.wait_until(lambda: not person.state("unsaved"))
    other = open_page(start(tmp_path / "work.mrb", "--root", tmp_path).address)
    other.wait_until_idle()
    other.wait_until(lambda: len(other.state("prompts")) == 1)
    assert other.state("volume") == person.state("volume")
    save(other, "after.nrrd")
    other.tool("negative")
    other.prompt("axial", 0.5, 0.5)
    assert len(other.state("prompts")) == 2
    other.page.keyboard.press("Control+o")
    other.page.click(".files li[data-name='work.mrb']")
    other.wait_until(lambda: other.state("message") == "work.mrb is open.")
    other.wait_until(lambda: len(other.state("prompts")) == 1)
    before, after = (sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"{n}.nrrd"))) for n in ("before", "after"))
    assert before.any()
    np.testing.assert_array_equal(after, before)


def test_a_dicom_folder_opens_and_can_be_segmented(person: Person, tmp_path: Path) -> None:
    voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(resource_path(DEMO_VOLUME))))[:12].astype(np.int16)
    write_dicom(tmp_path / "series", voxels)
    open_file(person, "series")
    person.page.wait_for_selector(".files li[data-name='000.dcm']")
    person.page.click("#open-folder")
    person.wait_until(lambda: person.state("volume")["name"] == "series")
    person.wait_until_idle()
    assert "1.50 × 1.25 × 3.00 mm" in person.state("volume")["size"]
    person.tool("positive")
    person.prompt("axial", 0.4, 0.45)
    save(person, "dicom.nrrd")
    saved = sitk.ReadImage(str(tmp_path / "series" / "dicom.nrrd"))
    assert saved.GetSize() == voxels.shape[::-1]
    assert sitk.GetArrayFromImage(saved).any()


def test_what_cannot_be_read_is_said_and_the_work_stays(person: Person, tmp_path: Path) -> None:
    person.tool("positive")
    person.prompt("axial", *LIVER)
    (tmp_path / "broken.nii.gz").write_bytes(b"no volume")
    (tmp_path / "broken.seg.nrrd").write_bytes(b"NRRD0004\ntype: uint8\n")
    (tmp_path / "broken.mrb").write_bytes(b"PK no scene")
    for name in ("broken.nii.gz", "broken.seg.nrrd", "broken.mrb"):
        open_file(person, name)
        person.wait_until(lambda: person.state("is_error"))
        assert "broken" in person.state("message")
        assert len(person.state("prompts")) == 1
        person.do("next slice")
        person.wait_until(lambda: not person.state("is_error"))


def test_nothing_is_overwritten_without_being_told_to(person: Person, tmp_path: Path) -> None:
    (tmp_path / "there.nrrd").write_text("mine")
    person.page.keyboard.press("Control+s")
    person.page.fill("#save-name", "there.nrrd")
    person.page.click("#save-now")
    person.wait_until(lambda: "exists already" in person.state("dialog")["error"])
    assert (tmp_path / "there.nrrd").read_text() == "mine"
    person.page.fill("#save-name", "there.txt")
    person.page.click("#save-now")
    person.wait_until(lambda: "must end in" in person.state("dialog")["error"])
    person.page.fill("#save-name", "there.nrrd")
    person.page.check("#save-replace")
    person.page.click("#save-now")
    person.wait_until(lambda: person.state("dialog") is None)
    assert sitk.ReadImage(str(tmp_path / "there.nrrd")).GetSize() == (122, 101, 30)


def test_a_label_map_is_opened_with_its_volume_and_keeps_its_numbers(
    start: Callable[..., ViewerProcess], open_page: OpenPage, tmp_path: Path
) -> None:
    labels = resource_path("SampleData/ct_abdomen_labels.nii.gz")
    person = open_page(start(resource_path(DEMO_VOLUME), "--labels", labels, "--root", tmp_path).address)
    person.wait_until_idle()
    save(person, "again.nii.gz")
    first, again = (sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in (labels, tmp_path / "again.nii.gz"))
    np.testing.assert_array_equal(again, first)


def test_an_empty_page_offers_the_sample(
    start: Callable[..., ViewerProcess], open_page: OpenPage, tmp_path: Path, pictures: Path
) -> None:
    person = open_page(start("--root", tmp_path).address)
    person.page.wait_for_selector("#open-sample")
    keep_picture(person, pictures / "viewer_empty.png")
    assert person.page.is_disabled("#tool-positive")
    person.page.keyboard.press("p")
    person.wait_until(lambda: "no volume yet" in person.state("message"))
    person.page.click("#open-sample")
    person.wait_until_idle()
    assert person.state("volume")["size"].startswith("122 × 101 × 30")


def test_a_scene_that_reaches_outside_itself_is_not_opened(tmp_path: Path) -> None:
    from dfqsam_core.errors import VolumeError
    from dfqsam_viewer.scene_files import unpacked_scene

    cases = {
        '<MRML><VolumeArchetypeStorage fileName="/etc/passwd"/></MRML>': "outside itself",
        '<MRML><VolumeArchetypeStorage fileName="Data/../../../x.nrrd"/></MRML>': "outside itself",
        '<MRML><VolumeArchetypeStorage fileName="%2e%2e/%2e%2e/x.nrrd"/></MRML>': "outside itself",
        '<MRML><VolumeArchetypeStorage fileListMember0="/x.nrrd"/></MRML>': "outside itself",
        '<MRML><VolumeArchetypeStorage uri="http://evil.example/x.nrrd"/></MRML>': "network address",
    }
    for text, words in cases.items():
        with zipfile.ZipFile(tmp_path / "evil.mrb", "w") as archive:
            archive.writestr("evil/evil.mrml", text)
        with pytest.raises(VolumeError, match=words), unpacked_scene(tmp_path / "evil.mrb"):
            pass
    with zipfile.ZipFile(tmp_path / "damaged.mrb", "w") as archive:
        archive.writestr("a/a.mrml", "<MRML></MRML>")
        archive.writestr("a/Data/volume.nrrd", b"NRRD0004\ntype: uint8\n")
    with pytest.raises(VolumeError, match="damaged"), unpacked_scene(tmp_path / "damaged.mrb"):
        pass
