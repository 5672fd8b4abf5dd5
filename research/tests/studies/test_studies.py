"""The studies' parts, on networks and slices that take no time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

torch = pytest.importorskip("torch")
pytest.importorskip("skimage")

from dfqsam_core.evaluate import LabelledSlice  # noqa: E402
from dfqsam_core.evaluate.variants import changed  # noqa: E402
from dfqsam_core.quant import QuantConfig  # noqa: E402
from dfqsam_core.quant.synthesis.synthesis import synthesize  # noqa: E402
from dfqsam_core.store.checkpoint import read_checkpoint  # noqa: E402
from dfqsam_core.volume import WindowLevel  # noqa: E402
from research.studies import drop_adapters, report_rows, robustness, studies_page  # noqa: E402
from research.studies.mobilesam.network import MobileSam, MobileSamPredictor  # noqa: E402
from research.studies.mobilesam.simulate import simulate  # noqa: E402
from research.studies.mobilesam.tiny_vit import TinyViTSizes, folded  # noqa: E402
from research.studies.perturbations import PERTURBATIONS, perturbed  # noqa: E402
from Testing.support.quantized import toy_checkpoint_file  # noqa: E402

WINDOW = WindowLevel(400, 40)


def slice_of(modality: str) -> LabelledSlice:
    """A bright disc of water density in air."""
    y, x = np.mgrid[:96, :96] - 47.5
    disc = x**2 + y**2 < 30**2
    values = np.where(disc, 60.0, -1000.0)
    return LabelledSlice("case", modality, 5, WINDOW.apply(values), {"disc": disc}, (2.0, 2.0), values, WINDOW)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_perturbation_changes_the_picture_alone_and_the_same_way_each_time(name: str) -> None:
    modality = "MR" if "(MR)" in name else "CT"
    slice_ = slice_of(modality)
    worse, again = (perturbed(slice_, PERTURBATIONS[name], 0) for _ in range(2))
    assert worse is not None
    assert again is not None
    assert worse.image.dtype == np.uint8
    assert worse.image.shape == slice_.image.shape
    assert np.array_equal(worse.image, again.image)
    assert (worse.image != slice_.image).any()
    assert worse.masks is slice_.masks
    # The disc stays where it was and stays brighter than the air.
    assert worse.image[slice_.masks["disc"]].mean() > worse.image[~slice_.masks["disc"]].mean()


@pytest.mark.parametrize(("name", "modality"), [("low dose (CT)", "MR"), ("bias field (MR)", "CT")])
def test_a_perturbation_of_the_other_modality_makes_no_sense(name: str, modality: str) -> None:
    assert perturbed(slice_of(modality), PERTURBATIONS[name], 0) is None


def test_low_dose_noise_has_no_bias_inside() -> None:
    slice_ = slice_of("CT")
    noisy = perturbed(slice_, PERTURBATIONS["low dose (CT)"], 0)
    assert noisy is not None
    inside = noisy.image[30:66, 30:66].astype(float) - slice_.image[30:66, 30:66]
    assert abs(inside.mean()) < 8
    assert 1 < inside.std() < 40


def test_the_robustness_table_of_a_model_against_itself(tmp_path: Path) -> None:
    images, masks = tmp_path / "data" / "images", tmp_path / "data" / "masks"
    images.mkdir(parents=True)
    masks.mkdir()
    slice_ = slice_of("CT")
    sitk.WriteImage(sitk.GetImageFromArray(slice_.image), str(images / "s.png"))
    sitk.WriteImage(sitk.GetImageFromArray(slice_.masks["disc"].astype(np.uint8)), str(masks / "s_1.png"))
    model, table = toy_checkpoint_file(tmp_path), tmp_path / "t.md"
    line = [str(model), "--reference", str(model), "--data", str(tmp_path / "data"), "--output", str(table)]
    assert robustness.main([*line, "--draws", "1", "--threads", "1"]) == 0
    lines = table.read_text().splitlines()
    # Windows, low dose and bias fields need more than a picture.
    assert len(lines) == 3 + sum("window" not in n and "dose" not in n and "bias" not in n for n in PERTURBATIONS)
    assert all("| +0.00 |" in line for line in lines[2:])
    assert robustness.main([*line[:-1], str(tmp_path / "no" / "t.md")]) == 2


# One block a stage, windows that need padding, 64 pixels.
SMALL = TinyViTSizes((16, 16, 32, 32), (1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 4, 3), (2, 2, 1), 64)


@pytest.fixture
def small() -> MobileSam:
    """MobileSAM with a tiny encoder and random weights."""
    torch.manual_seed(0)
    return MobileSam(SMALL).eval().requires_grad_(False)


def test_batch_normalisation_folds_exactly() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Sequential()
    layer.add_module("c", torch.nn.Conv2d(3, 4, 3, bias=False))
    layer.add_module("bn", torch.nn.BatchNorm2d(4))
    layer(5 * torch.randn(8, 3, 9, 9))
    layer.eval()
    tensors = folded({f"x.{name}": value for name, value in layer.state_dict().items() if "num_batches" not in name})
    x = torch.randn(2, 3, 9, 9)
    torch.testing.assert_close(torch.nn.functional.conv2d(x, tensors["x.c.weight"], tensors["x.c.bias"]), layer(x))


def test_the_simulation_quantizes_everything_and_more_bits_are_better(small: MobileSam) -> None:
    images = small.normalize(255 * torch.rand(2, 1, 64, 64).expand(-1, 3, -1, -1))
    exact, errors = small.image_encoder(images), []
    state = {name: value.clone() for name, value in small.state_dict().items()}
    for bits in (4, 8):
        model = MobileSam(SMALL).eval()
        model.load_state_dict(state)
        model.requires_grad_(False)
        assert simulate(model.image_encoder, images, QuantConfig.from_recipe("fast", bits=bits)) == 37
        errors.append(float((model.image_encoder(images) - exact).norm() / exact.norm()))
    assert 0 < errors[1] < 0.3 * errors[0]


def test_the_synthesis_takes_mobilesam_as_it_is(small: MobileSam) -> None:
    config = changed(QuantConfig.from_recipe("fast", images=1, iterations=2), {"synthesis.grid_points": 2})
    (image,) = synthesize(small, config.synthesis, 0)  # type: ignore[arg-type]
    assert image.pixels.shape == (1, 1, 64, 64)
    assert image.steps == 2


def test_the_predictor_keeps_the_aspect_ratio(small: MobileSam) -> None:
    predictor = MobileSamPredictor(small)
    predictor.set_image(np.zeros((40, 20), np.uint8))
    masks, iou, low = predictor.predict(box=np.array([2, 3, 10, 30], np.float32))
    assert (masks.shape, iou.shape, low.shape) == ((3, 40, 20), (3,), (3, 16, 16))
    assert predictor.scale == 64 / 40


def test_the_page_of_studies_leaves_out_what_was_not_run(tmp_path: Path) -> None:
    (tmp_path / "one.md").write_text("| a |\n")
    template = "# Studies\n\n## One\n\n{one.md}\n\nMade by: x\n\n## Two\n\n{two.md}\n"
    assert studies_page.page(template, tmp_path) == "# Studies\n\n## One\n\n| a |\n\nMade by: x\n\n"


def test_a_checkpoint_without_adapters_is_one(tmp_path: Path) -> None:
    source, off = toy_checkpoint_file(tmp_path), tmp_path / "off.safetensors"
    assert drop_adapters.main([str(source), "--out", str(off)]) == 0
    assert not read_checkpoint(off).architecture.has_adapters
    assert drop_adapters.main([str(source), "--out", str(off)]) == 2


def test_reports_become_lines_of_one_table(tmp_path: Path) -> None:
    part = {"model": {"mean": 0.7}, "reference": {"mean": 0.8}, "agreement": {"mean": 0.9}, "objects": 3}
    row = part | {"drop": {"mean": 0.1, "low": 0.05, "high": 0.2}, "prompt": "box", "modality": "all"}
    report = {"protocol": {"prompts": ["box"]}, "rows": [row | {"modality": "CT", "objects": 1}, row]}
    (tmp_path / "r.json").write_text(json.dumps(report))
    assert list(report_rows.table([f"mine={tmp_path / 'r.json'}"]))[2:] == [
        "| mine | 3 | 0.700 | 0.800 | +10.00 [+5.00, +20.00] | 0.900 |"
    ]
