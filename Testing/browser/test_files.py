"""What can be opened and saved beside NIfTI: Slicer's segmentations and scenes, DICOM folders, and broken files."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

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
    series, frame_of_reference = pydicom.uid.generate_uid(), pydicom.uid.generate_uid()
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
            "0020|0052": frame_of_reference,
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
    person.prompt("axial", 0.60, 0.62)
    open_file(person, "first.seg.nrrd")
    person.wait_until(lambda: person.state("message").startswith("first.seg.nrrd is open."))
    kept = Path(person.state("message").rsplit("not saved are kept in ")[1])
    assert len(np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(kept))))) > 2, "both segments are there"
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
    other.wait_until(lambda: other.state("message").startswith("work.mrb is open. Segments that were not saved"))
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
    person.page.keyboard.press("Control+s")
    person.page.wait_for_selector("#save-replace")
    assert not person.page.is_checked("#save-replace"), "that was for one file"
    assert person.page.input_value("#save-name").endswith("-segments.seg.nrrd")


def test_a_dialog_opens_though_its_last_folder_is_gone(person: Person, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    open_file(person, "gone")
    person.wait_until(lambda: person.state("dialog")["folder"] == str(tmp_path / "gone"))
    (tmp_path / "gone").rmdir()
    person.do("next slice")
    person.page.keyboard.press("Escape")
    person.wait_until(lambda: person.state("dialog") is None)
    person.page.keyboard.press("Control+o")
    person.wait_until(lambda: (person.state("dialog") or {}).get("folder") == str(tmp_path))
    assert not person.state("is_error")


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
        "<MRML><VolumeArchetypeStorage fileName = '/etc/passwd'/></MRML>": "outside itself",
        '<MRML><VolumeArchetypeStorage fileName="&#47;etc/passwd"/></MRML>': "outside itself",
        '<MRML><VolumeArchetypeStorage fileName="a%00b"/></MRML>': "outside itself",
        '<MRML><VolumeArchetypeStorage uri="http://evil.example/x.nrrd"/></MRML>': "network address",
        "<MRML><VolumeArchetypeStorage uriListMember0='http://evil.example/x.nrrd'/></MRML>": "network address",
        "<MRML><VolumeArchetypeStorage": "damaged",
    }
    for text, words in cases.items():
        with zipfile.ZipFile(tmp_path / "evil.mrb", "w") as archive:
            archive.writestr("evil/evil.mrml", text)
        with pytest.raises(VolumeError, match=words), unpacked_scene(tmp_path / "evil.mrb"):
            pass


def test_a_scene_with_a_damaged_image_or_one_in_another_file_is_not_opened(tmp_path: Path) -> None:
    from dfqsam_core.errors import VolumeError
    from dfqsam_viewer.scene_files import unpacked_scene

    (tmp_path / "secret.raw").write_bytes(bytes(8))
    header = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 2 2\nencoding: raw\n"
    cases = {
        "NRRD0004\ntype: uint8\n": "damaged",
        f"{header}\n1234567": "truncated",
        f"{header}data file: {tmp_path / 'secret.raw'}\n\n": "another file",
    }
    for image, words in cases.items():
        with zipfile.ZipFile(tmp_path / "damaged.mrb", "w") as archive:
            archive.writestr("a/a.mrml", "<MRML></MRML>")
            archive.writestr("a/Data/volume.nrrd", image)
        with pytest.raises(VolumeError, match=words), unpacked_scene(tmp_path / "damaged.mrb"):
            pass


@settings(max_examples=150)
@given(data=st.data())
def test_a_scene_with_any_damage_is_opened_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    from dfqsam_core.errors import VolumeError
    from dfqsam_viewer.scene_files import unpacked_scene

    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        nodes = "".join(f'<Model id="{n}" name="{n**3}"/>' for n in range(100))
        archive.writestr("a/a.mrml", f"<MRML>{nodes}</MRML>")
    content = bytearray(memory.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    scene = tmp_path_factory.getbasetemp() / "any.mrb"
    scene.write_bytes(bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))]))
    with contextlib.suppress(VolumeError), unpacked_scene(scene) as found:
        assert found.name.endswith(".mrml")


def test_labels_of_another_grid_are_not_opened() -> None:
    pytest.importorskip("slicer")
    from dfqsam_core.errors import VolumeError
    from dfqsam_core.volume import Volume, VolumeGeometry
    from dfqsam_viewer.volumes import add_label_map

    voxels = np.zeros((8, 8, 8), np.uint8)
    volume = Volume(voxels, VolumeGeometry(np.eye(4), (8, 8, 8)))
    swapped, moved = np.eye(4)[[1, 0, 2, 3]], np.eye(4)
    moved[0, 3] = 0.2
    for matrix in (swapped, moved):
        with pytest.raises(VolumeError, match="not where the volume is"):
            add_label_map(None, volume, Volume(voxels, VolumeGeometry(matrix, (8, 8, 8))), "labels", {})


def test_every_label_becomes_its_own_segment_in_its_place() -> None:
    """Labels whose boxes overlap, on an oblique grid; the centre of each is compared in millimetres."""
    slicer = pytest.importorskip("slicer")
    import vtk
    from vtkmodules.util.numpy_support import vtk_to_numpy

    from dfqsam_core.volume import Volume, VolumeGeometry
    from dfqsam_viewer.volumes import add_label_map, add_volume

    voxels = np.random.default_rng(0).choice([0, 1, 7, 300, 65535], (5, 6, 7)).astype(np.uint16)
    matrix = np.array([[0.8, -0.96, 0.72, 5], [0.6, 1.28, -0.96, -9], [0, 1.2, 1.6, 3], [0, 0, 0, 1.0]])
    volume = Volume(voxels, VolumeGeometry(matrix, (7, 6, 5)))
    scene = slicer.vtkMRMLScene()
    node = add_label_map(add_volume(scene, volume, "v"), volume, volume, "labels", {7: "liver"})
    segmentation = node.GetSegmentation()
    names = [segmentation.GetSegment(name).GetName() for name in segmentation.GetSegmentIDs()]
    assert names == ["label 1", "liver", "label 300", "label 65535"]
    for number, name in zip((1, 7, 300, 65535), segmentation.GetSegmentIDs(), strict=True):
        segment = segmentation.GetSegment(name)
        image = segment.GetRepresentation("Binary labelmap")
        found = np.flatnonzero(vtk_to_numpy(image.GetPointData().GetScalars()) == segment.GetLabelValue())
        extent = np.reshape(image.GetExtent(), (3, 2))
        kji = np.array(np.unravel_index(found, np.ptp(extent, axis=1)[::-1] + 1))
        to_world = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(to_world)
        mean_ijk = kji[::-1].mean(axis=1) + extent[:, 0]
        expected = matrix @ [*np.argwhere(voxels == number).mean(axis=0)[::-1], 1]
        assert len(found) == (voxels == number).sum()
        np.testing.assert_allclose(to_world.MultiplyPoint([*mean_ijk, 1]), expected, atol=1e-9)
