"""Synthetic images get better and come from the seed alone, and a stopped run goes on as if it never stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from dfqsam_core.errors import ConfigError, OutputError  # noqa: E402
from dfqsam_core.model import SamMed2D  # noqa: E402
from dfqsam_core.progress import Cancelled, Progress  # noqa: E402
from dfqsam_core.quant import QuantConfig  # noqa: E402
from dfqsam_core.quant.synthesis.asking import Answers  # noqa: E402
from dfqsam_core.quant.synthesis.auxiliary import AuxiliarySegmenter  # noqa: E402
from dfqsam_core.quant.synthesis.label_evolution import EvolutionRules, LabelEvolution  # noqa: E402
from dfqsam_core.quant.synthesis.losses import segmentation_loss  # noqa: E402
from dfqsam_core.quant.synthesis.masks import contrast, tight_boxes  # noqa: E402
from dfqsam_core.quant.synthesis.preview_pictures import write_preview  # noqa: E402
from dfqsam_core.quant.synthesis.start_images import random_blobs, random_generator, start_image  # noqa: E402
from dfqsam_core.quant.synthesis.synthesis import Synthesizer, SyntheticImage, jitter, synthesize  # noqa: E402
from dfqsam_core.quant.synthesis.work_folder import WorkFolder  # noqa: E402
from dfqsam_core.resources import resource_path  # noqa: E402
from Testing.support.quantized import toy_checkpoint, toy_config  # noqa: E402


@pytest.fixture(scope="module")
def model() -> SamMed2D:
    return SamMed2D.from_checkpoint(toy_checkpoint())


def config(**changes):  # type: ignore[no-untyped-def]
    return replace(toy_config(images=2, iterations=24).synthesis, **changes)


def disc(size: int, x: int, y: int, radius: int) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def test_optimising_lowers_the_segmentation_loss_and_raises_the_predicted_iou() -> None:
    """T13, on the embedded model: a random one has no opinion that could rise."""
    model = SamMed2D.from_checkpoint(resource_path("Models/sam-med2d_demo.safetensors"))
    settings = replace(QuantConfig.from_recipe("fast").synthesis, iterations=20, evolve_fraction=0)
    synthesizer = Synthesizer(model, settings, 0)
    start = image = synthesizer.start(0)
    with synthesizer.tap:
        for _ in range(20):
            image = synthesizer.step(0, image)
    (loss_before, iou_before), (loss_after, iou_after) = judge(synthesizer, start), judge(synthesizer, image)
    assert loss_after < 0.8 * loss_before
    assert iou_after > iou_before
    assert float(image.pixels.min()) >= 0
    assert float(image.pixels.max()) <= 1


def judge(synthesizer: Synthesizer, image: SyntheticImage) -> tuple[float, float]:
    """Segmentation loss on the tight boxes of the labels, and the mean predicted IoU."""
    model, size = synthesizer.model, synthesizer.size
    with torch.no_grad():
        embedding = model.image_encoder(synthesizer.network_input(image.pixels))
        logits, predicted = model.decode(embedding, boxes=tight_boxes(image.labels))
    best, rows = predicted.argmax(1), torch.arange(len(predicted))
    masks = torch.nn.functional.interpolate(logits[rows, best][:, None], (size, size), mode="bilinear")[:, 0]
    return float(segmentation_loss(masks, predicted[rows, best], image.labels.float())), float(predicted.amax(1).mean())


def assert_same_images(images: list[SyntheticImage], others: list[SyntheticImage]) -> None:
    for image, other in zip(images, others, strict=True):
        assert torch.equal(image.pixels, other.pixels)
        assert torch.equal(image.labels, other.labels)


def test_images_depend_on_the_seed_and_not_on_the_threads(model: SamMed2D) -> None:
    one, two = (synthesize(model, config(iterations=3), 5, threads=n) for n in (1, 2))
    other = synthesize(model, config(iterations=3), 6)
    assert_same_images(one, two)
    assert not torch.equal(one[0].pixels, other[0].pixels)
    assert not torch.equal(one[0].pixels, one[1].pixels)


def test_a_cancelled_run_goes_on_to_the_same_images(model: SamMed2D, tmp_path: Path) -> None:
    undisturbed = synthesize(model, config(), 1)

    def stop_at_22(progress: Progress) -> None:
        if progress.done >= 22:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        synthesize(model, config(), 1, work=WorkFolder(tmp_path, {"run": 1}, resume=False), progress=stop_at_22)
    assert list(tmp_path.glob("image_*.safetensors"))
    resumed = synthesize(model, config(), 1, work=WorkFolder(tmp_path, {"run": 1}, resume=True))
    assert_same_images(undisturbed, resumed)


def test_the_model_stays_frozen(model: SamMed2D) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    synthesize(model, config(iterations=2), 0)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(parameter.grad is not None for parameter in model.parameters())


def test_labels_and_image_are_shifted_alike() -> None:
    image = torch.arange(64.0).view(1, 1, 8, 8)
    label = image[0] > 40
    moved, moved_label = jitter(image, 3, True), jitter(label, 3, True)
    assert torch.equal(moved_label, moved[0] > 40)


@pytest.mark.parametrize("seed", range(5))
def test_start_has_one_to_three_blobs_of_allowed_size(seed: int) -> None:
    blobs = random_blobs(256, random_generator(seed))
    share = blobs.float().mean((1, 2))
    assert 1 <= len(blobs) <= 3
    assert bool(((share > 0.001) & (share < 0.2)).all())
    for kind, number in (("anatomy", 0), ("anatomy", 1), ("noise", 0)):
        pixels = start_image(kind, blobs, random_generator(seed, 1), number)
        assert pixels.shape == (1, 1, 256, 256)
        assert 0 <= float(pixels.min()) < float(pixels.max()) <= 1


def test_no_blob_of_a_tiny_image_is_empty() -> None:
    """One without a pixel has no box to ask a model by: synthesis ended in an error of torch."""
    blobs = [random_blobs(16, random_generator(seed, 0, 0)) for seed in range(200)]
    assert all(bool(blob.flatten(1).any(1).all()) for blob in blobs)


@pytest.mark.parametrize("seed", range(8))
def test_every_other_painted_image_is_a_body_on_an_empty_ground(seed: int) -> None:
    blobs = random_blobs(256, random_generator(seed))
    body, tissue = (start_image("anatomy", blobs, random_generator(seed, 1), number)[0, 0] for number in (0, 1))
    border = lambda image: torch.cat([image[0], image[-1], image[:, 0], image[:, -1]])  # noqa: E731
    assert float(border(body).median()) < 0.2
    assert float(body[96:160, 96:160].mean()) > float(border(body).median())
    assert float(border(tissue).std()) > 0.1
    assert float(body.std()) > 0.05


def test_painted_images_show_their_blobs(model: SamMed2D) -> None:
    """Each differs in grey from what surrounds it, where nothing painted later lies on it."""
    for number in (0, 1):
        for seed in range(4):
            blob = disc(256, 128, 128, 20)
            pixels = start_image("anatomy", blob[None], random_generator(seed, 1), number)[0, 0]
            ring = disc(256, 128, 128, 26) & ~disc(256, 128, 128, 22)
            assert abs(float(pixels[disc(256, 128, 128, 17)].mean() - pixels[ring].mean())) > 0.01


# No mask is ever full enough or sure enough to join or to replace a label.
KEEP = EvolutionRules(joining=0, most_fill=0, keep_agreement=0)


def bright(*masks: torch.Tensor) -> torch.Tensor:
    """Noise in which each mask stands out, the later ones more."""
    pixels = 0.02 * torch.randn(1, 1, 64, 64, generator=random_generator(0))
    for number, mask in enumerate(masks):
        pixels[0, 0, mask] += 0.3 + 0.1 * number
    return pixels


def test_only_masks_of_sensible_size_and_form_that_cover_no_other_may_join(model: SamMed2D) -> None:
    good, tiny, huge, box = disc(64, 20, 20, 6), disc(64, 50, 50, 1), disc(64, 32, 32, 30), torch.zeros(64, 64) > 0
    box[40:52, 40:52] = True
    label, other = disc(64, 12, 50, 5), disc(64, 50, 14, 5)
    masks = torch.stack([other, good, tiny, huge, box, disc(64, 20, 21, 6), disc(64, 12, 50, 2)])
    evolution = LabelEvolution(model, EvolutionRules(least_area=0.005), 2)
    clicked = Answers(masks, torch.tensor([0.8, 0.9, 0.9, 0.9, 0.9, 0.85, 0.9]))
    found = evolution.best_apart(clicked, [label], bright(*masks, label))
    assert [bool(torch.equal(mask, wanted)) for mask, wanted in zip(found, [good, other], strict=True)] == [True, True]


def test_only_the_largest_part_of_a_mask_joins(model: SamMed2D) -> None:
    crumb = disc(64, 55, 55, 2)
    clicked = Answers((disc(64, 20, 20, 8) | crumb)[None], torch.tensor([0.9]))
    (found,) = LabelEvolution(model, EvolutionRules(), 2).best_apart(clicked, [], bright(disc(64, 20, 20, 8)))
    assert torch.equal(found, disc(64, 20, 20, 8))


def test_a_mask_joins_only_where_it_stands_out(model: SamMed2D) -> None:
    """Contrast: (mean inside - mean around) / standard deviation, here by NumPy."""
    mask, evolution = disc(64, 30, 30, 8), LabelEvolution(model, EvolutionRules(), 2)
    near = torch.zeros(64, 64, dtype=torch.bool)
    for x, y in torch.nonzero(mask).flip(1).tolist():
        near[y - 5 : y + 6, x - 5 : x + 6] = True
    noise = 0.5 + 0.1 * torch.randn(1, 1, 64, 64, generator=random_generator(0))
    for step, joins in ((0.0, False), (0.07, False), (-0.13, True), (0.2, True)):
        pixels = noise + step * mask
        inside, around = (pixels[0, 0][where].numpy() for where in (mask, near & ~mask))
        spread = np.sqrt((inside.var(ddof=1) + around.var(ddof=1)) / 2)
        assert contrast(pixels, mask) == pytest.approx(abs(inside.mean() - around.mean()) / spread, rel=1e-4)
        found = evolution.best_apart(Answers(mask[None], torch.tensor([0.9])), [], pixels)
        assert len(found) == joins


def test_evolution_never_loses_the_last_label_and_respects_the_limit(model: SamMed2D) -> None:
    with torch.no_grad():
        pixels, embedding = torch.zeros(1, 1, 64, 64), model.image_encoder(torch.zeros(1, 3, 64, 64))
        labels = torch.stack([disc(64, 30, 30, 8)])
        strict = LabelEvolution(model, replace(KEEP, keep_agreement=1.1), 2)
        assert torch.equal(strict.step(pixels, embedding, labels, random_generator(0)), labels)
        apart = [disc(64, x, y, 5) for x in (10, 30, 50) for y in (10, 50)]
        limited = LabelEvolution(model, replace(KEEP, most_labels=4), 2)
        evolved = limited.step(pixels, embedding, labels, random_generator(0), apart)
    assert torch.equal(evolved, torch.stack([labels[0], *apart[:3]]))


def test_boxes_enclose_the_largest_component_with_exclusive_far_corners() -> None:
    mask = disc(64, 30, 20, 5) | disc(64, 5, 55, 2)
    assert tight_boxes(mask[None]).tolist() == [[25, 15, 36, 26]]


class ThreeClasses(torch.nn.Module):
    """Scores by brightness: background, gray, bright."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat([0.3 - image, 0.2 - (image - 0.5).abs(), image - 0.7], dim=1) * 20


