from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from research.training import anatomy  # noqa: E402
from research.training.fields import SIZE, deformed_grid, gaussian_blur, octaves  # noqa: E402
from research.training.randomness import Rng  # noqa: E402


def a_disc(x=0.0, y=0.0, radius_x=0.5, radius_y=0.25):
    """One straight, smooth ellipse without a core."""
    ripple = torch.zeros(1, 1, 3, dtype=torch.complex64)
    along, across = ([-x / radius_x, 1 / radius_x, 0.0], [-y / radius_y, 0.0, 1 / radius_y])
    zero = torch.zeros(1, 1)
    return anatomy.Shapes(torch.tensor([[along]]), torch.tensor([[across]]), zero, ripple, zero)


@pytest.mark.parametrize(
    ("point", "value"), [((0.2, 0.1), 0.0), ((0.7, 0.1), 1.0), ((0.2, 0.35), 1.0), ((1.2, 0.1), 2.0)]
)
def test_the_implicit_function_counts_radii_from_the_centre(point, value):
    x, y = (torch.full((1, 1, 1), coordinate) for coordinate in point)
    found = anatomy.implicit(a_disc(x=0.2, y=0.1), 0, x, y)
    assert found.item() == pytest.approx(value, abs=2e-3)


def test_ripples_are_cosines_of_multiples_of_the_angle():
    shape, angle, amplitude, phase = (
        a_disc(radius_x=1.0, radius_y=1.0),
        torch.tensor(0.7),
        (0.1, 0.05, 0.03),
        (0.3, 1.0, 2.0),
    )
    shape.ripple[0, 0] = torch.polar(torch.tensor(amplitude), torch.tensor(phase))
    found = anatomy.implicit(shape, 0, angle.cos().view(1, 1, 1), angle.sin().view(1, 1, 1))
    expected = 1 + sum(
        a * torch.cos((k + 2) * angle + p) for k, (a, p) in enumerate(zip(amplitude, phase, strict=True))
    )
    assert found.item() == pytest.approx(1 / expected.item(), rel=1e-5)


def test_organs_stay_inside_the_body_and_below_their_last_label():
    grid = deformed_grid(Rng("cpu", 0), *(torch.full((4,), value) for value in (0.5, 0.15, 0.15)))
    labels = anatomy.organ_labels(Rng("cpu", 1), grid)
    assert labels.dtype == torch.uint8
    assert labels.shape == (4, SIZE, SIZE)
    assert int(labels.max()) < 64
    assert len(labels.unique()) > 12


def test_folds_have_several_labels_in_one_body():
    grid = deformed_grid(Rng("cpu", 0), *(torch.zeros(2) for _ in range(3)))
    labels = anatomy.folded_labels(Rng("cpu", 2), grid)
    assert set(labels.unique().tolist()) <= set(range(7))
    assert len(labels.unique()) >= 4


def test_an_undeformed_canvas_runs_over_pixel_centres():
    grid = deformed_grid(Rng("cpu", 0), *(torch.zeros(1) for _ in range(3)))[0]
    edge = 1 - 1 / SIZE
    assert grid[..., 1].amin().item() == pytest.approx(-edge)
    assert abs(grid[0, 0, 0].item()) == pytest.approx(edge)
    assert torch.equal(grid[3, :, 1], grid[3, :1, 1].expand(SIZE))


def test_octaves_have_unit_variance_whatever_their_number():
    field = octaves(Rng("cpu", 0), 64, (6, 12, 24))
    assert field.shape == (64, SIZE, SIZE)
    assert 0.5 < field.var().item() < 1.2


def test_blurring_keeps_the_mean_and_sigma_zero_keeps_the_image():
    image = torch.zeros(2, SIZE, SIZE)
    image[:, 100:120, 90:150] = 1.0
    blurred = gaussian_blur(image, torch.tensor([0.0, 2.0]))
    torch.testing.assert_close(blurred[0], image[0])
    assert blurred[1].sum().item() == pytest.approx(image[1].sum().item(), rel=1e-4)
    assert blurred[1, 99, 120].item() == pytest.approx(0.4, abs=0.03)
