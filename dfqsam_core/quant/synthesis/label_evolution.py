"""Pseudo-positive label evolution: labels grow by the masks that the model itself is surest of (DFQ-SAM section 3.1).

The published script ranks the masks of a segmenter trained on patients and has no threshold on their scores. Here
SAM-Med2D ranks its own. What stands out from its surroundings and comes back when asked for in another way is an
object; noise does neither, however high the predicted IoU.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from ...model import SamMed2D
from ..config import SynthesisConfig
from .asking import Answers, ask_by_box, ask_by_click, point_grid
from .masks import box_fill, contrast, inner_points, is_covered, largest_parts


@dataclass(frozen=True)
class EvolutionRules:
    """Which masks join the labels, and which labels go. Areas are shares of the image, the rest shares of a mask.

    asked_again: so many of the best clicks' masks are asked again by their own box; joining: so many of these join at
    most in one step. least_agreement: IoU of a mask that joins with the answer to its own box, and its mean IoU with
    those to other_clicks clicks elsewhere in it. most_fill: of the box; a fuller mask is the prompt rather than an
    object. least_contrast: between a mask and what is around it, in standard deviations. keep_agreement: IoU of a label
    that stays with the answer to its box.
    """

    asked_again: int = 8
    joining: int = 2
    least_agreement: float = 0.85
    other_clicks: int = 3
    least_area: float = 0.002
    most_area: float = 0.12
    most_fill: float = 0.85
    least_contrast: float = 1.0
    most_labels: int = 12
    keep_agreement: float = 0.5

    @classmethod
    def of(cls, config: SynthesisConfig) -> EvolutionRules:
        """The rules that images of `config` follow."""
        return cls(least_agreement=config.evolve_agreement)


class LabelEvolution:
    """Evolves the labels of images against one model."""

    def __init__(self, model: SamMed2D, rules: EvolutionRules, grid_points: int) -> None:
        """grid_points: clicks along each side of the image."""
        self.model, self.rules, self.grid_points = model, rules, grid_points

    def step(
        self,
        pixels: Tensor,
        embedding: Tensor,
        labels: Tensor,
        generator: torch.Generator,
        extra: Iterable[Tensor] = (),
    ) -> Tensor:
        """One step: labels that the model no longer sees go, others are drawn anew, the surest masks join.

        pixels: (1, 1, S, S) in 0..1, that `embedding` is of. labels: bool (N, S, S), at least one. generator: where the
        clicks lie. extra: masks of another segmenter, which join after the model's own by the rule of overlap.
        Returns the new labels, bool (M, S, S), 1 <= M <= most_labels.
        """
        kept = self.renewed(embedding, labels)
        if len(kept) < self.rules.most_labels:
            for mask in [*self.candidates(pixels, embedding, kept, generator), *extra]:
                if len(kept) < self.rules.most_labels and not is_covered(mask, kept):
                    kept.append(mask)
        return torch.stack(kept)

    def renewed(self, embedding: Tensor, labels: Tensor) -> list[Tensor]:
        """The labels that their own box brings back, or else the one that it does best.

        A label becomes the model's own answer where that answer is the surer of the two, has an outline of its own and
        covers no other label.
        """
        answers = ask_by_box(self.model, embedding, labels)
        drawn = largest_parts(answers.masks)
        again = ask_by_box(self.model, embedding, drawn)
        agreement = answers.agreement(labels)
        stays = agreement >= self.rules.keep_agreement
        stays[agreement.argmax()] = True
        surer = again.sureness(drawn) > answers.sureness(labels)
        better = surer & self.has_outline(drawn)
        kept = [label for label, stay in zip(labels, stays, strict=True) if stay]
        for place, index in enumerate(torch.nonzero(stays)[:, 0].tolist()):
            others = kept[:place] + kept[place + 1 :]
            if better[index] and not is_covered(drawn[index], others):
                kept[place] = drawn[index]
        return kept

    def candidates(
        self, pixels: Tensor, embedding: Tensor, labels: list[Tensor], generator: torch.Generator
    ) -> list[Tensor]:
        """The surest masks of a grid of clicks that show something and cover none of `labels`, surest first."""
        grid = point_grid(self.model.architecture.image_size, self.grid_points, generator)
        found = self.best_apart(ask_by_click(self.model, embedding, grid), labels, pixels)
        if not found:
            return []
        masks = torch.stack(found)
        answers = ask_by_box(self.model, embedding, masks)
        agreed = answers.agreement(masks) >= self.rules.least_agreement
        order = answers.sureness(masks).argsort(descending=True, stable=True)
        surest = (masks[i] for i in order[agreed[order]].tolist())
        return list(islice((m for m in surest if self._is_shown(embedding, m, generator)), self.rules.joining))

    def best_apart(self, clicked: Answers, labels: list[Tensor], pixels: Tensor) -> list[Tensor]:
        """Masks that may join, by predicted IoU, none of which covers a label or one before it."""
        found: list[Tensor] = []
        order = clicked.predicted_iou.argsort(descending=True, stable=True)
        for mask in largest_parts(clicked.masks[order]):
            if len(found) == self.rules.asked_again:
                break
            if self.has_outline(mask[None]) and not is_covered(mask, labels + found) and self._stands_out(pixels, mask):
                found.append(mask)
        return found

    def _stands_out(self, pixels: Tensor, mask: Tensor) -> bool:
        """Whether a mask (S, S) is brighter or darker than what is around it."""
        return contrast(pixels, mask) >= self.rules.least_contrast

    def _is_shown(self, embedding: Tensor, mask: Tensor, generator: torch.Generator) -> bool:
        """Whether clicks at other places of a mask (S, S) bring it back."""
        points = inner_points(mask, self.rules.other_clicks, generator)
        agreement = ask_by_click(self.model, embedding, points).agreement(mask).mean()
        return float(agreement) >= self.rules.least_agreement

    def has_outline(self, masks: Tensor) -> Tensor:
        """Bool (N,): masks (N, S, S) of a sensible area that do not fill their box."""
        area, rules = masks.float().mean((1, 2)), self.rules
        return (area >= rules.least_area) & (area <= rules.most_area) & (box_fill(masks) <= rules.most_fill)
