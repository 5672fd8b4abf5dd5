from __future__ import annotations

import numpy as np
import pytest

from dfqsam_core.network.architecture import Architecture
from Testing.support.packed_toy import float_toy, random_pixels
from Testing.support.reference_encoder import ReferenceEncoder
from Testing.support.toy import toy_architecture

NO_WINDOWS = Architecture(16, 1, 2, 24, window_size=0, global_attn_indexes=(0,), image_size=32, patch_size=8)
EXACT_WINDOWS = Architecture(24, 2, 3, 16, 4, window_size=2, global_attn_indexes=(1,), image_size=64, patch_size=16)


@pytest.mark.parametrize(
    "architecture",
    [toy_architecture(), toy_architecture(adapter_dim=0), NO_WINDOWS, EXACT_WINDOWS],
    ids=["adapters", "stock SAM", "global only", "windows that fit"],
)
def test_the_graph_equals_the_plain_definition(encode, architecture) -> None:
    model = float_toy(1, architecture)
    pixels = random_pixels(architecture, 2)
    embedding = encode(model, pixels)["image_embedding"]
    expected = ReferenceEncoder(model)(pixels)
    assert embedding.shape == (1, 256, architecture.grid, architecture.grid)
    np.testing.assert_allclose(embedding, expected, atol=2e-5)


def test_the_graph_equals_the_torch_network(encode) -> None:
    torch = pytest.importorskip("torch")
    from dfqsam_core.model.sam_med2d import SamMed2D

    model = float_toy(3)
    network = SamMed2D(model.architecture).eval()
    network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in model.tensors.items()})
    pixels = random_pixels(model.architecture, 4)
    with torch.no_grad():
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
        expected = network.image_encoder(network.normalize(image)).numpy()
    np.testing.assert_allclose(encode(model, pixels)["image_embedding"], expected, atol=2e-5)


def test_channels_keep_their_own_statistics(encode) -> None:
    model = float_toy()
    pixels = random_pixels(model.architecture)
    swapped = encode(model, pixels[:, :, ::-1].copy())["image_embedding"]
    assert not np.allclose(encode(model, pixels)["image_embedding"], swapped, atol=1e-2)
