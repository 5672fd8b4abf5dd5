"""What a thorough propagation costs and whether it pays, told before it begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...geometry import axis_index
from ...slices import SliceKey
from ..session import VolumeSession

# Slices farther apart than so many pixels: what the other axes show is too coarse to be of use.
_THICK = 3.0


@dataclass(frozen=True)
class ThoroughCost:
    """slices: how many of the two other axes are encoded beside those of the propagation's own.

    thickness: distance of slices over that of pixels. spacing_mm: distance of slices.
    """

    slices: int
    thickness: float
    spacing_mm: float

    @classmethod
    def of(cls, session: VolumeSession, label: int, axis: str) -> ThoroughCost:
        """The cost for a segment as it is prompted now: by three of its prompted slices, as panels ask often."""
        spacing = list(session.volume.geometry.spacing_mm)
        own = spacing.pop(axis_index(axis))
        prompted = session.prompted_slices(label, axis)
        some = {prompted[len(prompted) * n // 2 - (n == 2)] for n in range(3)} if prompted else ()
        masks = [session.mask(label, SliceKey(axis, index)) for index in some]
        drawn = np.logical_or.reduce(masks) if masks else np.zeros((1, 1), bool)
        count = int(drawn.any(axis=0).sum() + drawn.any(axis=1).sum())
        return cls(count, own / min(spacing), own)

    @property
    def pays(self) -> bool:
        """True where the other axes show enough to have a say."""
        return self.thickness < _THICK

    def sentence(self, seconds_a_slice: float | None) -> str:
        """For people, beforehand; seconds_a_slice: of a slice that is new to the model, None where not measured."""
        what = f"Thorough looks at about {self.slices} more slices, across the others"
        what += "." if seconds_a_slice is None else f": about {self.slices * seconds_a_slice:.0f} s."
        if self.pays:
            return what
        return (
            f"{what} It does not pay here: slices are {self.spacing_mm:.1f} mm apart, {self.thickness:.0f} times as "
            "far as pixels, and the other axes show too little."
        )
