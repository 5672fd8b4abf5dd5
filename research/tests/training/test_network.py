from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from research.training.initial import start  # noqa: E402
from research.training.network import decode, embed, trainable  # noqa: E402


@pytest.fixture
def a_network():
    model = start("tiny", None)[0].eval()
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "rel_pos" in name or name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    return model.requires_grad_(False)


def test_decode_of_many_prompts_equals_one_at_a_time(a_network):
    pixels = torch.randint(0, 256, (2, 256, 256)).float()
    embedding = embed(a_network, pixels)
    points = torch.tensor([[[20.0, 30.0], [120.0, 90.0]], [[64.0, 70.0], [0.0, 0.0]]])
    labels = torch.tensor([[2, 3], [1, -1]])
    logits, quality = decode(a_network, embedding, points, labels, None)
    box = a_network.decode(embedding[:1], boxes=torch.tensor([[20.0, 30.0, 120.0, 90.0]]))
    point = a_network.decode(embedding[1:], points=(points[1:, :1], labels[1:, :1]))
    torch.testing.assert_close(logits, torch.cat([box[0], point[0]]), atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(quality, torch.cat([box[1], point[1]]), atol=1e-4, rtol=1e-4)


def test_decode_with_a_previous_mask_equals_the_projects_decode(a_network):
    embedding = embed(a_network, torch.randint(0, 256, (1, 256, 256)).float())
    points, labels = torch.tensor([[[40.0, 50.0], [90.0, 60.0], [0.0, 0.0]]]), torch.tensor([[1, 0, -1]])
    mask = torch.rand(1, 1, 64, 64)
    logits, _ = decode(a_network, embedding, points, labels, mask)
    expected, _ = a_network.decode(embedding, points=(points[:, :2], labels[:, :2]), mask_probabilities=mask)
    torch.testing.assert_close(logits, expected, atol=2e-4, rtol=1e-4)


def test_the_laboratory_model_trains_no_vit_weight():
    named = set(trainable(start("tiny", None)[0], "laboratory"))
    assert "image_encoder.blocks.0.Adapter.norm.weight" in named
    assert "mask_decoder.iou_token.weight" in named
    blocks = {name for name in named if name.startswith("image_encoder.blocks")}
    assert all("Adapter" in name or "rel_pos" in name for name in blocks)