def test_an_auxiliary_segmenter_adds_labels_and_a_loss(model: SamMed2D, tmp_path: Path) -> None:
    path = tmp_path / "auxiliary.pt"
    torch.jit.script(ThreeClasses()).save(str(path))
    auxiliary = AuxiliarySegmenter(path)
    image = torch.zeros(1, 1, 64, 64)
    image[0, 0][disc(64, 20, 20, 6)] = 0.5
    image[0, 0][disc(64, 45, 45, 8)] = 1.0
    labels = auxiliary.labels(image, 0.002)
    assert {int(label.sum()) for label in labels} == {int(disc(64, 20, 20, 6).sum()), int(disc(64, 45, 45, 8).sum())}
    pixels = image.clone().requires_grad_(True)
    auxiliary.cross_entropy(pixels, labels).backward()
    assert float(pixels.grad.abs().sum()) > 0
    with_it = synthesize(model, config(iterations=2, auxiliary=str(path)), 0)
    without = synthesize(model, config(iterations=2), 0)
    assert not torch.equal(with_it[0].pixels, without[0].pixels)


class Two(torch.nn.Module):
    """Answers with two tensors."""

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return image, image


@pytest.mark.parametrize(
    ("segmenter", "words"),
    [(torch.nn.Conv2d(3, 3, 1), "fails on an image of shape"), (Two(), "answers with no tensor")],
)
def test_an_auxiliary_segmenter_of_other_images_or_answers_is_refused(
    tmp_path: Path, segmenter: torch.nn.Module, words: str
) -> None:
    """It once ended in an error of torch."""
    torch.jit.script(segmenter).save(str(tmp_path / "auxiliary.pt"))
    auxiliary = AuxiliarySegmenter(tmp_path / "auxiliary.pt")
    with pytest.raises(ConfigError, match=words):
        auxiliary.scores(torch.zeros(1, 1, 64, 64))


