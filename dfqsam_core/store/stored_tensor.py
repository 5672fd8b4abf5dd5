"""A tensor that lies in a file: mapped where it can be used as it is, converted where it cannot."""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..network.architecture import Shape

# How the bytes of each type look to numpy, which has no bfloat16: it is the upper half of a float32.
_NUMPY_TYPES = {"float64": "<f8", "float32": "<f4", "float16": "<f2", "bfloat16": "<u2", "uint8": "u1", "int8": "i1"}
FLOAT_TYPES = ("float64", "float32", "float16", "bfloat16")


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies; making one reads nothing.

    dtype: name of the element type; only float64, float32, float16, bfloat16, uint8 and int8 can be read.
    byte_offset: place of the first element in the file, which the maker has checked to hold all of them.
    strides: elements to step per axis; None for the usual row-major order.
    """

    path: Path
    dtype: str
    shape: Shape
    byte_offset: int
    strides: Shape | None = None

    @property
    def storage(self) -> str:
        """Words for how its values are stored."""
        return self.dtype

    @property
    def is_float(self) -> bool:
        """True where its values are floating-point numbers."""
        return self.dtype in FLOAT_TYPES

    @property
    def elements(self) -> int:
        """Elements that are read: of a strided tensor all from its first to its last."""
        return math.prod(self.shape) if self.strides is None else element_span(self.shape, self.strides)

    @property
    def stored_bytes(self) -> int:
        """Bytes of the file that are read."""
        return self.elements * np.dtype(_NUMPY_TYPES[self.dtype]).itemsize

    @property
    def is_mapped(self) -> bool:
        """True where `read_float32` gives the file's own pages and takes no memory."""
        return self.dtype == "float32" and self.strides is None

    def read(self) -> np.ndarray:
        """The elements, mapped from the file copy-on-write: writing into the array never changes the file."""
        if self.elements == 0:
            return np.empty(self.shape, _NUMPY_TYPES[self.dtype])
        flat = np.frombuffer(self._mapped(), _NUMPY_TYPES[self.dtype], self.elements, self._bytes_into_page)
        return self._arranged(np.require(flat, requirements="A"))

    def read_float32(self) -> np.ndarray:
        """The elements as float32: mapped when stored so, else read and converted."""
        if self.dtype == "float32":
            return self.read()
        # Plain reading: pages of a mapped file would stay in memory beside the converted copy.
        flat = np.fromfile(self.path, _NUMPY_TYPES[self.dtype], self.elements, offset=self.byte_offset)
        if self.dtype == "bfloat16":
            return self._arranged((flat.astype(np.uint32) << 16).view(np.float32))
        with np.errstate(over="ignore"):
            return self._arranged(flat.astype(np.float32))

    @property
    def _bytes_into_page(self) -> int:
        return self.byte_offset % mmap.ALLOCATIONGRANULARITY

    def _mapped(self) -> mmap.mmap:
        # numpy.memmap looks every part of the path up again for each tensor, which takes longer than the mapping.
        before = self._bytes_into_page
        with open(self.path, "rb") as file:
            return mmap.mmap(
                file.fileno(), before + self.stored_bytes, access=mmap.ACCESS_COPY, offset=self.byte_offset - before
            )

    def _arranged(self, flat: np.ndarray) -> np.ndarray:
        if self.strides is None:
            return flat.reshape(self.shape)
        steps = [stride * flat.itemsize for stride in self.strides]
        return np.ascontiguousarray(np.lib.stride_tricks.as_strided(flat, self.shape, steps))


def element_span(shape: Shape, strides: Shape) -> int:
    """Elements from the first to the last one that a strided tensor touches; 0 when it is empty."""
    if 0 in shape:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
