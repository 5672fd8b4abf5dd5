"""The loss terms on inputs small enough to judge by hand."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from dfqsam_core.quant.synthesis.losses import (  # noqa: E402
    ENTROPY_FLOOR,
    density_entropy,
    patch_similarity_entropy,
    segmentation_loss,
    total_variation,
)


def test_spread_similarities_have_more_entropy_than_peaked_ones() -> None:
    spread = torch.linspace(-1, 1, 2000)[None]
    peaked = torch.cat([torch.full((1, 1990), 0.2), torch.linspace(-1, 1, 10)[None]], 1)
    assert float(density_entropy(spread, 64)) > float(density_entropy(peaked, 64)) + 0.5


def test_entropy_of_a_uniform_density_is_the_logarithm_of_its_width() -> None:
    values = torch.linspace(0, 2, 4001)[None]
    assert float(density_entropy(values, 128)) == pytest.approx(0.693, abs=0.03)


def test_every_pair_of_patches_gets_a_gradient() -> None:
    attention = torch.randn(1, 12, 2, 8, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    patch_similarity_entropy(attention, 64).backward()
    assert bool((attention.grad.abs().sum((0, 2, 3)) > 0).all())


def test_one_patch_is_like_no_other() -> None:
    """A network for images of one patch once ended in an error of torch."""
    assert float(patch_similarity_entropy(torch.randn(1, 1, 2, 8), 64)) == 0


def test_tokens_left_out_have_no_say() -> None:
    attention = torch.randn(1, 12, 2, 8, generator=torch.Generator().manual_seed(0))
    changed = attention.clone()
    changed[:, 9:] = 7.0
    tokens = torch.arange(9)
    assert torch.equal(patch_similarity_entropy(attention, 32, tokens), patch_similarity_entropy(changed, 32, tokens))
    assert not torch.equal(patch_similarity_entropy(attention, 32), patch_similarity_entropy(changed, 32))


def test_segmentation_loss_prefers_the_right_mask_and_an_honest_iou() -> None:
    target = torch.zeros(1, 16, 16)
    target[:, 4:12, 4:12] = 1
    right, wrong = 20 * target - 10, 10 - 20 * target
    honest = segmentation_loss(right, torch.tensor([1.0]), target)
    assert float(honest) < 0.01
    assert float(segmentation_loss(right, torch.tensor([0.5]), target)) > float(honest) + 0.2
    assert float(segmentation_loss(wrong, torch.tensor([0.0]), target)) > 10


def test_total_variation_of_a_ramp_is_its_slope() -> None:
    ramp = torch.arange(8.0).expand(1, 1, 8, 8) * 0.1
    # Horizontal and both diagonal differences are the slope, vertical ones are zero.
    assert float(total_variation(ramp)) == pytest.approx(0.075, abs=1e-4)


def test_kernels_too_far_to_count_change_neither_entropy_nor_gradient() -> None:
    values = (torch.rand(2, 500, generator=torch.Generator().manual_seed(0)) - 0.2).requires_grad_(True)
    entropy = density_entropy(values, 64)
    entropy.backward()
    low, high = values.detach().amin(1, keepdim=True), values.detach().amax(1, keepdim=True)
    nodes = low + (high - low) * torch.linspace(0, 1, 64)
    width = ((high - low) / 63)[..., None]
    whole = values.detach().clone().requires_grad_(True)
    kernel = torch.exp(-0.5 * ((nodes[..., None] - whole[:, None, :]) / width).square())
    density = kernel.mean(2) / (width[..., 0] * math.sqrt(2 * math.pi)) + ENTROPY_FLOOR
    expected = -torch.trapezoid(density * density.log(), nodes, dim=1).mean()
    expected.backward()
    assert torch.equal(entropy, expected)
    assert torch.equal(values.grad, whole.grad)
