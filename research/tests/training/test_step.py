from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from research.training import evaluate, step  # noqa: E402
from research.training.batches import Batch  # noqa: E402
from research.training.initial import start  # noqa: E402
from research.training.losses import PLAIN, Weighing, prompt_loss  # noqa: E402
from research.training.optimise import Optimiser  # noqa: E402
from research.training.randomness import Rng  # noqa: E402
from research.training.schedule import Schedule  # noqa: E402


@pytest.fixture
def a_batch():
    masks = torch.zeros(2, 256, 256, dtype=torch.bool)
    masks[0, 60:140, 50:170] = True
    masks[1, 20:200, 90:150] = True
    return Batch(masks * 180.0 + 20, masks, torch.ones(2, dtype=torch.bool), torch.ones(2, dtype=torch.bool))


def test_mixed_precision_gives_finite_gradients(a_batch, monkeypatch):
    monkeypatch.setattr(step, "mixed_precision", lambda device: torch.autocast("cpu", torch.bfloat16))
    model = start("tiny", None)[0]
    loss, _ = step.step_loss(model, a_batch, Rng("cpu", 0))
    loss.backward()
    gradients = [parameter.grad for parameter in model.image_encoder.parameters()]
    assert loss.dtype == torch.float32
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_a_few_steps_lower_the_loss(a_batch):
    model = start("tiny", None)[0]
    optimiser = Optimiser(dict(model.named_parameters()), Schedule(40))
    losses = []
    for number in range(12):
        loss, log = step.step_loss(model, a_batch, Rng("cpu", 0))
        optimiser.step(loss, number)
        losses.append(float(log["loss"]))
    assert losses[-1] < 0.8 * losses[0]


def test_a_step_with_bad_gradients_changes_nothing():
    weight = torch.nn.Parameter(torch.ones(2, 2))
    optimiser = Optimiser({"weight": weight}, Schedule(10))
    optimiser.step((weight * torch.nan).sum(), 0)
    assert torch.equal(weight.detach(), torch.ones(2, 2))


def test_every_prompt_of_a_target_is_answered(a_batch):
    from research.training.validation import Case

    case = Case("CT", "squashed", a_batch.pixels[0].numpy().astype("uint8"), a_batch.masks[:1].numpy())
    (answer,) = evaluate.evaluate(start("tiny", None)[0].eval(), [case])
    assert set(answer.dice) == {"box", "1pt", "3pt", "5pt", "best of 3", "ellipse"}
    assert 0.85 < answer.dice["ellipse"] < 0.9


def test_the_rate_scales_every_learning_rate():
    weight = torch.nn.Parameter(torch.ones(2, 2))
    full, half = (
        Optimiser({"weight": weight}, Schedule(10), rate=rate).adam.param_groups[0]["base"] for rate in (1.0, 0.5)
    )
    assert half == full / 2


def test_a_click_on_a_region_teaches_no_preference_among_masks_where_annotations_alone_do(a_batch):
    region = replace(a_batch, annotated=torch.zeros(2, dtype=torch.bool))
    logits = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    strict = Weighing(annotated_quality=True)
    for batch, ambiguous, weighing, taught in (
        (region, True, strict, False),
        (region, False, strict, True),
        (a_batch, True, strict, True),
        (region, True, PLAIN, True),
    ):
        quality = torch.full((2, 3), 0.5, requires_grad=True)
        loss, _ = prompt_loss(logits, quality, batch, torch.full((2,), ambiguous), weighing)
        loss.backward()
        assert bool(quality.grad.abs().sum() > 0) == taught


def test_the_spread_of_a_click_weighs_all_three_masks(a_batch):
    logits = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    found = []
    for spread, ambiguous in ((0.0, True), (0.2, True), (0.2, False), (0.7, False)):
        answer = logits.clone().requires_grad_()
        weighing = Weighing(click_spread=spread)
        prompt_loss(answer, torch.zeros(2, 3), a_batch, torch.full((2,), ambiguous), weighing)[0].backward()
        found.append(answer.grad.flatten(2).abs().sum(-1).gt(0).sum().item())
    assert found[0] == 2  # the best mask of each target alone
    assert found[1:] == [6, 6, 6]
