"""Slices as worse or other scanners and habits would show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import ndimage
from skimage.transform import iradon, radon, resize

from dfqsam_core.evaluate import LabelledSlice
from dfqsam_core.volume import WindowLevel

# Of water at 70 keV, per mm; photons of one ray of the weakest beam.
WATER_PER_MM, PHOTONS = 0.019, 5e3
_DOSE_SIDE, _DOSE_ANGLES = 256, 180
Perturbation = Callable[[LabelledSlice, np.random.Generator], np.ndarray | None]


def noise(deviation: float) -> Perturbation:
    """White noise of `deviation` gray values."""
    return lambda slice_, rng: _gray(slice_.image + rng.normal(0, deviation, slice_.image.shape))


def blur(sigma: float) -> Perturbation:
    """Gaussian blur of `sigma` pixels of the 256 x 256 square."""

    def apply(slice_: LabelledSlice, _: np.random.Generator) -> np.ndarray:
        height, width = slice_.image.shape[:2]
        sigmas = (sigma * height / 256, sigma * width / 256, *[0] * (slice_.image.ndim - 2))
        return _gray(ndimage.gaussian_filter(slice_.image.astype(float), sigmas))

    return apply


def coarse(factor: int) -> Perturbation:
    """A grid `factor` times as coarse, its pixels shown as blocks."""

    def apply(slice_: LabelledSlice, _: np.random.Generator) -> np.ndarray:
        height, width = slice_.image.shape[:2]
        small = resize(slice_.image, (height // factor, width // factor), order=1, anti_aliasing=True)
        return _gray(255 * resize(small, (height, width), order=0))

    return apply


def gamma(power: float) -> Perturbation:
    """Gray values to a power: darker above 1, brighter below."""
    return lambda slice_, _: _gray(255 * (slice_.image / 255) ** power)


def bias_field(strength: float) -> Perturbation:
    """MR alone: a smooth multiplicative field between exp(-strength) and exp(strength)."""

    def apply(slice_: LabelledSlice, rng: np.random.Generator) -> np.ndarray | None:
        if slice_.modality != "MR" or slice_.image.ndim == 3:
            return None
        field = resize(rng.uniform(-1, 1, (3, 3)), slice_.image.shape, order=3, mode="edge", clip=False)
        return _gray(slice_.image * np.exp(strength * field / np.abs(field).max()))

    return apply


def low_dose(photons: float = PHOTONS) -> Perturbation:
    """CT alone: quantum noise of `photons` per ray, through filtered back-projection, added to the slice."""

    def apply(slice_: LabelledSlice, rng: np.random.Generator) -> np.ndarray | None:
        if slice_.modality != "CT" or slice_.values is None or slice_.window is None or slice_.spacing_mm is None:
            return None
        shape = slice_.values.shape
        if slice_.values.min() >= 0:
            return None  # windowed already: what the rays went through is not known
        side_mm = slice_.spacing_mm[0] * shape[0] / _DOSE_SIDE
        attenuation = WATER_PER_MM * np.clip(1 + slice_.values.astype(float) / 1000, 0, None) * side_mm
        angles = np.linspace(0, 180, _DOSE_ANGLES, endpoint=False)
        lines = radon(resize(attenuation, (_DOSE_SIDE, _DOSE_SIDE)), angles, circle=False)
        counts = np.maximum(rng.poisson(photons * np.exp(-lines)), 1)
        error = iradon(-np.log(counts / photons) - lines, angles, output_size=_DOSE_SIDE, circle=False)
        hounsfield = 1000 * resize(error, shape, order=1) / (WATER_PER_MM * side_mm)
        return slice_.window.apply(slice_.values + hounsfield)

    return apply


def window(width: float, shift: float = 0.0) -> Perturbation:
    """A window `width` times as wide, its level moved by `shift` widths of the proper one."""

    def apply(slice_: LabelledSlice, _: np.random.Generator) -> np.ndarray | None:
        if slice_.values is None or slice_.window is None:
            return None
        proper = slice_.window
        return WindowLevel(width * proper.width, proper.level + shift * proper.width).apply(slice_.values)

    return apply


PERTURBATIONS: dict[str, Perturbation] = {
    "noise, sigma 10": noise(10),
    "noise, sigma 25": noise(25),
    "blur, sigma 1": blur(1),
    "blur, sigma 2": blur(2),
    "low dose (CT)": low_dose(),
    "bias field (MR)": bias_field(0.7),
    "gamma 0.5": gamma(0.5),
    "gamma 2": gamma(2),
    "half the resolution": coarse(2),
    "a third of the resolution": coarse(3),
    "window twice as wide": window(2),
    "window half as wide": window(0.5),
    "window moved by a third": window(1, 1 / 3),
}


def perturbed(slice_: LabelledSlice, perturbation: Perturbation, seed: int) -> LabelledSlice | None:
    """The slice with another image and the same labels; None where the perturbation makes no sense."""
    image = perturbation(slice_, np.random.default_rng([seed, slice_.index]))
    return None if image is None else replace(slice_, image=image)


def _gray(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)
