"""Convolutions as products: which inputs each output sees, tap by tap, on square images of flat positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TapTable:
    """The inputs of each output of a convolution, or of one output phase of a transposed convolution.

    positions: int64 (outputs, taps), flat input positions row-major; side * side stands for padding.
    kernel: int64 (taps,), flat kernel element of each tap, row-major.
    """

    positions: np.ndarray
    kernel: np.ndarray


@dataclass(frozen=True)
class _Line:
    """The same along one axis: inputs (outputs, taps), outside 0..side-1 for padding; kernel (taps,)."""

    inputs: np.ndarray
    kernel: np.ndarray


def convolution_taps(side: int, size: int, stride: int, padding: int) -> TapTable:
    """Taps of a size x size convolution on a side x side image."""
    outputs = (side + 2 * padding - size) // stride + 1
    kernel = np.arange(size)
    line = _Line(np.arange(outputs)[:, None] * stride + kernel - padding, kernel)
    return _table(line, line, side, size)


def transposed_convolution_phases(side: int, size: int, stride: int, padding: int) -> list[TapTable]:
    """Taps of a transposed convolution, one table a phase: phase (a, b) makes the outputs stride * (i, j) + (a, b).

    Every phase has side * side outputs: size - stride must be 2 * padding, which makes the output stride * side wide.
    """
    lines = [_phase_line(side, size, stride, padding, phase) for phase in range(stride)]
    return [_table(rows, columns, side, size) for rows in lines for columns in lines]


def join_phases(side: int, stride: int) -> np.ndarray:
    """Index (stride * side)^2 that puts outputs ordered by (position, phase) into the order of the image."""
    y, x = np.meshgrid(*2 * [np.arange(stride * side)], indexing="ij")
    position, phase = y // stride * side + x // stride, y % stride * stride + x % stride
    return (position * stride**2 + phase).ravel()


def _phase_line(side: int, size: int, stride: int, padding: int, phase: int) -> _Line:
    # Output o sees input i through kernel element o + padding - stride * i.
    kernel = np.arange((phase + padding) % stride, size, stride)
    return _Line(np.arange(side)[:, None] + (phase + padding - kernel) // stride, kernel)


def _table(rows: _Line, columns: _Line, side: int, size: int) -> TapTable:
    y, x = rows.inputs[:, None, :, None], columns.inputs[None, :, None, :]
    inside = (y >= 0) & (y < side) & (x >= 0) & (x < side)
    positions = np.where(inside, y * side + x, side * side)
    kernel = rows.kernel[:, None] * size + columns.kernel
    return TapTable(positions.reshape(-1, kernel.size), kernel.ravel())
