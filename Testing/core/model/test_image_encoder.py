"""The networks against segment-anything's own modules."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest

torch = pytest.importorskip("torch")

from dfqsam_core.model import SamMed2D  # noqa: E402
from dfqsam_core.model.sam_modeling import sam_modeling  # noqa: E402
from dfqsam_core.network.architecture import Architecture  # noqa: E402
from Testing.support.toy import random_tensors, toy_architecture  # noqa: E402


def a_model(architecture: Architecture, seed: int = 3) -> SamMed2D:
    model = SamMed2D(architecture).eval().requires_grad_(False)
    for name, array in random_tensors(architecture, seed).items():
        model.state_dict()[name].copy_(torch.tensor(array))
    return model


def a_padded_encoder(model: SamMed2D) -> torch.nn.Module:
    a = model.architecture
    encoder = sam_modeling().ImageEncoderViT(
        img_size=a.image_size, patch_size=a.patch_size, embed_dim=a.embed_dim, depth=a.depth, num_heads=a.num_heads,
        mlp_ratio=a.mlp_dim / a.embed_dim, out_chans=a.out_chans, qkv_bias=True, use_rel_pos=True,
        window_size=a.window_size, global_attn_indexes=a.global_attn_indexes,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    ).eval()  # fmt: skip
    encoder.load_state_dict(model.image_encoder.state_dict())
    return encoder


@pytest.mark.parametrize("window", [3, 4, 7], ids=["padded", "exact fit", "larger than the grid"])
def test_pad_skipping_equals_the_padded_encoder_of_segment_anything(window: int) -> None:
    model = a_model(dataclasses.replace(toy_architecture(adapter_dim=0), window_size=window)).double()
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        difference = model.image_encoder(pixels) - a_padded_encoder(model).double()(pixels)
    assert float(difference.abs().max()) < 1e-12


def test_adapter_is_added_to_the_block_on_the_normalised_input() -> None:
    model = a_model(toy_architecture())
    block = model.image_encoder.blocks[0]
    x = torch.randn(1, 4, 4, 32, generator=torch.Generator().manual_seed(1))
    y = x + block.attn(block.norm1(x))
    normed = block.norm2(y)
    gate = torch.sigmoid(block.Adapter.channel[:3](normed.mean((1, 2))))
    spatial = block.Adapter.spatial((normed * gate[:, None, None]).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    adapter = torch.nn.functional.layer_norm(
        normed + spatial, (32,), block.Adapter.norm.weight, block.Adapter.norm.bias, 1e-5
    )
    torch.testing.assert_close(block(x), y + block.mlp(normed) + adapter)


def test_state_dict_has_exactly_the_checkpoint_names() -> None:
    architecture = toy_architecture()
    assert set(SamMed2D(architecture).state_dict()) == set(random_tensors(architecture, 0))


def test_segment_anything_is_not_left_under_its_public_name() -> None:
    import sys

    sam_modeling()
    assert "segment_anything" not in sys.modules or hasattr(sys.modules["segment_anything"], "__version__")
    assert "torchvision" not in sys.modules
