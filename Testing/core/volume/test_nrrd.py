"""One reading of a NRRD: ours agrees with ITK's, and what two programs could read differently is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings

from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import Volume, read_volume, write_label_map

from .strategies import geometries

SAMPLES = np.arange(24)
GRID = "dimension: 3\nsizes: 4 3 2\n"
LPS = "space: left-posterior-superior\nspace directions: (0,1,0) (2,0,0) (0,0,-3)\nspace origin: (10,20,30)\n"


def write(folder: Path, fields: str, dtype: str = "<i2", kind: str = "short", encoding: str = "raw") -> Path:
    path = folder / "v.nrrd"
    header = (
        f"NRRD0005\ntype: {kind}\nencoding: {encoding}\nendian: {'big' if dtype[0] == '>' else 'little'}\n{fields}\n"
    )
    data = SAMPLES.astype(dtype).tobytes()
    path.write_bytes(header.encode("latin-1") + (gzip.compress(data) if encoding == "gzip" else data))
    return path


def itk_matrix(path: Path) -> np.ndarray:
    """RAS matrix by SimpleITK."""
    image = SimpleITK.ReadImage(str(path))
    rank = image.GetDimension()
    matrix = np.eye(4)
    matrix[:rank, :rank] = np.reshape(image.GetDirection(), (rank, rank)) * image.GetSpacing()
    matrix[:rank, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix


@pytest.mark.parametrize(
    "fields",
    [
        GRID,
        GRID + "spacings: 1 2 3\n",
        GRID + "spacings: 1 -2 nan\n",
        GRID + "Spacings:  1 2 3 \nAXIS MINS: 5 6 7\n",
        GRID + "spacings: 1 2 3\naxismins: 5 6 7\ncenterings: node node node\n",
        GRID + LPS,
        GRID + LPS.replace("left-posterior-superior", "RAS"),
        GRID + LPS.replace("left-posterior-superior", "left-anterior-superior"),
        GRID + LPS.replace("left-posterior-superior", "scanner-xyz"),
        GRID + LPS.replace("space: left-posterior-superior", "spacedimension: 3"),
        GRID + LPS + "kinds: domain domain time\nmeasurement frame: (1,0,0) (0,1,0) (0,0,1)\n",
        GRID + LPS + "# a remark: data file: x\nwhere:=data file: x\ncontent: a := b\n",
        "dimension: 4\nsizes: 1 4 3 2\nkinds: scalar domain domain domain\nspacings: nan 1 2 3\n",
        "dimension: 2\nsizes: 6 4\nspace dimension: 2\nspace directions: (0,1) (2,0)\nspace origin: (10,20)\n",
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_volume_lies_where_itk_puts_it(tmp_path: Path, fields: str, ends: str) -> None:
    path = write(tmp_path, fields.replace("\n", ends))
    volume = read_volume(path)
    np.testing.assert_allclose(volume.geometry.ijk_to_ras, itk_matrix(path))
    np.testing.assert_array_equal(volume.voxels_kji.ravel(), SAMPLES)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("uchar", "u1"), ("int8", "i1"), ("unsigned short", ">u2"), ("int", ">i4"), ("uint32_t", "<u4"), ("float", ">f4"),
     ("double", "<f8"), ("long long", "<i8"), ("uint64", ">u8")],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_types_and_byte_orders_are_itks(tmp_path: Path, kind: str, dtype: str, encoding: str) -> None:
    path = write(tmp_path, GRID + LPS, dtype, kind, encoding)
    found = read_volume(path).voxels_kji
    np.testing.assert_array_equal(found, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))))
    assert found.dtype.isnative


@pytest.mark.parametrize(
    "line",
    [
        "data file: secret.raw",
        "datafile: secret.raw",
        "DATA FILE: secret.raw",
        "data file: secret.raw 1 1 1 3 :=",
        "data file: LIST",
        "data file: secret.raw := key",
        "data file: :=secret.raw",
        "data file: sec%cret.raw\r",
        "key:=x\rdata file: secret.raw",
        "key:=x\0data file: secret.raw",
        "data file:secret.raw",
        "data  file: secret.raw",
        "data file : secret.raw",
        "byte skip: 40",
        "byte skip: -1",
        "line skip: 2",
        "type: short",
        "foo: bar",
        "no field at all",
        "sizes: 4 3 1",
        "space: right-anterior-superior-time",
        "space directions: (1,0,0) (0,1,0)",
    ],
)
def test_a_line_that_programs_could_take_differently_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "secret.raw").write_bytes(bytes(100))
    good = "space: left-posterior-superior\nspace directions: (0,1,0) (2,0,0) (0,0,-3)\n"
    fields = GRID + good.replace(line.split(":")[0] + ": ", "#") if line.startswith("space") else GRID + good
    with pytest.raises(VolumeError, match=r"v\.nrrd"):
        read_volume(write(tmp_path, fields + line + "\n"))


def test_a_line_break_of_python_alone_ends_no_line(tmp_path: Path) -> None:
    """Python's splitlines knows ten characters that end a line; NRRD knows one."""
    path = write(
        tmp_path, GRID + LPS + "".join(f"key{n}:=a{sign}data file: x\n" for n, sign in enumerate("\x0b\x0c\x1c\x85"))
    )
    np.testing.assert_array_equal(read_volume(path).voxels_kji.ravel(), SAMPLES)


