"""`dfqsam segment` with a real model: a toy network in both of its forms."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
import SimpleITK
from safetensors.numpy import save_file

from dfqsam_core import load_model
from dfqsam_core.cli.main import main
from dfqsam_core.store.model_file import write_model
from dfqsam_core.volume import PropagationConfig, read_prompts, read_volume, segment_volume
from Testing.support.packed import packed_toy
from Testing.support.toy import random_tensors, toy_architecture

PROMPTS = {
    "coordinate_system": "IJK",
    "segments": [
        {
            "name": "organ",
            "label": 7,
            "prompts": [
                {"type": "box", "corners": [[20, 16, 4], [3, 2, 4]], "axis": "K"},
                {"type": "point", "position": [10, 9, 4], "positive": True, "axis": "K"},
            ],
        }
    ],
}


@pytest.fixture
def files(tmp_path):
    """A CT-like NIfTI, prompts, a packed and a float model."""
    voxels = np.random.default_rng(0).integers(-1000, 400, (24, 20, 9)).astype(np.int16)
    affine = np.array([[0, -0.8, 0, 30], [0.7, 0, 0, -12.5], [0, 0, 3, 100], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / "ct.nii.gz")
    (tmp_path / "prompts.json").write_text(json.dumps(PROMPTS))
    write_model(tmp_path / "packed.safetensors", packed_toy())
    tensors = random_tensors(toy_architecture(), 0)
    save_file({name: np.ascontiguousarray(t) for name, t in tensors.items()}, tmp_path / "float.safetensors")
    return tmp_path


def segment(files, *options, output="labels.nii.gz", model="packed", volume="ct.nii.gz"):
    paths = [files / volume, files / "prompts.json", "-m", files / f"{model}.safetensors", "-o", files / output]
    return main(["segment", *map(str, paths), "--threads", "1", "--progress", "none", *options])


@pytest.mark.parametrize("model", ["packed", "float"])
def test_labels_and_report_are_written(files, capsys, model):
    assert segment(files, "--report", str(files / "report.json"), model=model) == 0
    labels = SimpleITK.ReadImage(str(files / "labels.nii.gz"))
    array = SimpleITK.GetArrayFromImage(labels)
    source = SimpleITK.ReadImage(str(files / "ct.nii.gz"))
    assert labels.GetOrigin() == source.GetOrigin()
    assert labels.GetDirection() == source.GetDirection()
    assert set(np.unique(array)) <= {0, 7}
    assert array[[0, 1, 2, 3, 5, 6, 7, 8]].sum() == 0
    report = json.loads((files / "report.json").read_text())
    assert report["slices"][0]["slice"] == 4
    assert report["segments"][0]["voxels"] == np.count_nonzero(array)
    assert report["window"]["source"] == "auto: CT, abdomen"
    printed = capsys.readouterr().out
    assert "organ (label 7), slice K 4" in printed
    assert "labels.nii.gz" in printed


def test_every_output_format_holds_the_same_labels(files):
    for name in ("labels.nii.gz", "labels.nrrd", "labels.mha", "labels.seg.nrrd"):
        assert segment(files, output=name) == 0
    arrays = [SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))) for path in files.glob("labels.*")]
    assert len(arrays) == 4
    for array in arrays[1:]:
        np.testing.assert_array_equal(array, arrays[0])


def test_a_propagated_segment_is_reported_with_its_stops(files, capsys):
    prompts = json.loads(json.dumps(PROMPTS))
    prompts["segments"][0]["propagate"] = {"first": 2, "last": 6}
    (files / "prompts.json").write_text(json.dumps(prompts))
    assert segment(files, "--report", str(files / "report.json")) == 0
    report = json.loads((files / "report.json").read_text())
    stops = report["segments"][0]["propagation"]["stops"]
    assert [stop["direction"] for stop in stops] == [-1, 1]
    assert all(stop["reason"] for stop in stops)
    assert "stopped" in capsys.readouterr().out


def test_a_thorough_propagation_to_known_ends_says_its_cost_beforehand_and_where_to_prompt_next(files, capsys):
    prompts = json.loads(json.dumps(PROMPTS))
    prompts["segments"][0] |= {
        "propagate": {"first": 0, "last": 6, "thorough": True},
        "extent": {"first": 2, "last": 5},
    }
    (files / "prompts.json").write_text(json.dumps(prompts))
    assert segment(files, "--report", str(files / "report.json"), "--progress", "bars") == 0
    told = capsys.readouterr()
    found = json.loads((files / "report.json").read_text())["segments"][0]["propagation"]
    assert found["thorough"].startswith("Thorough looks at about ")
    assert found["thorough"] in " ".join(told.err.split())
    assert [stop["last_index"] for stop in found["stops"]] == [2, 5]
    assert f"one more prompt would help most on slice {found['next_prompt']}" in told.out
    labels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(files / "labels.nii.gz")))
    assert np.flatnonzero((labels == 7).any(axis=(1, 2))).tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"output": "labels.png"}, "must end in"),
        ({"output": "none/labels.nii.gz"}, "does not exist"),
        ({"volume": "none.nii"}, "No such file"),
        ({"model": "prompts"}, "prompts.safetensors"),
        ({"volume": "prompts.json"}, "not a volume"),
    ],
)
def test_wrong_input_exits_2_with_a_sentence_and_writes_nothing(files, capsys, options, words):
    assert segment(files, **options) == 2
    assert words in capsys.readouterr().err
    assert not list(files.glob("labels*"))


def test_a_wrong_window_or_frame_exits_2(files, capsys):
    assert segment(files, "--window", "wide") == 2
    assert segment(files, "--frame", "3") == 2
    assert "there is no frame 3" in capsys.readouterr().err


def test_nothing_is_overwritten_without_force(files, capsys):
    (files / "labels.nii.gz").write_bytes(b"precious")
    assert segment(files) == 2
    assert (files / "labels.nii.gz").read_bytes() == b"precious"
    assert "--force" in capsys.readouterr().err
    assert segment(files, "--force") == 0
    assert nibabel.load(files / "labels.nii.gz").shape == (24, 20, 9)


STROKES = [
    {"type": "scribble", "path": [[4, 4, 4], [12, 5, 4], [15, 14, 4]]},
    {"type": "lasso", "vertices": [[2, 2, 4], [20, 2, 4], [20, 17, 4], [2, 17, 4]]},
    {"type": "scribble", "path": [[6, 14, 4], [9, 15, 4]], "positive": False},
    {"type": "lasso", "vertices": [[3, 3, 4], [3, 6, 4], [6, 6, 4]], "positive": False},
    {"type": "roi", "corners": [[3, 4, 6], [18, 12, 8]]},
]


@pytest.mark.parametrize("model", ["packed", "float"])
def test_strokes_and_a_3d_box_are_segmented(files, model):
    """By a network whose mask prompt has 16 x 16 cells; nothing outside the lasso, nor on slices without a prompt."""
    segments = [PROMPTS["segments"][0] | {"prompts": STROKES}]
    (files / "prompts.json").write_text(json.dumps(PROMPTS | {"segments": segments}))
    assert segment(files, "--report", str(files / "report.json"), model=model) == 0
    report = json.loads((files / "report.json").read_text())
    assert [(row["axis"], row["slice"], row["prompts"]) for row in report["slices"]] == [
        ("K", 4, 4), ("K", 6, 1), ("K", 7, 1), ("K", 8, 1)
    ]  # fmt: skip
    array = np.asarray(nibabel.load(files / "labels.nii.gz").dataobj)
    assert array[2:21, 2:18, 4].sum() == array[:, :, 4].sum() > 0
    assert array[:, :, [0, 1, 2, 3, 5]].sum() == 0


def test_a_stroke_that_cannot_be_meant_ends_with_a_sentence_and_code_2(files, capsys):
    stroke = {"type": "scribble", "path": [[4, 4, 4], [12, 5, 5]]}
    segments = [PROMPTS["segments"][0] | {"prompts": [stroke]}]
    (files / "prompts.json").write_text(json.dumps(PROMPTS | {"segments": segments}))
    assert segment(files) == 2
    assert "A scribble must lie on one slice; it has voxels on K = 4 and on K = 5" in capsys.readouterr().err
    assert not (files / "labels.nii.gz").exists()


def test_a_correction_that_takes_all_away_is_a_note(files):
    prompts = json.loads(json.dumps(PROMPTS))
    around = [[0, 0, 5], [23, 0, 5], [23, 19, 5], [0, 19, 5]]
    prompts["segments"][0] |= {
        "propagate": {"first": 3, "last": 5},
        "corrections": [{"type": "lasso", "vertices": around, "positive": False, "axis": "K"}],
    }
    (files / "prompts.json").write_text(json.dumps(prompts))
    # Any mask is carried on by the toy, whose estimates mean nothing.
    anywhere = PropagationConfig(min_predicted_iou=0, min_overlap=0, max_area_ratio=1000, min_stability=0)
    volume = read_volume(files / "ct.nii.gz")
    given = read_prompts(files / "prompts.json", volume.geometry)
    result = segment_volume(volume, given, load_model(files / "packed.safetensors", threads=1), propagation=anywhere)
    assert result.labels_kji[3].any()
    assert not result.labels_kji[5].any()
    (note,) = result.report["correction_notes"]
    assert note.startswith("organ: The prompt on slice K 5 took away all that the segment had there")
    assert note in result.notes
