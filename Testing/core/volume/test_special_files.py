"""Pipes and devices are refused before they are opened: a reader would wait for ever, or read for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import read_volume


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.hdr", "a.nrrd", "a.mha", "a.dcm", "a"])
def test_a_pipe_or_a_device_is_no_volume(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    (tmp_path / f"zero-{name}").symlink_to("/dev/zero")
    for path in (tmp_path / name, tmp_path / f"zero-{name}"):
        with pytest.raises(VolumeError, match="is not an ordinary file"):
            read_volume(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_a_pipe_in_a_folder_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.dcm")
    with pytest.raises(VolumeError, match=str(tmp_path)):
        read_volume(tmp_path)
