"""The grey window through which the model sees a slice; the voxels themselves are never changed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import VolumeError

# Width and level in HU, as in Radiopaedia's article "Windowing (CT)".
_PRESETS = {
    "abdomen": (400.0, 40.0),
    "bone": (1800.0, 400.0),
    "brain": (80.0, 40.0),
    "liver": (150.0, 30.0),
    "lung": (1500.0, -600.0),
    "mediastinum": (350.0, 50.0),
    "soft-tissue": (400.0, 50.0),
    "spine": (250.0, 50.0),
}
# Percentiles need no more voxels than this: the sample is spread evenly over the volume.
_SAMPLE_VOXELS = 2**22
_ROBUST_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class WindowLevel:
    """Grey values from level - width / 2 to level + width / 2, shown as 0 to 255.

    Parameters
    ----------
    width, level
        In the volume's own values (HU for CT), the width above 0.
    source
        Where it comes from, for reports.

    Raises
    ------
    VolumeError
        For a width that is not above 0, or nothing beside the level, or a number that is not finite.
    """

    width: float
    level: float
    source: str = "explicit"

    def __post_init__(self) -> None:
        low, high = self.bounds
        # Also false for NaN, and where a narrow window vanishes in the digits of its level.
        if not 0 < high - low < math.inf:
            raise VolumeError(
                f"The window {self.width},{self.level} cannot be used: both must be finite, the width above 0 and not "
                "vanishingly small beside the level. Give WIDTH,LEVEL in the volume's own values, such as 400,40."
            )

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the lowest and the highest grey value that the window tells apart."""
        return self.level - self.width / 2, self.level + self.width / 2

    @classmethod
    def from_bounds(cls, low: float, high: float, source: str = "explicit") -> WindowLevel:
        """Return the window from `low` to `high`; a constant image (high not above low) gets one of width 1."""
        # Far from zero 1 is less than the distance of neighbouring numbers.
        width = high - low if high > low else max(1.0, 4 * math.ulp(low))
        return cls(width, low + width / 2 if high > low else low, source)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Return `image` (any real dtype) as a new uint8 array, clipped and rounded to 0..255; NaN becomes 0."""
        low, high = self.bounds
        # float64: values far from zero keep their contrast, and one slice is small.
        seen = np.clip(image.astype(np.float64), low, high)
        return np.rint(np.nan_to_num(seen - low) * 255.0 / (high - low)).astype(np.uint8)


WINDOW_PRESETS: dict[str, WindowLevel] = {
    name: WindowLevel(width, level, f"preset {name}") for name, (width, level) in _PRESETS.items()
}


def choose_window(text: str, voxels: np.ndarray, modality: str | None = None) -> WindowLevel:
    """Return the window of a text: "auto", a preset's name, or "WIDTH,LEVEL".

    Parameters
    ----------
    text
        As `--window` of the command line takes it.
    voxels
        The whole volume, any axis order; read for "auto" only.
    modality
        DICOM's word ("CT", "MR") where known.

    Raises
    ------
    VolumeError
        For any other text.
    """
    return parse_window(text) or auto_window(voxels, modality)


def parse_window(text: str) -> WindowLevel | None:
    """Window of a preset's name or of "WIDTH,LEVEL"; None for "auto", which takes a volume; else raises VolumeError."""
    name = text.strip().lower()
    if name == "auto":
        return None
    if name in WINDOW_PRESETS:
        return WINDOW_PRESETS[name]
    try:
        width, level = (float(part) for part in text.split(","))
    except ValueError:
        raise VolumeError(
            f"Unknown window {text!r}. Use auto, WIDTH,LEVEL (such as 400,40), or {', '.join(WINDOW_PRESETS)}."
        ) from None
    return WindowLevel(width, level)


def window_text(window: WindowLevel | None) -> str:
    """Return what `parse_window` reads as `window`; the same text for the same window."""
    if window is None:
        return "auto"
    name = window.source.removeprefix("preset ")
    if WINDOW_PRESETS.get(name) == window:
        return name
    return ",".join(repr(float(value)).removesuffix(".0") for value in (window.width, window.level))


def auto_window(voxels: np.ndarray, modality: str | None = None) -> WindowLevel:
    """Return the window by modality: CT by what it shows, anything else by robust percentiles of the whole volume.

    CT is abdomen (-160..240 HU) unless most of the body is lung or bone. Other modalities: percentiles 0.5 and 99.5
    of the voxels that are not background.

    Parameters
    ----------
    voxels
        (K, J, I) or any axis order; flips and transposes of a volume get the same window.
    modality
        DICOM's word ("CT", "MR") where known.
    """
    sample = _sample(voxels)
    if sample.size == 0:
        return WindowLevel.from_bounds(0, 0, "auto: no finite voxel")
    if _is_ct(sample, modality):
        name = _ct_content(sample)
        return WindowLevel(*_PRESETS[name], f"auto: CT, {name}")
    low, high = np.percentile(_foreground(sample), _ROBUST_PERCENTILES)
    return WindowLevel.from_bounds(float(low), float(high), "auto: percentiles 0.5 and 99.5 of the foreground")


def presets_of(voxels: np.ndarray, modality: str | None = None) -> tuple[str, ...]:
    """Names of the presets that make sense on a volume, sorted: all are in HU, so that other modalities have none."""
    sample = _sample(voxels)
    return tuple(sorted(WINDOW_PRESETS)) if sample.size and _is_ct(sample, modality) else ()


def _is_ct(sample: np.ndarray, modality: str | None) -> bool:
    return modality == "CT" or (modality is None and _is_hounsfield(sample))


def _sample(voxels: np.ndarray) -> np.ndarray:
    step = max(1, math.ceil((voxels.size / _SAMPLE_VOXELS) ** (1 / 3)))
    # One half mirrors the other, so that a flipped volume gives the same sample.
    halves = [np.arange(0, (n + 1) // 2, step) for n in voxels.shape]
    lines = [np.union1d(half, n - 1 - half) for half, n in zip(halves, voxels.shape, strict=True)]
    sample = voxels[np.ix_(*lines)].ravel() if step > 1 else voxels.ravel()
    return sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample


def _is_hounsfield(sample: np.ndarray) -> bool:
    """Air and tissue on the HU scale: no MR sequence has 0.5 % of its voxels below -150 and half of them below 1000."""
    low, middle = np.percentile(sample, (0.5, 50))
    return bool(-4100 <= low <= -150 and middle < 1000)


def _ct_content(sample: np.ndarray) -> str:
    body = sample[sample > -950]
    if body.size and np.mean(body < -500) > 0.5:
        return "lung"
    solid = body[body > -200]
    return "bone" if solid.size and np.mean(solid > 250) > 0.5 else "abdomen"


def _foreground(sample: np.ndarray) -> np.ndarray:
    """Voxels that are not background, where one value that fills 5 % of the volume is its background."""
    values, counts = np.unique(sample, return_counts=True)
    if len(values) > 2 and counts.max() > 0.05 * sample.size:
        return sample[sample != values[counts.argmax()]]
    return sample
