"""What tools/fuzz_files.py mutates: for each format small good files, words that hurt its reader, and the reader."""

from __future__ import annotations

import gzip
import io
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import fuzz_structures
import nibabel
import numpy as np
import pydicom
import SimpleITK
from fuzz_structures import read_any_checkpoint, read_scene
from pydicom.uid import CTImageStorage, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dfqsam_core.store.description import describe_file
from dfqsam_core.store.model_file import read_model, write_model
from dfqsam_core.volume import (
    LassoPrompt,
    PointPrompt,
    ScribblePrompt,
    Volume,
    VolumeGeometry,
    VolumeSession,
    auto_window,
    read_prompts,
    read_volume,
    restore_session,
    save_session,
)
from dfqsam_core.volume.batch.table import read_table
from dfqsam_core.volume.session.slice_predictor import SlicePrediction
from Testing.support.packed import packed_toy

GEOMETRY = VolumeGeometry(np.diag([1.0, 2.0, 3.0, 1.0]), (40, 30, 20))
# A file beside the work folder holds nothing but this: whoever returns it has followed a link out of the folder.
OUTSIDE_NAME, OUTSIDE_VALUE = "outside.raw", 77
VOXELS = np.random.default_rng(0).integers(-1000, 1000, (4, 6, 8)).astype(np.int16)
NUMBERS = (b"-1", b"0", b"99999999999", b"1e308", b"1e999", b"nan", b"inf", b"0x10", b"1 1 1", b"")


def _same(content: bytes) -> bytes:
    return content


@dataclass(frozen=True)
class Sample:
    """A good file: its name, its bytes before mutation, and what is done to them after it."""

    name: str
    content: bytes
    wrap: Callable[[bytes], bytes] = _same


@dataclass(frozen=True)
class Format:
    """samples: made when asked for. tokens: bytes worth inserting. read: must succeed or raise DFQSAMError."""

    samples: Callable[[], list[Sample]]
    tokens: tuple[bytes, ...]
    read: Callable[[Path], object]


def read_checked(path: Path) -> None:
    """Read a volume and use what was read; raise PermissionError when it came from outside the folder."""
    volume = read_volume(path)
    auto_window(volume.voxels_kji, volume.modality)
    if volume.voxels_kji.size > 1 and (volume.voxels_kji == OUTSIDE_VALUE).all():
        raise PermissionError(f"{path.name} made the reader follow it to {OUTSIDE_NAME}")


def _nifti() -> list[Sample]:
    image = nibabel.Nifti1Image(VOXELS.T, np.diag([1, 2, 3, 1]))
    scaled = []
    for dtype in (np.uint8, np.int8, np.uint16, np.float32):
        whole = nibabel.Nifti1Image(VOXELS.T.astype(dtype), np.diag([1, 2, 3, 1]))
        whole.header.set_slope_inter(2.5, -7)
        scaled.append(Sample("a.nii", whole.to_bytes()))
    later = nibabel.Nifti2Image(VOXELS.T.astype(np.float32), np.diag([1, 2, 3, 1])).to_bytes()
    plain = image.to_bytes()
    return [
        Sample("a.nii", plain),
        Sample("a.nii", later),
        *scaled,
        Sample("a.nii.gz", plain, lambda content: gzip.compress(content, 1, mtime=0)),
        Sample("a.nii.gz", gzip.compress(plain, mtime=0)),
    ]


def _itk(name: str) -> list[Sample]:
    image = SimpleITK.GetImageFromArray(VOXELS)
    image.SetSpacing((1, 2, 3))
    samples = []
    for compressed in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            SimpleITK.WriteImage(image, f"{folder}/{name}", useCompression=compressed)
            samples.append(Sample(name, Path(folder, name).read_bytes()))
    return samples


def _dicom() -> list[Sample]:
    syntaxes = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless)
    return [Sample("a.dcm", _dicom_bytes(syntax)) for syntax in syntaxes]


def _dicom_bytes(syntax: str) -> bytes:
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.SeriesInstanceUID = CTImageStorage, "1.2.3", "1.2.4"
    dataset.Modality, dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "CT", "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = VOXELS.shape[1:]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [1, 2, 3], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [0.5, 0.5], 2
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    big = syntax == ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    dataset.PixelData = VOXELS[0].astype(">i2" if big else "<i2").tobytes()
    dataset["PixelData"].VR = "OW"
    if syntax == RLELossless:
        dataset.compress(RLELossless)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def _prompts() -> list[Sample]:
    point = {"type": "point", "position": [3.5, 4.0, 6.0], "positive": True, "axis": "K"}
    box = {"type": "box", "corners": [[3, 4, 6], [20, 30, 6]], "axis": "K"}
    line = [[3, 4, 6], [9, 4, 6], [9, 12, 6]]
    scribble = {"type": "scribble", "path": line, "positive": False, "axis": "K"}
    lasso = {"type": "lasso", "vertices": line, "positive": True, "axis": "K"}
    roi = {"type": "roi", "corners": [[3, 4, 9], [20, 30, 15]], "axis": "K"}
    contents = []
    for prompts in ([point, box], [point, scribble, lasso, roi]):
        segment = {"name": "liver", "label": 1, "prompts": prompts, "propagate": {"first": 1, "last": 4}}
        segment |= {"extent": {"first": 0}, "corrections": prompts[:1]}
        contents.append({"coordinate_system": "RAS", "segments": [segment], "overwrite": False})
    return [Sample("a.json", json.dumps(content).encode()) for content in contents]