def test_no_file_but_the_named_one_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.raw").write_bytes(SAMPLES.astype("<i2").tobytes())
    path = write(tmp_path, GRID + "data file: secret.raw :=\n")
    opened = []
    plain_open = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: (opened.append(self.name), plain_open(self, *a, **k))[1])
    with pytest.raises(VolumeError, match="another file"):
        read_volume(path)
    assert set(opened) == {"v.nrrd"}


@pytest.mark.parametrize("sizes", [[50], [1, 1, 46], [48, 0], [48]])
def test_gzip_members_are_read_as_one_stream(tmp_path: Path, sizes: list[int]) -> None:
    raw, start, parts = SAMPLES.astype("<i2").tobytes(), 0, []
    for size in [*sizes, 48]:
        parts.append(gzip.compress(raw[start : start + size]))
        start += size
    path = write(tmp_path, GRID + LPS, encoding="gzip")
    header = path.read_bytes().split(b"\n\n")[0] + b"\n\n"
    path.write_bytes(header + b"".join(parts))
    np.testing.assert_array_equal(
        read_volume(path).voxels_kji, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    )
    path.write_bytes(header + b"".join(parts) + bytes(512))
    np.testing.assert_array_equal(read_volume(path).voxels_kji.ravel(), SAMPLES)
    path.write_bytes(header + gzip.compress(raw[:20]) + gzip.compress(raw[20:])[:-6])
    with pytest.raises(VolumeError, match="compressed voxels"):
        read_volume(path)
    path.write_bytes(header + gzip.compress(raw) + gzip.compress(b"more"))
    with pytest.raises(VolumeError, match="more than 48 bytes"):
        read_volume(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@given(geometry=geometries())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_simpleitk_reads_at_its_place(tmp_path: Path, suffix: str, geometry) -> None:
    labels = np.arange(np.prod(geometry.shape_ijk)).reshape(geometry.shape_ijk[::-1])
    path = tmp_path / f"l{suffix}"
    write_label_map(path, labels, Volume(np.zeros(labels.shape), geometry), force=True)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))), labels)
    np.testing.assert_allclose(itk_matrix(path), geometry.ijk_to_ras, atol=1e-6)


def test_names_of_segments_are_escaped_as_the_format_says(a_volume: Volume, tmp_path: Path) -> None:
    labels = np.ones(a_volume.voxels_kji.shape, int)
    write_label_map(tmp_path / "a.seg.nrrd", labels, a_volume, {1: r"left\night", 2: "data file: x", 3: "肝臓"})
    image = SimpleITK.ReadImage(str(tmp_path / "a.seg.nrrd"))
    assert [image.GetMetaData(f"Segment{n}_Name") for n in range(3)] == [r"left\night", "data file: x", "肝臓"]
