"""Rounding weights to codes: each to the nearest, or each column making up for the errors of those before it (GPTQ).

Frantar et al. 2022, "GPTQ" (arXiv 2210.17323), sections 3 and 4: with the second moment H of the inputs, the error of a
rounded column is spread over the columns still to come by the rows of the Cholesky factor of H's inverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from .input_statistics import InputStatistics
from .side_by_side import side_by_side
from .weight_ranges import weight_codes

_BLOCK = 128
# A triangular inverse of so many columns is taken in parts, which spares the products with zeros; smaller ones would
# get other last bits from MKL, and a model that is made again other bytes.
_MANY_COLUMNS, _PART = 3072, 512


class Rounding(Protocol):
    """How weights become codes; needs_moment: whether the second moment of the inputs is asked for."""

    needs_moment: ClassVar[bool]

    def codes(
        self, rows: Tensor, scale: Tensor, zero_point: Tensor, bits: int, statistics: Sequence[InputStatistics]
    ) -> Tensor:
        """Weight codes (out, C) of rows (out, C); scale, zero_point: (out, 1). statistics: of all columns."""
        ...


class NearestRounding:
    """Each weight to the nearest code."""

    needs_moment: ClassVar[bool] = False

    def codes(
        self, rows: Tensor, scale: Tensor, zero_point: Tensor, bits: int, statistics: Sequence[InputStatistics]
    ) -> Tensor:
        """As in `Rounding`."""
        return weight_codes(rows, scale, zero_point, bits)


@dataclass(frozen=True)
class FeedbackRounding:
    """Column by column, see `round_with_feedback`; each group of columns by itself, `threads` of them side by side."""

    needs_moment: ClassVar[bool] = True
    damping: float
    threads: int = 1

    def codes(
        self, rows: Tensor, scale: Tensor, zero_point: Tensor, bits: int, statistics: Sequence[InputStatistics]
    ) -> Tensor:
        """As in `Rounding`."""

        def codes_of(part: InputStatistics) -> Tensor:
            assert part.moment is not None
            columns = rows[:, part.columns]
            return round_with_feedback(columns, scale, zero_point, bits, part.moment, self.damping, within)

        within = self.threads if len(statistics) == 1 else 1
        codes = torch.empty_like(rows)
        for part, chosen in zip(statistics, side_by_side(codes_of, statistics, self.threads), strict=True):
            codes[:, part.columns] = chosen
        return codes


def round_with_feedback(
    rows: Tensor, scale: Tensor, zero_point: Tensor, bits: int, moment: Tensor, damping: float, threads: int = 1
) -> Tensor:
    """Weight codes (out, C) of `rows` for inputs with second moment `moment` (C, C).

    scale, zero_point: (out, 1). damping: share of the mean diagonal that is added to the diagonal; inputs that were
    seldom seen are then rounded almost to nearest. Columns go from the strongest input to the weakest. threads: parts
    of the factor found side by side; the codes do not depend on them.
    """
    order = moment.diagonal().argsort(descending=True, stable=True)
    # U with U^T U the inverse of H. With the columns reversed, one factor and one triangular inverse do: U = R^-1.
    spread = _upper_inverse(_upper_factor(moment[order][:, order], damping), threads)
    left = rows.T[order].contiguous()
    scale, zero_point = scale[:, 0], zero_point[:, 0]
    codes = torch.empty_like(left)
    for start in range(0, len(left), _BLOCK):
        stop = min(start + _BLOCK, len(left))
        errors = torch.empty_like(left[start:stop])
        for column in range(start, stop):
            code = weight_codes(left[column], scale, zero_point, bits)
            error = (left[column] - (code - zero_point) * scale) / spread[column, column]
            left[column:stop] -= spread[column, column:stop, None] * error
            codes[column], errors[column - start] = code, error
        left[stop:] -= spread[start:stop, stop:].T @ errors
    return codes[order.argsort()].T.contiguous()


def _upper_factor(moment: Tensor, damping: float) -> Tensor:
    """Upper triangular R with R R^T the damped moment."""
    mean = moment.diagonal().double().mean()
    damped = moment.flip(0, 1).double()  # the factor of a nearly singular moment needs it
    damped.diagonal().add_(damping * mean + 1e-12)
    return torch.linalg.cholesky(damped).to(moment.dtype).flip(0, 1)


def _upper_inverse(factor: Tensor, threads: int) -> Tensor:
    """Inverse of an upper triangular matrix."""
    size = len(factor)
    width = _PART if size >= _MANY_COLUMNS else size
    inverse = torch.zeros_like(factor)

    def invert(start: int) -> None:
        stop = min(start + width, size)
        unit = factor.new_zeros((stop, stop - start))
        unit.diagonal(-start).fill_(1)
        inverse[:stop, start:stop] = torch.linalg.solve_triangular(factor[:stop, :stop], unit, upper=True)

    side_by_side(invert, range(0, size, width), threads)
    return inverse