def _markups() -> list[Sample]:
    point = {"id": "1", "label": "F-1", "description": "", "position": [-3, -4, 6], "positionStatus": "defined"}
    points = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": [point]}
    roi = {"type": "ROI", "coordinateSystem": "LPS", "center": [-9, -9, 9], "size": [8, 8, 8]}
    roi["orientation"] = [1, 0, 0, 0, 1, 0, 0, 0, 1]
    corners = [point | {"position": position} for position in ([-3, -4, 6], [-9, -4, 6], [-9, -12, 6])]
    curves = [points | {"type": kind, "controlPoints": corners} for kind in ("Curve", "ClosedCurve")]
    return [Sample("a.mrk.json", json.dumps({"markups": [markup]}).encode()) for markup in (points, roi, *curves)]


def _model() -> list[Sample]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.safetensors")
        write_model(path, packed_toy())
        return [Sample(path.name, path.read_bytes())]


def _read_model(path: Path) -> None:
    describe_file(path)
    read_model(path)


def _parts(parts: Callable[[], list[fuzz_structures.Part]]) -> Callable[[], list[Sample]]:
    return lambda: [Sample(*part) for part in parts()]


def _session_world() -> tuple[Volume, SimpleNamespace]:
    return Volume(VOXELS, VolumeGeometry(np.eye(4), VOXELS.shape[::-1])), SimpleNamespace(
        digest="0" * 64, engine="none"
    )


def _session() -> list[Sample]:
    session, click = VolumeSession(*_session_world()), PointPrompt((3, 2, 1))
    session.add_segment(1, "liver")
    masks = np.ones((2, *VOXELS.shape[1:]), bool)
    prediction = SlicePrediction.of(masks, np.array([0.5, np.nan], np.float32), np.zeros((2, 8, 8), np.float16))
    line = ((3, 2, 1), (5, 2, 1), (5, 4, 1))
    session.accept(1, click.slice, (click, ScribblePrompt(line), LassoPrompt(line, positive=False)), prediction)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.session.json")
        save_session(path, session)
        return [Sample(path.name, path.read_bytes())]


def _table() -> list[Sample]:
    return [Sample("a.csv", b"volume,prompts,output,frame,series\na.nii,p.json,b.nii,,\nc.nii,p.json,d.nii,2,1.2.3\n")]


_JSON = (b"null", b"true", b"[]", b"{}", b'""', b"[" * 3000, b"9" * 400, b"\xff", b'"label":2,', b",", b"\\ud800")
_NRRD = (
    b"\ndata file: ../outside.raw\n",
    b"\ndata file:=../outside.raw\n",
    b"\na:=data file: ../outside.raw\n",
    b"\ndata file:../outside.raw\n",
    b"\ndata file: ../outside.raw :=\n",
    b"\nkey:=x\rdata file: ../outside.raw\n",
    b"\ndatafile: LIST\n../outside.raw\n",
    b":=",
    b": ",
    b"\nencoding: bzip2\n",
    b"\n\n",
)
_META = (
    b"ElementDataFile = ../outside.raw\n",
    b"CompressedData = True\n",
    b"ElementNumberOfChannels = 3\n",
    b"NDims = 9\n",
)
_TAGS = (b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0", b"\xff\xff\xff\xff", b"\x7f\xe0\x00\x10", b"SQ", b"UN", b"DS", b"OW")

FORMATS = {
    "nifti": Format(_nifti, (b"n+1\0", b"n+2\0", b"ni1\0", b"\x80\x7f", b"\xff\x7f", b"\x1f\x8b"), read_checked),
    "nrrd": Format(lambda: _itk("a.nrrd"), NUMBERS + _NRRD, read_checked),
    "metaimage": Format(lambda: _itk("a.mha"), NUMBERS + _META, read_checked),
    "dicom": Format(_dicom, NUMBERS + _TAGS, read_checked),
    "prompts": Format(_prompts, NUMBERS + _JSON, lambda path: read_prompts(path, GEOMETRY)),
    "markups": Format(_markups, NUMBERS + _JSON, lambda path: read_prompts(path, GEOMETRY)),
    "model": Format(_model, NUMBERS + _JSON, _read_model),
    "session": Format(_session, NUMBERS + _JSON, lambda path: restore_session(path, *_session_world())),
    "checkpoint": Format(_parts(fuzz_structures.checkpoint_parts), fuzz_structures.PICKLE_TOKENS, read_any_checkpoint),
    "header": Format(_parts(fuzz_structures.header_parts), NUMBERS + _JSON, read_any_checkpoint),
    "rows": Format(_parts(fuzz_structures.rows_parts), NUMBERS + _JSON, read_any_checkpoint),
    "card": Format(_parts(fuzz_structures.card_parts), NUMBERS + _JSON, fuzz_structures.read_any_model),
    "work": Format(_parts(fuzz_structures.work_folder_parts), NUMBERS + _JSON, fuzz_structures.read_state),
    "scene": Format(_parts(fuzz_structures.scene_parts), NUMBERS + _NRRD + fuzz_structures.SCENE_TOKENS, read_scene),
    "table": Format(_table, (b",", b'"', b"\n", b"\r", b"\0", b"\xff", b"../", b";", b"a" * 200_000), read_table),
}
