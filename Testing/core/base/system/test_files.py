"""Replacing, removing and comparing files where the system refuses, forgets case, or knows two spellings."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dfqsam_core.base.system.files import (
    ignores_case,
    is_same_file,
    is_this_users,
    place_key,
    remove_folder,
    replace_file,
)
from dfqsam_core.errors import OutputError
from Testing.support import windows_files

needs_stand_in = pytest.mark.skipif(
    not windows_files.CAN_TELL, reason="asks /proc what is open; Windows does it itself"
)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A new file and the one that it is to replace."""
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    return tmp_path / "new", tmp_path / "old"


def test_a_file_replaces_another(pair: tuple[Path, Path]) -> None:
    replace_file(*pair)
    assert [(path.name, path.read_text()) for path in pair[0].parent.iterdir()] == [("old", "new")]


@needs_stand_in
def test_a_scanner_that_looks_at_the_file_for_a_moment_is_waited_for(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    windows_files.refuse_what_is_in_use(monkeypatch)
    scanner, pauses = pair[1].open(), []

    def scan(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            scanner.close()

    replace_file(*pair, "win32", scan)
    assert (pair[1].read_text(), len(pauses)) == ("new", 3)


@needs_stand_in
@pytest.mark.parametrize("holds", ["open", "mapped"])
def test_a_file_that_stays_in_use_is_left_as_it_was(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, holds: str
) -> None:
    windows_files.refuse_what_is_in_use(monkeypatch)
    user = pair[1].open() if holds == "open" else np.memmap(pair[1], mode="r")
    pauses: list[float] = []
    with pytest.raises(OutputError, match=r"old cannot be replaced.*choose another output"):
        replace_file(*pair, "win32", pauses.append)
    assert (pair[1].read_text(), pair[0].read_text()) == ("old", "new")
    assert sum(pauses) == pytest.approx(1.0)
    del user


def test_where_nobody_refuses_an_open_file_a_refusal_is_final(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        replace_file(*pair, "linux", lambda seconds: pytest.fail("nothing to wait for"))


def test_a_folder_is_no_file_to_wait_for(tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        replace_file(tmp_path / "new", tmp_path / "folder", "win32", lambda seconds: pytest.fail("never changes"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files in it."""
    place = tmp_path / "entry"
    (place / "inner").mkdir(parents=True)
    for name in ("a", "b", "inner/c"):
        (place / name).write_text(name)
    return place


def test_a_folder_goes_whole(folder: Path) -> None:
    assert remove_folder(folder)
    assert list(folder.parent.iterdir()) == []
    assert remove_folder(folder), "gone is gone"


@needs_stand_in
def test_a_folder_with_a_file_in_use_stays_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    windows_files.refuse_what_is_in_use(monkeypatch)
    with (folder / "inner" / "c").open():
        assert not remove_folder(folder)
        assert sorted(path.name for path in folder.rglob("*")) == ["a", "b", "c", "inner"]
    assert remove_folder(folder)
    assert list(folder.parent.iterdir()) == []


def test_one_file_under_two_names_is_one(tmp_path: Path) -> None:
    (tmp_path / "ct.nii").touch()
    os.link(tmp_path / "ct.nii", tmp_path / "again.nii")
    (tmp_path / "other.nii").touch()
    assert is_same_file(tmp_path / "ct.nii", tmp_path / "again.nii")
    assert is_same_file(tmp_path / "ct.nii", tmp_path / "x" / ".." / "ct.nii") == (os.name == "nt")
    assert not is_same_file(tmp_path / "ct.nii", tmp_path / "other.nii")
    assert not is_same_file(tmp_path / "none", tmp_path / "none")


def test_whether_case_counts_is_what_the_disk_does(tmp_path: Path) -> None:
    (tmp_path / "probe").touch()
    assert ignores_case(tmp_path) == (tmp_path / "PROBE").exists()
    assert ignores_case(tmp_path / "not" / "there" / "1") == ignores_case(tmp_path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("labels.nii.gz", "LABELS.NII.GZ"),
        ("Leber/straße.nrrd", "leber/STRASSE.nrrd"),
        (unicodedata.normalize("NFC", "Müller.nii"), unicodedata.normalize("NFD", "Müller.nii")),
    ],
)
def test_two_spellings_of_one_place(tmp_path: Path, one: str, other: str) -> None:
    places = tmp_path / one, tmp_path / other
    assert len({place_key(place, lambda folder: True) for place in places}) == 1
    assert len({place_key(place, lambda folder: False) for place in places}) == 2
    assert place_key(tmp_path / "x" / ".." / one) == place_key(tmp_path / one)


def test_a_file_of_another_user_or_open_to_all_is_not_this_users(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"1")
    status = path.stat()
    assert is_this_users(status)
    assert not is_this_users(status, SimpleNamespace(getuid=lambda: status.st_uid + 1))
    assert is_this_users(status, SimpleNamespace()), "Windows tells no owner"
    path.chmod(0o666)
    assert not is_this_users(path.stat())
