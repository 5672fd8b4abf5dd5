"""What training fixed and no tensor tells: how a network wants its images and prompts, and how its masks are meant.

Sources: segment_anything 1.0 (utils/transforms.py, modeling/sam.py, predictor.py); MedSAM's MedSAM_Inference.py and
train_one_gpu.py; SAM-Med2D's predictor_sammed.py. docs/how/conventions.md has them side by side.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError, PromptError
from .architecture import Architecture
from .pixels import PIXEL_MEAN, PIXEL_STD

PromptKind = Literal["point", "box", "mask"]
Triple = tuple[float, float, float]

_SAM_IMAGE_SIZE = 1024


@dataclass(frozen=True)
class Conventions:
    """Everything between a picture and a network, and between the network and a mask; the code asks these entries.

    name: in cards, options and files. title: for people.
    interpolation: of the picture; "bilinear" is Pillow's with antialiasing, "bicubic" a cubic spline behind a Gaussian
        filter, rounded down, as scikit-image's `resize` of order 3 with anti_aliasing.
    keeps_aspect: the longest side becomes the network's, right and bottom are filled with the mean (0 once normalised);
        otherwise both sides are stretched.
    stretches_values: each picture's least and largest value become 0 and 255, after it was resized.
    pixel_mean, pixel_std: what is subtracted and divided by then, on the 0..255 scale, in the network's channel order.
    channel_order: of the network.
    output_token: "best" of the tokens 1 to 3 by predicted IoU; "ambiguous": of these where one prompt alone is given,
        else token 0; "single": token 0.
    mask_prompt: what the mask prompt holds; None where there is none.
    prompts: the kinds that the network was trained with.
    resized_masks: what is interpolated to the picture: "logits", by way of the network's square and without its
        padding, or "probabilities", straight from the low-resolution mask.
    predicts_iou: whether the head that estimates IoU was trained.
    """

    name: str
    title: str
    interpolation: Literal["nearest", "bilinear", "bicubic"]
    keeps_aspect: bool
    stretches_values: bool
    pixel_mean: Triple
    pixel_std: Triple
    channel_order: Literal["RGB", "BGR"]
    output_token: Literal["best", "ambiguous", "single"]
    mask_prompt: Literal["probabilities", "logits"] | None
    prompts: frozenset[PromptKind]
    resized_masks: Literal["logits", "probabilities"]
    predicts_iou: bool

    @property
    def has_whole_pixels(self) -> bool:
        """True where the network's pixels are whole numbers, uint8; a mean that fills up and stretched values are not.

        Otherwise they are float32 on the same 0..255 scale.
        """
        return not (self.keeps_aspect or self.stretches_values)

    def resized_shape(self, image_shape: tuple[int, int], size: int) -> tuple[int, int]:
        """Rows and columns that a picture of shape (H, W) takes of the network's square of `size`, from its corner.

        The rounding is that of segment_anything's ResizeLongestSide.
        """
        if not self.keeps_aspect:
            return size, size
        scale = size / max(image_shape)
        height, width = (max(1, int(side * scale + 0.5)) for side in image_shape)
        return height, width

    def gives_candidates(self, points: int, has_box: bool, has_mask: bool) -> bool:
        """Return whether the tokens 1 to 3 answer these prompts, the best of them by predicted IoU, instead of token 0.

        Kirillov et al. (2023): SAM gives one mask where several prompts leave no doubt of what is meant.
        """
        if self.output_token == "ambiguous":
            return points + has_box <= 1 and not has_mask
        return self.output_token == "best"

    def check_prompts(self, kinds: Collection[PromptKind]) -> None:
        """Raise PromptError for kinds of prompts that the network was not trained with."""
        if not self.prompts.issuperset(kinds):
            raise PromptError(self.why_refused(kinds))

    def why_refused(self, kinds: Collection[PromptKind]) -> str:
        """A sentence on kinds of prompts that the network was not trained with; empty where there are none."""
        unknown, known = sorted({*kinds} - self.prompts), sorted(self.prompts)
        if not unknown:
            return ""
        return (
            f"{self.title} was trained with {_listed(known)} alone, not with {_listed(unknown)}. "
            f"Draw a {known[0]} and clear the slice of what else it has, or choose another model."
        )


SAM_MED2D = Conventions(
    name="sam-med2d",
    title="SAM-Med2D",
    interpolation="nearest",
    keeps_aspect=False,
    stretches_values=False,
    pixel_mean=PIXEL_MEAN,
    pixel_std=PIXEL_STD,
    channel_order="BGR",
    output_token="best",
    mask_prompt="probabilities",
    prompts=frozenset({"point", "box", "mask"}),
    resized_masks="logits",
    predicts_iou=True,
)
SAM = Conventions(
    name="sam",
    title="SAM",
    interpolation="bilinear",
    keeps_aspect=True,
    stretches_values=False,
    pixel_mean=PIXEL_MEAN,
    pixel_std=PIXEL_STD,
    channel_order="RGB",
    output_token="ambiguous",
    mask_prompt="logits",
    prompts=frozenset({"point", "box", "mask"}),
    resized_masks="logits",
    predicts_iou=True,
)
MEDSAM = Conventions(
    name="medsam",
    title="MedSAM",
    interpolation="bicubic",
    keeps_aspect=False,
    stretches_values=True,
    pixel_mean=(0.0, 0.0, 0.0),
    pixel_std=(255.0, 255.0, 255.0),
    channel_order="RGB",
    output_token="single",
    mask_prompt=None,
    prompts=frozenset({"box"}),
    resized_masks="probabilities",
    predicts_iou=False,
)
CONVENTIONS = {conventions.name: conventions for conventions in (SAM_MED2D, SAM, MEDSAM)}


def told_by(architecture: Architecture) -> bool:
    """Return whether a network of this architecture is SAM-Med2D's without a doubt: by its adapters, or by its size.

    Without adapters and for 1024-pixel images it is SAM's or MedSAM's, whose tensors have the same names and shapes.
    """
    return architecture.has_adapters or architecture.image_size != _SAM_IMAGE_SIZE


def conventions_named(name: str) -> Conventions:
    """The conventions of a name in cards and options; raises ConfigError for another one."""
    if name not in CONVENTIONS:
        raise ConfigError(f"There are no conventions {name!r}. Choose from: {', '.join(CONVENTIONS)}.")
    return CONVENTIONS[name]


def _listed(kinds: Collection[PromptKind]) -> str:
    return " and ".join({"box": "boxes", "point": "points", "mask": "masks"}[kind] for kind in kinds)
