from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dfqsam_core.errors import VolumeError
from dfqsam_core.volume import WINDOW_PRESETS, WindowLevel, auto_window, choose_window
from dfqsam_core.volume.window import parse_window, window_text


def test_the_window_maps_its_bounds_to_0_and_255():
    shown = WindowLevel(400, 40).apply(np.array([-2000, -160, 40, 240, 3000], np.int16))
    np.testing.assert_array_equal(shown, np.array([0, 0, 128, 255, 255], np.uint8))
    assert shown.dtype == np.uint8


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2),
    ),
    st.floats(1e-3, 1e6),
    st.floats(-1e6, 1e6),
)
def test_any_voxels_give_bytes_and_stay_as_they_are(image, width, level):
    before = image.tobytes()
    shown = WindowLevel(width, level).apply(image)
    assert shown.dtype == np.uint8
    assert shown.shape == image.shape
    assert image.tobytes() == before


def test_nan_is_black_and_infinities_are_the_ends():
    shown = WindowLevel(2, 0).apply(np.array([np.nan, -np.inf, np.inf, 0]))
    np.testing.assert_array_equal(shown, [0, 0, 255, 128])


def test_uint16_does_not_wrap_around():
    np.testing.assert_array_equal(WindowLevel(100, 50).apply(np.array([0, 100, 65535], np.uint16)), [0, 255, 255])


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("400,40", (-160, 240)),
        (" 80 , 40 ", (0, 80)),
        ("liver", (-45, 105)),
        ("LUNG", (-1350, 150)),
        ("1e3,-5.5", (-505.5, 494.5)),
    ],
)
def test_texts_of_the_command_line(text, bounds):
    assert choose_window(text, np.zeros((1, 1, 1))).bounds == bounds


@pytest.mark.parametrize(
    "text", ["", "400", "400,40,1", "wide", "0,40", "-5,0", "nan,0", "400,inf", "1e400,0", "1e-20,40", "a,b"]
)
def test_other_texts_are_refused(text):
    with pytest.raises(VolumeError, match=r"window .* (Use auto|must be finite)"):
        choose_window(text, np.zeros((1, 1, 1)))


def test_presets_name_themselves_in_reports():
    assert WINDOW_PRESETS["bone"].source == "preset bone"


def a_ct(organ_hu: int, share: float) -> np.ndarray:
    """Air, fat, and an organ that fills `share` of the volume."""
    voxels = np.full((10, 10, 10), -1000, np.int16)
    voxels.flat[:100] = -100
    voxels.flat[100 : 100 + int(share * 1000)] = organ_hu
    return voxels


@pytest.mark.parametrize(("organ_hu", "name"), [(50, "abdomen"), (-850, "lung"), (700, "bone")])
def test_ct_is_windowed_by_what_it_shows(organ_hu, name):
    window = auto_window(a_ct(organ_hu, 0.4))
    assert window.bounds == WINDOW_PRESETS[name].bounds
    assert name in window.source


def test_the_modality_of_dicom_wins_over_the_content():
    assert auto_window(a_ct(50, 0.4), "MR").source.startswith("auto: percentiles")
    assert auto_window(np.full((3, 3, 3), 40), "CT").bounds == WINDOW_PRESETS["abdomen"].bounds


def test_mr_ignores_background_and_outliers():
    rng = np.random.default_rng(0)
    voxels = rng.integers(200, 401, (20, 20, 20)).astype(np.uint16)
    voxels[:10] = 0
    voxels[19, 19, 19] = 60000
    low, high = auto_window(voxels).bounds
    assert 200 <= low <= 205
    assert 395 <= high <= 402


def test_auto_does_not_depend_on_storage_order():
    rng = np.random.default_rng(1)
    voxels = rng.normal(300, 80, (170, 190, 180)).astype(np.float32)
    expected = auto_window(voxels)
    assert auto_window(voxels.transpose(2, 0, 1)[::-1, :, ::-1]) == expected


def test_auto_looks_at_a_sample_of_a_large_volume():
    voxels = np.random.default_rng(2).integers(0, 500, (24, 512, 512), np.int16)
    tracemalloc.start()
    auto_window(voxels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < voxels.nbytes


@pytest.mark.parametrize(
    "voxels",
    [np.zeros((2, 2, 2)), np.full((2, 2, 2), np.nan), np.full((2, 2, 2), 7, np.uint16), np.full((2, 2, 2), 1e30)],
)
def test_auto_survives_volumes_without_contrast(voxels):
    shown = auto_window(voxels).apply(voxels[0])
    assert len(np.unique(shown)) == 1


@given(
    st.sampled_from([None, *WINDOW_PRESETS.values()])
    | st.builds(WindowLevel, st.floats(1e-3, 1e9), st.floats(-1e6, 1e6))
)
def test_the_text_of_a_window_is_read_as_that_window(window):
    assert parse_window(window_text(window)) == window
