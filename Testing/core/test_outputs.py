"""Results appear whole or not at all, as files that the user's other programs can read like any new one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dfqsam_core.base.outputs import atomic_output, refuse_overwrite
from dfqsam_core.base.system.names import fault_of_name
from dfqsam_core.errors import OutputError


@pytest.mark.parametrize("made_anew", [False, True])
def test_a_result_gets_the_permissions_of_any_new_file(tmp_path: Path, made_anew: bool) -> None:
    (tmp_path / "any").write_text("new")
    with atomic_output(tmp_path / "result.json") as temporary:
        assert (temporary.parent, temporary.name.endswith("result.json")) == (tmp_path, True)
        if made_anew:
            temporary.unlink()
            temporary.touch(mode=0o600)
        temporary.write_text("{}")
    assert (tmp_path / "result.json").read_text() == "{}"
    assert (tmp_path / "result.json").stat().st_mode == (tmp_path / "any").stat().st_mode


def test_no_file_is_made_with_the_whole_programs_permissions_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads share one umask: whatever another one made meanwhile would be open to everybody."""
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("must not be touched"))
    with atomic_output(tmp_path / "result.json") as temporary:
        temporary.write_text("{}")
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already"), atomic_output(path):
        pytest.fail("must not be entered")
    with pytest.raises(KeyboardInterrupt), atomic_output(path, force=True) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    with pytest.raises(OutputError, match=r"failed: No space left.*Free some space"), atomic_output(path, force=True):
        raise OSError(28, "No space left on device")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("result.json", "precious")]


@pytest.mark.parametrize(("name", "words"), [(".", "is a folder"), ("none/a", "does not exist"), ("a" * 250, "Cannot")])
def test_what_cannot_be_written_is_refused_first(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(OutputError, match=words), atomic_output(tmp_path / name):
        pytest.fail("must not be entered")
    assert list(tmp_path.iterdir()) == []


def test_a_share_that_refuses_permissions_costs_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    monkeypatch.setattr(Path, "chmod", refuse)
    with atomic_output(tmp_path / "result.json") as temporary:
        temporary.write_text("{}")
    assert (tmp_path / "result.json").read_text() == "{}"


def test_success_is_not_said_without_the_result(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("precious")
    with pytest.raises(OutputError, match="nothing was written"), atomic_output(path, force=True):
        pass
    with pytest.raises(OutputError, match="No such file"), atomic_output(path, force=True) as temporary:
        temporary.unlink()

    def refuse(written: Path) -> None:
        raise OutputError(f"{written.read_text()} is wrong")

    with pytest.raises(OutputError, match="new is wrong"), atomic_output(path, force=True, check=refuse) as temporary:
        temporary.write_text("new")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("result.json", "precious")]


def test_a_disk_that_is_full_only_when_asked_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network disks and quotas refuse data when it is brought onto the disk, not when it is written."""

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OutputError, match="No space left"), atomic_output(tmp_path / "result.json") as temporary:
        temporary.write_text("{}")
    assert list(tmp_path.iterdir()) == []


def test_names_and_devices_are_tried_before_the_work(tmp_path: Path) -> None:
    for name in ("a" * 250, "肝" * 80 + ".nii.gz"):
        with pytest.raises(OutputError, match="File name too long"):
            refuse_overwrite(tmp_path / name, force=False)
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(OutputError, match="exists already"):
        refuse_overwrite(tmp_path / "link", force=False)
    for path in (tmp_path / "link", Path("/dev/null")):
        with pytest.raises(OutputError, match="a device or a link to nothing"):
            refuse_overwrite(path, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_a_name_that_the_system_takes_for_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows the result went into a device."""
    monkeypatch.setattr("dfqsam_core.base.outputs.fault_of_name", lambda name: fault_of_name(name, "win32"))
    with pytest.raises(OutputError, match="is that of a device on Windows"):
        refuse_overwrite(tmp_path / "con.nii.gz", force=False)
    assert refuse_overwrite(tmp_path / "labels.nii.gz", force=False) == tmp_path / "labels.nii.gz"
