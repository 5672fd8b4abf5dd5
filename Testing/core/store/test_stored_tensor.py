"""Tensors in files: any place, any stride, every float type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfqsam_core.store.stored_tensor import StoredTensor, element_span


@pytest.mark.parametrize("offset", [0, 1, 4, 7])
def test_a_tensor_is_read_from_any_place(tmp_path: Path, offset: int) -> None:
    values = np.arange(6, dtype="<f4").reshape(2, 3)
    path = tmp_path / "data"
    path.write_bytes(b"x" * offset + values.tobytes() + b"rest")
    tensor = StoredTensor(path, "float32", (2, 3), offset).read()
    np.testing.assert_array_equal(tensor, values, strict=True)
    assert tensor.flags.aligned


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), first=st.integers(0, 3))
def test_strided_tensors_equal_numpys_views(tmp_path: Path, data: st.DataObject, first: int) -> None:
    storage = np.arange(200, dtype="<f4")
    axes = data.draw(st.permutations([0, 1, 2]))
    view = storage[first : first + 60].reshape(3, 4, 5).transpose(axes)[:, :: data.draw(st.integers(1, 2))]
    path = tmp_path / "data"
    path.write_bytes(storage.tobytes())
    strides = tuple(step // 4 for step in view.strides)
    tensor = StoredTensor(path, "float32", view.shape, 4 * first, strides).read_float32()
    np.testing.assert_array_equal(tensor, view)
    assert first + element_span(view.shape, strides) == view.max() + 1


def test_bfloat16_is_the_upper_half_of_float32(tmp_path: Path) -> None:
    path = tmp_path / "data"
    # 1.0, -2.0, 3.140625 (pi), infinity.
    path.write_bytes(np.array([0x3F80, 0xC000, 0x4049, 0x7F80], "<u2").tobytes())
    tensor = StoredTensor(path, "bfloat16", (4,), 0).read_float32()
    np.testing.assert_array_equal(tensor, np.array([1, -2, 3.140625, np.inf], np.float32), strict=True)


def test_float64_too_large_for_float32_becomes_infinite(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(np.array([0.5, 1e300]).tobytes())
    tensor = StoredTensor(path, "float64", (2,), 0).read_float32()
    np.testing.assert_array_equal(tensor, np.array([0.5, np.inf], np.float32), strict=True)


def test_empty_tensors_touch_nothing(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"x")
    assert StoredTensor(path, "float32", (0, 3), 0).read().shape == (0, 3)
    assert StoredTensor(path, "float16", (0, 3), 0).read_float32().shape == (0, 3)
    assert element_span((0, 3), (3, 1)) == 0
