from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from research.training.acquisition import acquire, coarse_voxels  # noqa: E402
from research.training.bank import BankScan  # noqa: E402
from research.training.batches import BatchMaker  # noqa: E402
from research.training.fields import SIZE, deformed_grid  # noqa: E402
from research.training.planes import sample_slices, to_device, windowed  # noqa: E402
from research.training.randomness import Rng  # noqa: E402


def a_scan(axes="a", shape=(5, 20, 30), spacing_mm=(4.0, 1.0, 1.0)):
    """Values 100 z + y + 1; labels: 1 on the left half and 2 on the right, the number of the slice, nothing twice."""
    z, y, x = np.indices(shape)
    labels = np.stack([1 + (x >= shape[2] // 2), z + 1, 0 * z, 0 * z]).astype(np.uint8)
    image = (100 * z + y + 1).astype(np.int16)
    return BankScan("ramp", "MR", image, labels, spacing_mm, axes, 1.0, (1.0, 0.0, 0.0, 0.0), "made here", 1.0)


def slices(scan, count=8):
    flat = deformed_grid(Rng("cpu", 0), *(torch.zeros(count) for _ in range(3)))
    return sample_slices(Rng("cpu", 1), to_device(scan, torch.device("cpu")), flat)


def test_flat_scans_give_whole_slices_only():
    _, labels = slices(a_scan("a"))
    assert [len(part[part > 0].unique()) for part in labels[:, 1]] == [1] * 8


def test_tilted_slices_cross_the_planes_of_a_scan():
    _, labels = slices(a_scan("acs", shape=(20, 20, 30)))
    assert max(len(part[part > 0].unique()) for part in labels[:, 1]) > 2


def test_labels_are_sampled_where_the_image_is():
    image, labels = slices(a_scan("a"))
    assert labels.dtype == torch.uint8
    assert labels.shape == (8, 4, SIZE, SIZE)
    assert set(labels[:, 0].unique().tolist()) == {0, 1, 2}
    inside = (labels[:, 1] > 0) & (image > 0)
    assert (image // 100 + 1 == labels[:, 1])[inside].float().mean() > 0.9  # at the border the image fades to 0
    assert torch.equal(labels[:, 0] > 0, labels[:, 1] > 0)


def test_a_ct_window_is_cut_at_both_ends():
    ramp = torch.linspace(0, 4095, SIZE * SIZE).view(1, SIZE, SIZE).expand(6, -1, -1)
    shown = windowed(Rng("cpu", 0), ramp, "CT")
    assert (shown.amin((1, 2)) == 0).all()
    assert (shown.amax((1, 2)) == 1).all()
    assert (shown.flatten(1).diff() >= 0).all()


def test_coarse_voxels_repeat_pixels_or_interpolate_between_them():
    ramp = torch.arange(SIZE).float().expand(64, SIZE, SIZE)
    labels = torch.arange(SIZE).to(torch.uint8).expand(64, 1, SIZE, SIZE)
    seen, moved = coarse_voxels(Rng("cpu", 0), ramp, labels)
    assert (seen - ramp).abs().max() < 5
    assert (moved.int() - labels.int()).abs().max() <= 4
    assert {len(image[0].unique()) < 250 for image in seen} == {True, False}


def test_pixels_are_whole_numbers_of_a_byte():
    image = torch.rand(6, SIZE, SIZE)
    pixels, labels = acquire(Rng("cpu", 0), image, torch.zeros(6, 4, SIZE, SIZE, dtype=torch.uint8))
    assert torch.equal(pixels, pixels.round())
    assert 0 <= pixels.min() <= pixels.max() <= 255
    assert labels.shape == (6, 4, SIZE, SIZE)


def test_a_prepared_batch_depends_on_its_key_alone():
    a_maker = BatchMaker([a_scan("acs", shape=(20, 20, 30))], torch.device("cpu"))
    one, same, other = (a_maker.prepare(Rng("cpu", key), 8) for key in (1, 1, 2))
    assert torch.equal(one.pixels, same.pixels)
    assert torch.equal(one.labels, same.labels)
    assert not torch.equal(one.pixels, other.pixels)
