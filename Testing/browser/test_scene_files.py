"""Scenes and image files are read by one parser: what hides in a header opens no other file, here as in a volume."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core.base import memory
from dfqsam_core.errors import OutputError, VolumeError
from dfqsam_viewer.scene_files import check_archive, check_image, unpacked_scene

MRML = '<MRML version="Slicer5"><VolumeArchetypeStorage id="s" fileName="Data/{name}"/></MRML>'
TRICKS = {
    "a key in front": "data file: {secret} 1 1 1 3 :=\n",
    "the plain field": "data file: {secret}\n",
    "another spelling": "DATAFILE: {secret}\n",
    "a line ended by a return alone": "key:=x\rdata file: {secret}\n",
}


def a_nrrd(path: Path, fields: str = "") -> Path:
    header = (
        "NRRD0004\ntype: uint8\ndimension: 3\nspace: left-posterior-superior\nsizes: 8 8 8\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\nencoding: raw\n"
    )
    path.write_bytes((header + fields + "\n").encode() + bytes(512))
    return path


def a_scene(path: Path, image: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("scene/scene.mrml", MRML.format(name=image.name))
        archive.write(image, f"scene/Data/{image.name}")
    return path


@pytest.mark.parametrize("trick", TRICKS)
def test_a_nrrd_in_a_scene_opens_no_other_file(tmp_path: Path, trick: str) -> None:
    secret = tmp_path / "secret.raw"
    secret.write_bytes(bytes(512))
    scene = a_scene(tmp_path / "a.mrb", a_nrrd(tmp_path / "a.nrrd", TRICKS[trick].format(secret=secret)))
    with pytest.raises(VolumeError), unpacked_scene(scene):
        pytest.fail("must not be opened")
    with unpacked_scene(a_scene(tmp_path / "b.mrb", a_nrrd(tmp_path / "b.nrrd"))) as found:
        assert found.name == "scene.mrml"


def test_a_metaimage_that_names_its_voxels_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.raw").write_bytes(bytes(64))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4, 4), np.uint8)), str(tmp_path / "a.mha"))
    content = (tmp_path / "a.mha").read_bytes()
    first = f"ElementDataFile = {tmp_path / 'secret.raw'}\n".encode()
    (tmp_path / "a.mha").write_bytes(content.replace(b"NDims", first + b"NDims", 1))
    with pytest.raises(VolumeError, match="twice"):
        check_image(tmp_path / "a.mha")


def test_a_name_of_another_character_set_is_refused_and_ends_nothing(tmp_path: Path) -> None:
    path = a_nrrd(tmp_path / os.fsdecode(b"sch\xe4del.nrrd"))
    with pytest.raises(VolumeError, match="Rename the file"):
        check_image(path)


def test_half_a_scene_is_noticed_when_it_is_written(tmp_path: Path) -> None:
    scene = a_scene(tmp_path / "a.mrb", a_nrrd(tmp_path / "a.nrrd"))
    check_archive(scene)
    content = scene.read_bytes()
    for damaged in (content[:-10], content[: len(content) // 2], content.replace(bytes(64), b"\1" * 64, 1)):
        scene.write_bytes(damaged)
        with pytest.raises(OutputError):
            check_archive(scene)


def refused_scene(path: Path, reason: str) -> None:
    with pytest.raises(VolumeError, match=reason), unpacked_scene(path):
        pytest.fail("must not be opened")


def test_all_images_of_a_scene_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them fits; gzip hides what they unfold to."""
    scene = tmp_path / "a.mrb"
    with zipfile.ZipFile(scene, "w") as archive:
        archive.writestr("scene/scene.mrml", MRML.format(name="0.nrrd"))
        for number, ending in enumerate((".nrrd", ".mha", ".nii.gz") * 4):
            image = tmp_path / f"{number}{ending}"
            sitk.WriteImage(sitk.GetImageFromArray(np.zeros((64, 64, 64), np.uint8)), str(image), useCompression=True)
            archive.write(image, f"scene/Data/{image.name}")
    with unpacked_scene(scene) as found:
        assert len(list(found.parent.glob("Data/*"))) == 12
    monkeypatch.setattr(memory, "MAX_READING_BYTES", 12 * 64**3 - 1)
    refused_scene(scene, "The scene .* needs")


def test_a_scene_that_unpacks_to_more_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "a.mrb", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scene.mrml", MRML.format(name="a.nrrd"))
        archive.writestr("zeros.bin", bytes(2**20))
    monkeypatch.setattr(memory, "MAX_READING_BYTES", 2**20)
    refused_scene(tmp_path / "a.mrb", "The scene .* needs")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_scene_packed_by_a_method_without_bounds_is_refused(tmp_path: Path, method: int) -> None:
    """Python unfolds a whole piece of these at once, up to a thousand million bytes."""
    with zipfile.ZipFile(tmp_path / "a.mrb", "w", method) as archive:
        archive.writestr("scene.mrml", MRML.format(name="a.nrrd"))
    refused_scene(tmp_path / "a.mrb", "Slicer does not use")


def test_a_nifti_in_a_scene_keeps_what_its_header_promises(tmp_path: Path) -> None:
    """ITK takes memory by the header alone."""
    image = tmp_path / "a.nii"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((8, 8, 8), np.uint8)), str(image))
    content = bytearray(image.read_bytes())
    content[42:48] = b"\xff\x7f" * 3
    image.write_bytes(content)
    refused_scene(a_scene(tmp_path / "a.mrb", image), "promises 32767")


def test_a_scene_of_very_many_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.mrb", "w") as archive:
        for number in range(10_001):
            archive.writestr(str(number), b"")
    refused_scene(tmp_path / "a.mrb", "10001 files")


def test_a_scene_with_a_nameless_file_is_refused(tmp_path: Path) -> None:
    """Found by the fuzzer: seed 1, number 3697."""
    scene = a_scene(tmp_path / "a.mrb", a_nrrd(tmp_path / "a.nrrd"))
    content = scene.read_bytes()
    start = content.index(b"PK\1\2")
    # A name that starts with a zero byte is empty.
    scene.write_bytes(content[: start + 46] + b"\0" + content[start + 47 :])
    refused_scene(scene, "without a name")
