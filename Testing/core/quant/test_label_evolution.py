"""Labels grow by what the model sees, with the rules that ship, on the embedded model.

What a mask lies on is asked of the engine that segments (onnxruntime), not of the network that evolved the labels.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dfqsam_core.model import SamMed2D  # noqa: E402
from dfqsam_core.quant import QuantConfig  # noqa: E402
from dfqsam_core.quant.synthesis.asking import ask_by_click, point_grid  # noqa: E402
from dfqsam_core.quant.synthesis.label_evolution import EvolutionRules, LabelEvolution  # noqa: E402
from dfqsam_core.quant.synthesis.start_images import random_blobs, random_generator, start_image  # noqa: E402
from dfqsam_core.quant.synthesis.synthesis import Synthesizer, SyntheticImage, synthesize  # noqa: E402
from dfqsam_core.quant.synthesis.work_folder import WorkFolder  # noqa: E402
from dfqsam_core.resources import resource_path  # noqa: E402
from dfqsam_core.runtime import SamPredictor, load_model  # noqa: E402

CHECKPOINT = resource_path("Models/sam-med2d_demo.safetensors")
# Half of the recipe's steps: as much evolution as a test has time for.
RECIPE = replace(QuantConfig.from_recipe("default").synthesis, iterations=20)
SEED = 0


@pytest.fixture(scope="module")
def model() -> SamMed2D:
    return SamMed2D.from_checkpoint(CHECKPOINT)


@pytest.fixture(scope="module")
def painted(model: SamMed2D) -> list[SyntheticImage]:
    """Three finished images."""
    return synthesize(model, replace(RECIPE, images=3), SEED)


def starts(images: int) -> list[np.ndarray]:
    """Labels (N, 256, 256) before the first step."""
    return [random_blobs(256, random_generator(SEED, 0, index)).numpy() for index in range(images)]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return np.logical_and(a, b).sum() / np.logical_or(a, b).sum()


def agreement(image: SyntheticImage, masks: np.ndarray) -> list[float]:
    """IoU of each of `masks` (N, 256, 256) with what the engine answers to its box."""
    predictor = SamPredictor(load_model(CHECKPOINT, threads=1))
    predictor.set_image((255 * image.pixels[0, 0].numpy()).round().astype(np.uint8))
    found = []
    for mask in masks:
        rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
        box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
        answers, predicted_iou, _ = predictor.predict(box=box)
        found.append(iou(mask, answers[predicted_iou.argmax()]))
    return found


def test_from_painted_starts_the_labels_at_least_double(painted: list[SyntheticImage]) -> None:
    for image, first in zip(painted, starts(len(painted)), strict=True):
        assert 2 * len(first) <= len(image.labels) <= EvolutionRules().most_labels


def test_every_mask_that_joined_lies_on_something(painted: list[SyntheticImage]) -> None:
    joined = 0
    for image, first in zip(painted, starts(len(painted)), strict=True):
        # Labels that stay keep their places; what joined comes after them.
        masks = image.labels[len(first) :].numpy()
        assert min(agreement(image, masks)) >= 0.8
        joined += len(masks)
    assert joined >= 6


def test_no_label_is_covered_by_half_of_the_smaller_of_two(painted: list[SyntheticImage]) -> None:
    for image in painted:
        for a, b in combinations(image.labels.numpy(), 2):
            assert np.logical_and(a, b).sum() < 0.5 * min(a.sum(), b.sum())


@pytest.mark.parametrize("seed", range(3))
def test_nothing_joins_and_no_label_becomes_a_rectangle_on_noise(model: SamMed2D, seed: int) -> None:
    """Asked by the box of a label, the model fills that box with a high predicted IoU where there is only noise."""
    synthesizer = Synthesizer(model, RECIPE, seed)
    labels = random_blobs(256, random_generator(seed, 0))
    noise = start_image("noise", labels, random_generator(seed, 1))
    with torch.no_grad():
        embedding = model.image_encoder(synthesizer.network_input(noise))
        evolved = synthesizer.evolution.step(noise, embedding, labels, random_generator(seed, 2))
    assert len(evolved) <= len(labels)
    for label in evolved.numpy():
        box = np.nonzero(label.any(1))[0].size * np.nonzero(label.any(0))[0].size
        assert label.sum() <= 0.85 * box or any(np.array_equal(label, first) for first in labels.numpy())


@pytest.mark.parametrize("seed", range(2))
def test_in_noise_only_the_one_thing_that_is_there_joins(model: SamMed2D, seed: int) -> None:
    """From noise, labels once joined that looked like their surroundings."""
    synthesizer = Synthesizer(model, RECIPE, seed)
    rows, columns = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    thing = ((rows - 90) / 28) ** 2 + ((columns - 100) / 40) ** 2 <= 1
    label = ((rows - 200) ** 2 + (columns - 200) ** 2 <= 15**2)[None]
    pixels = start_image("noise", label, random_generator(seed, 1))
    pixels[0, 0, thing] = (pixels[0, 0, thing] + 0.4).clamp(0, 1)
    with torch.no_grad():
        embedding = model.image_encoder(synthesizer.network_input(pixels))
        joined = synthesizer.evolution.candidates(pixels, embedding, list(label), random_generator(seed, 2))
    assert [iou(mask.numpy(), thing.numpy()) > 0.8 for mask in joined] == [True]


def test_evolved_labels_survive_a_kill(painted: list[SyntheticImage], model: SamMed2D, tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "work", {}, resume=False)
    work.save(0, vars(painted[0]))
    state = work.load(0)
    assert state is not None
    synthesizer = Synthesizer(model, replace(RECIPE, iterations=30, evolve_every=5), SEED)
    restored = synthesizer.restored(state)
    assert torch.equal(restored.labels, painted[0].labels)
    with synthesizer.tap:
        undisturbed, resumed = (synthesizer.step(0, image) for image in (painted[0], restored))
    assert torch.equal(undisturbed.labels, resumed.labels)
    assert torch.equal(undisturbed.pixels, resumed.pixels)


def test_a_small_mask_inside_a_large_label_does_not_join(model: SamMed2D) -> None:
    """An 80 x 80 mask joined over a label of 12 x 12: the overlap was divided by the new mask alone."""
    label, mask = torch.zeros(1, 256, 256, dtype=torch.bool), torch.zeros(256, 256, dtype=torch.bool)
    label[0, 100:112, 100:112] = True
    mask[80:160, 80:160] = True
    evolution = LabelEvolution(model, EvolutionRules(joining=0, keep_agreement=0), 2)
    with torch.no_grad():
        pixels, embedding = torch.zeros(1, 1, 256, 256), model.image_encoder(torch.zeros(1, 3, 256, 256))
        for small, large in ((label, mask), (mask[None], label[0])):
            assert len(evolution.step(pixels, embedding, small, random_generator(0), [large])) == 1


def test_many_clicks_are_answered_as_each_is_alone(model: SamMed2D) -> None:
    points = point_grid(256, 5, random_generator(SEED, 1, 0))
    with torch.no_grad():
        embedding = model.image_encoder(model.normalize(torch.rand(1, 3, 256, 256) * 255))
        answers = ask_by_click(model, embedding, points)
        for index in (0, 15, 16, 24):
            alone = ask_by_click(model, embedding, points[index : index + 1])
            assert float(answers.predicted_iou[index]) == pytest.approx(float(alone.predicted_iou[0]), abs=1e-4)
            assert float((answers.masks[index] == alone.masks[0]).float().mean()) > 0.999
