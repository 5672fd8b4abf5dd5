"""A model that the quantization itself made: the engine against the plain integer reference of `quant`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dfqsam_core.runtime import load_model
from dfqsam_core.store.model_file import write_model
from Testing.support.packed_toy import random_pixels
from Testing.support.reference_encoder import ReferenceEncoder

torch = pytest.importorskip("torch")

from dfqsam_core.quant.reference import load_reference  # noqa: E402
from Testing.support.quantized import quantized_toy  # noqa: E402


@pytest.mark.parametrize("adapter_dim", [0, 8])
def test_engine_and_references_agree(adapter_dim: int, tmp_path: Path) -> None:
    _, packed = quantized_toy(adapter_dim=adapter_dim)
    write_model(tmp_path / "model.safetensors", packed)
    model = load_model(tmp_path / "model.safetensors", threads=1)
    network = load_reference(packed)
    pixels = random_pixels(packed.architecture, seed=1)
    with torch.no_grad():
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
        expected = network.image_encoder(network.normalize(image)).numpy()
    embedding = model.encode(pixels)
    for other in (expected, ReferenceEncoder(packed)(pixels)):
        # Floats round in another order, so single codes may flip; everything else would move the whole embedding.
        assert np.abs(embedding - other).mean() < 0.02 * np.abs(expected).mean()
    box = np.array([[[10, 12], [50, 40]]], np.float32)
    with torch.no_grad():
        masks, iou = network.decode(torch.from_numpy(embedding), boxes=torch.from_numpy(box.reshape(1, 4)))
    ours, our_iou = model.decode(embedding, box, np.array([[2, 3]]))
    np.testing.assert_allclose(ours[:, 1:], masks.numpy(), atol=1e-4)
    np.testing.assert_allclose(our_iou[:, 1:], iou.numpy(), atol=1e-5)
