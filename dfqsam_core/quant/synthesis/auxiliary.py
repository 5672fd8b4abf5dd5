"""An optional second segmenter, as in the published script: it adds labels and a pixel-wise cross-entropy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from ...errors import ConfigError, short

EIGHT_NEIGHBOURS = np.ones((3, 3), int)


class AuxiliarySegmenter:
    """Per-pixel class scores of a gray image in 0..1, from a TorchScript or ONNX file.

    The file maps an image (1, 1, S, S) to scores (1, classes, S', S').
    A TorchScript file also gives gradients and hence the cross-entropy; onnxruntime gives none, so an ONNX file only
    adds labels.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise ConfigError(
                f"The auxiliary segmenter {path} does not exist. Give a TorchScript (.pt) or ONNX (.onnx) file."
            )
        self.has_gradient = self.path.suffix != ".onnx"
        self._scores = _load_torchscript(self.path) if self.has_gradient else _load_onnx(self.path)

    def scores(self, image: Tensor) -> Tensor:
        """Class scores (1, classes, S, S) of `image` (1, 1, S, S), class 0 being background."""
        try:
            scores = self._scores(image.cpu())
        except Exception as error:  # those of TorchScript and of onnxruntime share no public base class
            raise ConfigError(
                f"The auxiliary segmenter {self.path.name} fails on an image of shape {tuple(image.shape)}: "
                f"{short(str(error))}. Give one for gray images."
            ) from error
        shape = tuple(scores.shape) if isinstance(scores, Tensor) else ()
        if len(shape) != 4 or shape[0] != 1 or shape[1] < 2:
            raise ConfigError(
                f"The auxiliary segmenter {self.path.name} answers with {f'shape {shape}' if shape else 'no tensor'}; "
                "it must be (1, classes, height, width) with at least two classes."
            )
        return F.interpolate(scores.to(image.device), image.shape[-2:], mode="bilinear", align_corners=False)

    def labels(self, image: Tensor, least_area: float, keep: int = 2) -> Tensor:
        """The `keep` components of each class with the highest mean probability, bool (N, S, S).

        Components smaller than the part `least_area` of the image are left out.
        """
        with torch.no_grad():
            probability = self.scores(image)[0].softmax(0).cpu().numpy()
        winner, found = probability.argmax(0), []
        for number in range(1, len(probability)):
            parts, count = ndimage.label(winner == number, EIGHT_NEIGHBOURS)
            means = ndimage.mean(probability[number], parts, range(1, count + 1)) if count else []
            best = [int(i) + 1 for i in np.argsort(means)[::-1][:keep]]
            found += [parts == part for part in best if (parts == part).mean() >= least_area]
        return torch.from_numpy(np.array(found, bool).reshape(-1, *winner.shape)).to(image.device)

    def cross_entropy(self, image: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of the scores of `image` against the classes that they themselves give inside `labels`.

        Outside of every label the class is background.
        """
        scores = self.scores(image)
        with torch.no_grad():
            target = torch.zeros(scores.shape[-2:], dtype=torch.long, device=image.device)
            for label in labels:
                target[label] = 1 + int(scores[0, 1:, label].mean(1).argmax()) if label.any() else 0
        return F.cross_entropy(scores, target[None])


def _load_torchscript(path: Path) -> Callable[[Tensor], Tensor]:
    try:
        return torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"The auxiliary segmenter {path} is not a TorchScript file. Save it with torch.jit.save."
        ) from error


def _load_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no public base class
        raise ConfigError(f"The auxiliary segmenter {path} is not an ONNX model that onnxruntime can run.") from error
    name = session.get_inputs()[0].name
    return lambda image: torch.from_numpy(session.run(None, {name: image.detach().numpy()})[0])
