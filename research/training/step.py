"""One training step: a box or a click, then corrections with the previous mask fed back, as SAM-Med2D trains."""

from __future__ import annotations

import torch
from torch import Tensor

from dfqsam_core.model.sam_med2d import SamMed2D

from .batches import Batch
from .losses import PLAIN, Weighing, pick, prompt_loss, upsample
from .network import decode, embed, mixed_precision
from .prompts import NO_POINT, correction_clicks, first_prompts
from .randomness import Rng

BOX_SHARE = 0.5
CORRECTION_WEIGHT = 0.5
# Clicks added by the passes after the first one; the most frequent plan is the interactive evaluation's own.
CLICK_PLANS = ((1, 1), (1, 1), (1, 1), (1, 2), (1, 4), (2, 2))


def step_loss(
    model: SamMed2D,
    batch: Batch,
    rng: Rng,
    weighing: Weighing = PLAIN,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of a batch, and what to log: loss and IoU of the first pass (box, point), IoU of the last pass."""
    prompts = len(batch.masks) // len(batch.pixels)
    with mixed_precision(rng.device):
        embedding = embed(model, batch.pixels)
    owned = embedding[:, None].expand(-1, prompts, -1, -1, -1).flatten(0, 1)
    points, labels = first_prompts(rng, batch.masks, BOX_SHARE)
    ambiguous = labels[:, 1] == NO_POINT
    previous: Tensor | None = None
    total, weight, log = points.new_zeros(()), 1.0, {}
    for clicks in (0, *CLICK_PLANS[rng.host.integers(len(CLICK_PLANS))]):
        if clicks and previous is not None:
            where, kind = correction_clicks(rng, upsample(previous, batch.masks.shape[-1]) > 0, batch.masks, clicks)
            points, labels = torch.cat([points, where], 1), torch.cat([labels, kind], 1)
        with mixed_precision(rng.device):
            fed_back = None if previous is None else previous.sigmoid()[:, None]
            logits, quality = decode(model, owned, points, labels, fed_back)
        loss, true = prompt_loss(logits, quality, batch, ambiguous & (clicks == 0), weighing)
        total, weight = total + weight * loss, CORRECTION_WEIGHT
        chosen = torch.gather(true, 1, quality.argmax(1)[:, None])[:, 0]
        if previous is None:
            log = {"loss": loss.detach(), "box": _mean(chosen, ~ambiguous), "point": _mean(chosen, ambiguous)}
        log["last"] = chosen.mean()
        previous = pick(logits, quality).detach()
    return total, log


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    return (values * chosen).sum() / chosen.sum().clamp(min=1)
