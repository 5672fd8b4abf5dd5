"""The trained compact SAM-Med2D at its real size, on a real slice: engine against torch, click by click."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core.runtime import SamPredictor, load_model
from dfqsam_core.runtime.preprocess import network_pixels

torch = pytest.importorskip("torch")

from dfqsam_core.model import SamMed2D  # noqa: E402


def test_the_float_engine_answers_as_torch_does(shared: Path) -> None:
    weights = shared / "models" / "sam-med2d_t.safetensors"
    image = sitk.GetArrayFromImage(
        sitk.ReadImage(str(shared / "data/slices2d/sam_med2d_demo/images/amos_0507_31.png"))
    )[:, :, 0]
    assert image.shape == (290, 320)
    network = SamMed2D.from_checkpoint(weights)
    predictor = SamPredictor(load_model(weights, threads=1))
    predictor.set_image(image)
    box = np.array([100, 80, 220, 190], np.float32)
    masks, iou_predictions, low_res_masks = predictor.predict(box=box)
    with torch.no_grad():
        pixels = torch.from_numpy(network_pixels(image, 256)).permute(2, 0, 1)[None].float()
        embedding = network.image_encoder(network.normalize(pixels))
        scaled = torch.from_numpy(box * np.tile([256 / 320, 256 / 290], 2).astype(np.float32))
        logits, iou = network.decode(embedding, boxes=scaled[None])
        square = torch.nn.functional.interpolate(logits, (256, 256), mode="bilinear", align_corners=False)
        full = torch.nn.functional.interpolate(square, image.shape, mode="bilinear", align_corners=False)[0].numpy()
    np.testing.assert_allclose(predictor.get_image_embedding(), embedding.numpy(), atol=2e-5)
    np.testing.assert_allclose(low_res_masks, logits[0].numpy(), atol=1e-3)
    np.testing.assert_allclose(iou_predictions, iou[0].numpy(), atol=1e-4)
    clear = np.abs(full) > 1e-3
    np.testing.assert_array_equal(masks[clear], full[clear] > 0)
    assert 0 < masks.sum() < masks.size
