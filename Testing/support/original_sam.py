"""SAM and MedSAM as their authors run them: segment_anything's own predictor, and MedSAM's published steps."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from skimage import transform
from torch import nn

from dfqsam_core.network.architecture import Architecture


def original_sam(architecture: Architecture, tensors: Mapping[str, np.ndarray]) -> Any:
    """A `segment_anything.modeling.Sam` of any size with these weights."""
    a, modeling = architecture, _segment_anything().modeling
    encoder = modeling.ImageEncoderViT(
        img_size=a.image_size,
        patch_size=a.patch_size,
        embed_dim=a.embed_dim,
        depth=a.depth,
        num_heads=a.num_heads,
        mlp_ratio=a.mlp_dim / a.embed_dim,
        out_chans=a.out_chans,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=a.window_size,
        global_attn_indexes=a.global_attn_indexes,
    )
    prompts = modeling.PromptEncoder(
        embed_dim=a.out_chans,
        image_embedding_size=(a.grid, a.grid),
        input_image_size=(a.image_size, a.image_size),
        mask_in_chans=16,
    )
    two_way = modeling.TwoWayTransformer(depth=2, embedding_dim=a.out_chans, mlp_dim=2048, num_heads=8)
    decoder = modeling.MaskDecoder(transformer_dim=a.out_chans, transformer=two_way)
    sam = modeling.Sam(encoder, prompts, decoder)
    sam.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in tensors.items()})
    return sam.eval()


def original_predictor(sam: Any) -> Any:
    """`segment_anything.SamPredictor` on it."""
    return _segment_anything().SamPredictor(sam)


@torch.no_grad()
def medsam_mask(sam: Any, image: np.ndarray, box_xyxy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """MedSAM's answer to a box: mask (H, W) bool and probabilities (H, W); image: uint8 (H, W) or (H, W, 3).

    The steps of MedSAM_Inference.py, in their order; its 1024 is the network's own side here.
    """
    side = sam.image_encoder.img_size
    colours = np.repeat(image[:, :, None], 3, axis=-1) if image.ndim == 2 else image
    height, width = colours.shape[:2]
    square = medsam_square(colours, side)
    stretched = (square - square.min()) / np.clip(square.max() - square.min(), a_min=1e-8, a_max=None)
    embedding = sam.image_encoder(torch.tensor(stretched).float().permute(2, 0, 1)[None])
    scaled = torch.as_tensor(box_xyxy[None] / np.array([width, height, width, height]) * side, dtype=torch.float)
    sparse, dense = sam.prompt_encoder(points=None, boxes=scaled[:, None, :], masks=None)
    logits, _ = sam.mask_decoder(
        image_embeddings=embedding,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=False,
    )
    full = nn.functional.interpolate(
        torch.sigmoid(logits), size=(height, width), mode="bilinear", align_corners=False
    ).squeeze()
    return full.numpy() > 0.5, full.numpy()


def medsam_square(colours: np.ndarray, side: int) -> np.ndarray:
    """A picture uint8 (H, W, 3) as MedSAM's script resizes it, (side, side, 3)."""
    square = transform.resize(colours, (side, side), order=3, preserve_range=True, anti_aliasing=True)
    resized: np.ndarray = square.astype(np.uint8)
    return resized


@functools.cache
def _segment_anything() -> ModuleType:
    """The installed package; what it takes from torchvision is a line of Pillow each."""
    functional = ModuleType("torchvision.transforms.functional")
    functional.to_pil_image = Image.fromarray
    functional.resize = lambda picture, size: picture.resize(size[::-1], Image.Resampling.BILINEAR)
    boxes = ModuleType("torchvision.ops.boxes")
    boxes.batched_nms = boxes.box_area = None
    names = ("torchvision", "torchvision.transforms", "torchvision.ops")
    stand_ins = {name: ModuleType(name) for name in names} | {each.__name__: each for each in (functional, boxes)}
    if importlib.util.find_spec("torchvision") is not None:
        return importlib.import_module("segment_anything")
    with patch.dict(sys.modules, stand_ins):
        return importlib.import_module("segment_anything")