def test_extra_masks_join_by_the_rule_of_overlap_and_only_once(model: SamMed2D) -> None:
    labels = torch.stack([disc(64, 20, 20, 8)])
    far, near = disc(64, 50, 50, 6), disc(64, 21, 20, 8)
    evolution = LabelEvolution(model, KEEP, 2)
    with torch.no_grad():
        pixels, embedding = torch.zeros(1, 1, 64, 64), model.image_encoder(torch.zeros(1, 3, 64, 64))
        once = evolution.step(pixels, embedding, labels, random_generator(0), [far, near])
        twice = evolution.step(pixels, embedding, once, random_generator(1), [far, near])
    assert torch.equal(once, torch.stack([labels[0], far]))
    assert torch.equal(twice, once)


def test_images_that_no_step_is_planned_for_are_shown_too(model: SamMed2D, tmp_path: Path) -> None:
    """`fast` calibrates on painted starts as they are: a person sees what on."""
    heard: list[Progress] = []
    images = synthesize(model, config(iterations=0), 0, preview_dir=tmp_path, progress=heard.append)
    assert [image.steps for image in images] == [0, 0]
    # Hundreds take a while: how many are left is told.
    assert (heard[-1].done, heard[-1].total) == (2, 2)
    assert len(list(tmp_path.glob("*.png"))) == 2
    assert sorted(found.message.split(",")[0] for found in heard if found.preview is not None) == ["image 1", "image 2"]


def test_a_picture_that_the_disk_has_no_place_for_leaves_no_empty_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin_and_fail(_image: Image.Image, path: Path) -> None:
        Path(path).touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", begin_and_fail)
    with pytest.raises(OutputError, match="No space left on device"):
        write_preview(tmp_path / "p", 0, 0, np.zeros((4, 8, 3), np.uint8))
    assert not list((tmp_path / "p").iterdir())
