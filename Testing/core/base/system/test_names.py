"""Names that every system takes, and those that Windows alone refuses."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfqsam_core.base.system.names import fault_of_name, file_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Leber links", "Leber links"),
        ("肝臓", "肝臓"),
        ("CT: abdomen", "CT_ abdomen"),
        ("a/b\\c", "a_b_c"),
        ("../../etc", "_.._etc"),
        ("CON", "_CON"),
        ("nul.seg", "_nul.seg"),
        ("console", "console"),
        ("end. ", "end"),
        ("\x00\n", "__"),
        ("", "unnamed"),
        ("...", "unnamed"),
        ("肝" * 100, "肝" * 66),
    ],
)
def test_a_text_becomes_a_name(text: str, name: str) -> None:
    assert file_name(text) == name


@given(st.text())
def test_every_text_becomes_a_name_that_windows_takes(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    name = file_name(text)
    assert fault_of_name(name, "win32") is None
    assert fault_of_name(name + ".seg.nrrd", "win32") is None
    # A second opinion: no drive, no folder, no device.
    path = PureWindowsPath(name)
    assert (path.name, path.is_reserved()) == (name, False)
    place = Path(tmp_path_factory.getbasetemp()) / name
    place.touch()
    place.unlink()


@pytest.mark.parametrize("name", ["NUL", "nul.nii.gz", "com1", "a:b", "a?", "labels.nrrd.", "labels "])
def test_windows_refuses_what_others_take(name: str) -> None:
    assert fault_of_name(name, "win32")
    assert fault_of_name(name, "linux") is None
    assert fault_of_name("labels.nii.gz", "win32") is None
