"""The fused attention of the training answers as the network's own does, with the same gradients."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from research.training.fused_attention import fuse_attention  # noqa: E402
from research.training.network import build, embed  # noqa: E402


def test_fused_attention_changes_neither_answers_nor_gradients():
    torch.manual_seed(0)
    model = build("tiny")
    for name, parameter in model.image_encoder.named_parameters():
        if "rel_pos" in name or name.endswith("qkv.bias"):
            torch.nn.init.normal_(parameter, std=0.5)
    parameters = [p for n, p in model.named_parameters() if n.startswith("image_encoder.")]
    pixels = 255 * torch.rand(2, 256, 256)
    before = embed(model, pixels)
    wanted = torch.autograd.grad(before.square().mean(), parameters)
    names = set(model.state_dict())
    fuse_attention(model)
    after = embed(model, pixels)
    assert set(model.state_dict()) == names
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
    for one, other in zip(torch.autograd.grad(after.square().mean(), parameters), wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)
