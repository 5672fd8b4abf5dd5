"""The table of oddities in docs/use/volumes.md is what happens: each is made, read, and held against a library."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import Volume, read_volume
from Testing.support.dicom_series import FIRST_LPS, pydicom_values

from .oddities import LISTED, NOTED, ODDITIES, READ, REFUSED

PAGE = Path(__file__).resolve().parents[3] / "docs" / "use" / "volumes.md"


def reference(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Values (K, J, I) and the LPS place of the first voxel, by pydicom for a folder, else by SimpleITK."""
    if path.is_dir():
        slices = sorted((*path.glob("IM000?.dcm"), *path.glob("more/*.dcm")))
        return pydicom_values(slices), FIRST_LPS
    image = SimpleITK.ReadImage(str(path))
    return SimpleITK.GetArrayFromImage(image), np.array(image.TransformIndexToPhysicalPoint((0, 0, 0)))


def last_voxel_mm(path: Path, volume: Volume) -> np.ndarray:
    """LPS place of the last voxel by SimpleITK, which does not read folders here."""
    if path.is_dir():
        return volume.geometry.from_ijk(np.array(volume.geometry.shape_ijk) - 1.0, "LPS")
    image = SimpleITK.ReadImage(str(path))
    return np.array(image.TransformIndexToPhysicalPoint([n - 1 for n in image.GetSize()]))


@pytest.mark.parametrize("name", ODDITIES)
def test_an_oddity_is_read_as_another_library_reads_it_or_refused(tmp_path: Path, name: str) -> None:
    oddity = ODDITIES[name]
    path = oddity.make(tmp_path)
    if oddity.outcome == REFUSED:
        with pytest.raises(VolumeError, match=oddity.said):
            read_volume(path)
        return
    volume = read_volume(path)
    values, first_lps = reference(path)
    np.testing.assert_array_equal(volume.voxels_kji, values)
    np.testing.assert_allclose(volume.geometry.from_ijk([0, 0, 0], "LPS"), first_lps, atol=1e-4)
    last = np.array(volume.geometry.shape_ijk) - 1
    np.testing.assert_allclose(volume.geometry.from_ijk(last, "LPS"), last_voxel_mm(path, volume), atol=1e-3)
    assert bool(volume.passed_over) == (oddity.outcome == LISTED)
    assert bool(volume.notes) == (oddity.outcome in (LISTED, NOTED))


def test_the_page_has_every_oddity_with_what_happens() -> None:
    rows = re.findall(r"^\| ((?:DICOM|NIfTI|NRRD): [^|]+?) \| ([^|]+?) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    assert dict(rows) == {name: oddity.outcome for name, oddity in ODDITIES.items()}


def test_every_outcome_is_tried() -> None:
    assert {oddity.outcome for oddity in ODDITIES.values()} == {READ, NOTED, LISTED, REFUSED}
