"""Brush, eraser and corrections on the page: with the real mouse and keys, looked at in saved files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dfqsam_core.resources import DEMO_VOLUME, resource_path
from Testing.browser.test_label_numbers import saved_labels
from Testing.browser.test_session import LIVER, save
from Testing.support.viewer import Person, colored_pixels

WAY = ((0.33, 0.40), (0.40, 0.50), (0.46, 0.50))
BESIDE = (0.60, 0.62)


class Desk:
    """Somebody at the page who looks at what was drawn by saving it."""

    def __init__(self, person: Person, folder: Path) -> None:
        self.person, self.folder, self.count = person, folder, 0

    def voxels(self) -> np.ndarray:
        """(K, J, I) uint16 label numbers, by SimpleITK."""
        self.count += 1
        save(self.person, f"look-{self.count}.nrrd")
        return saved_labels(self.folder / f"look-{self.count}.nrrd")

    def changes(self, act: Callable[[], object]) -> None:
        """Do something that changes a segment, and wait for that."""
        self.voxels()
        self.person.wait_until(lambda: not self.person.state("unsaved"))
        act()
        self.person.wait_until(lambda: self.person.state("unsaved") and not self.person.state("is_working"))
        assert not self.person.state("is_error"), self.person.state("message")

    def draw(self, role: str, *places: tuple[float, float], view: str = "axial") -> None:
        self.person.tool(role)
        self.changes(lambda: self.person.draw(view, *places))

    def press(self, key: str) -> None:
        self.changes(lambda: self.person.page.keyboard.press(key))

    def correct(self, button: str) -> str:
        """Press a button of the panel; what the page says then."""
        self.voxels()
        self.person.page.click(button)
        self.person.wait_until(lambda: re.search("added|taken away|Nothing", self.person.state("message")))
        assert not self.person.state("is_error"), self.person.state("message")
        return str(self.person.state("message"))


@pytest.fixture
def desk(person: Person, tmp_path: Path) -> Desk:
    return Desk(person, tmp_path)


def test_brush_and_eraser_change_the_slice_on_screen_alone_and_undo_is_exact(desk: Desk) -> None:
    person = desk.person
    index = person.state("views")["axial"]["index"]
    before = colored_pixels(person.picture("axial"))
    person.page.keyboard.press("b")
    person.wait_until(lambda: person.state("tool") == "brush" and person.state("by_hand"))
    person.page.fill("#brush-size", "20")
    person.page.press("#brush-size", "Tab")
    person.wait_until(lambda: person.state("brush")["size"] == 20)
    person.page.locator("#brush-ball").blur()
    person.page.mouse.move(*person.point_of("axial", *WAY[0]), steps=3)
    person.wait_until(lambda: colored_pixels(person.picture("axial")) > before + 20)
    desk.draw("brush", *WAY)
    painted = desk.voxels()
    assert set(np.flatnonzero(painted.any(axis=(1, 2)))) == {index}
    spacing = sitk.ReadImage(str(resource_path(DEMO_VOLUME))).GetSpacing()
    area = float((painted > 0).sum()) * spacing[0] * spacing[1]
    assert area > np.pi * 10**2 * 1.5, "more than one dab"
    person.page.keyboard.press("q")
    person.wait_until(lambda: person.state("tool") == "eraser")
    person.page.keyboard.press("-")
    person.wait_until(lambda: person.state("brush")["size"] == 16)
    desk.draw("eraser", WAY[1], WAY[1])
    erased = desk.voxels()
    assert 0 < (erased > 0).sum() < (painted > 0).sum()
    assert not (erased & ~painted).any()
    desk.press("Control+z")
    np.testing.assert_array_equal(desk.voxels(), painted)
    desk.press("Control+z")
    assert not desk.voxels().any()
    assert not person.state("can_undo")
    desk.press("Control+y")
    desk.press("Control+y")
    np.testing.assert_array_equal(desk.voxels(), erased)
    person.page.check("#brush-ball")
    person.wait_until(lambda: person.state("brush")["is_ball"])
    desk.draw("brush", BESIDE, BESIDE)
    ball = desk.voxels()
    assert len(np.flatnonzero(ball.any(axis=(1, 2)))) > 1
    np.testing.assert_array_equal(ball[erased > 0], erased[erased > 0])
    assert not person.errors


def test_what_was_painted_and_erased_is_kept_by_prompts_and_a_propagation(desk: Desk) -> None:
    person = desk.person
    person.tool("positive")
    person.prompt("axial", *LIVER)
    prompted = desk.voxels()
    desk.draw("brush", BESIDE, BESIDE)
    desk.draw("eraser", LIVER, LIVER)
    by_hand = desk.voxels()
    added, removed = (by_hand > 0) & (prompted == 0), (by_hand == 0) & (prompted > 0)
    assert added.any()
    assert removed.any()
    person.tool("positive")
    person.prompt("axial", LIVER[0] - 0.02, LIVER[1] + 0.06)
    again = desk.voxels()
    assert (again[added] > 0).all()
    assert (again[removed] == 0).all()
    person.page.click("#propagate")
    person.wait_until(lambda: person.state("stops") and not person.state("is_working"))
    carried = desk.voxels()
    assert carried.any(axis=(1, 2)).sum() > 3
    assert (carried[added] > 0).all()
    assert (carried[removed] == 0).all()
    for expected in (again, by_hand):
        desk.press("Control+z")
        np.testing.assert_array_equal(desk.voxels(), expected)
    desk.press("Control+z")
    desk.press("Control+z")
    np.testing.assert_array_equal(desk.voxels(), prompted)
    assert len(person.state("prompts")) == 1


def test_corrections_of_the_segment_are_one_step_each_and_reached_by_keyboard(desk: Desk) -> None:
    person = desk.person
    person.do("brush size", 8)
    # A ring with a hole, and a dab beside it.
    ring = [(0.40 + 0.06 * np.cos(a), 0.50 + 0.10 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 10)]
    desk.draw("brush", *ring)
    desk.draw("brush", BESIDE, BESIDE)
    drawn = desk.voxels()
    index = person.state("views")["axial"]["index"]
    image = sitk.GetImageFromArray((drawn[index] > 0).astype(np.uint8))
    assert "taken away" in desk.correct("#keep-largest")
    by_size = sitk.GetArrayFromImage(sitk.RelabelComponent(sitk.ConnectedComponent(image)))
    assert by_size.max() == 2
    np.testing.assert_array_equal(desk.voxels()[index] > 0, by_size == 1)
    desk.press("Control+z")
    np.testing.assert_array_equal(desk.voxels(), drawn)
    # In space the ring is open above and below.
    assert "Nothing had to be changed" in desk.correct("#fill-holes")
    person.page.focus("#on-slice")
    person.page.keyboard.press("Space")
    person.wait_until(lambda: person.state("on_slice"))
    person.page.mouse.move(*person.point_of("axial", 0.5, 0.5), steps=3)
    person.page.focus("#fill-holes")
    person.page.keyboard.press("Enter")
    person.wait_until(lambda: "added" in person.state("message"))
    filled = sitk.GetArrayFromImage(sitk.BinaryFillhole(image))
    assert filled.sum() > (drawn > 0).sum()
    np.testing.assert_array_equal(desk.voxels()[index] > 0, filled > 0)
    desk.press("Control+z")
    person.page.fill("#least-part", "100")
    person.page.press("#least-part", "Tab")
    assert "taken away" in desk.correct("#remove-small")
    np.testing.assert_array_equal(desk.voxels()[index] > 0, by_size == 1)
    desk.press("Control+z")
    person.page.select_option("#smooth-kind", "gaussian")
    person.page.fill("#smooth-mm", "4")
    person.page.press("#smooth-mm", "Tab")
    assert "Smoothed" in desk.correct("#smooth")
    assert (desk.voxels() != drawn).any()
    desk.press("Control+z")
    np.testing.assert_array_equal(desk.voxels(), drawn)
    person.page.fill("#smooth-mm", "0")
    person.page.press("#smooth-mm", "Tab")
    person.page.click("#smooth")
    person.wait_until(lambda: person.state("is_error"))
    assert "above 0" in person.state("message")


def test_other_segments_are_kept_until_they_are_not_protected(desk: Desk) -> None:
    person = desk.person
    person.do("brush size", 20)
    desk.draw("brush", BESIDE, BESIDE)
    first = desk.voxels()
    person.page.click("#add-segment")
    person.wait_until(lambda: len(person.state("segments")) == 2)
    person.draw("axial", BESIDE, BESIDE)
    person.wait_until(lambda: "Untick Protect others" in person.state("message"))
    np.testing.assert_array_equal(desk.voxels(), first)
    person.page.click("#tab-mask")
    person.page.uncheck("#protect-others")
    person.wait_until(lambda: not person.state("protect_others"))
    desk.draw("brush", BESIDE, BESIDE)
    assert set(np.unique(desk.voxels())) == {0, 2}
    desk.press("Control+z")
    np.testing.assert_array_equal(desk.voxels(), first)


def locate(person: Person, x: float, y: float) -> tuple[int, int, int]:
    """Click with the crosshair in the axial view; the slices that the views show then."""
    before = person.state("views")
    person.click("axial", x, y)
    person.wait_until(lambda: person.state("views") != before)
    person.catch_up()
    views = person.state("views")
    return views["sagittal"]["index"], views["coronal"]["index"], views["axial"]["index"]


def test_a_ruler_and_the_crosshair_are_no_prompts(desk: Desk) -> None:
    person = desk.person
    person.page.keyboard.press("j")
    person.wait_until(lambda: person.state("tool") == "crosshair")
    first = locate(person, 0.33, 0.42)
    person.wait_until(lambda: person.state("under_mouse").endswith(f" at {', '.join(map(str, first))}"))
    second = locate(person, 0.45, 0.62)
    person.page.keyboard.press("t")
    person.wait_until(lambda: person.state("tool") == "ruler")
    person.draw("axial", (0.33, 0.42), (0.45, 0.62))
    person.wait_until(lambda: len(person.state("rulers")) == 1)
    person.wait_until(lambda: person.state("tool") == "")
    spacing = sitk.ReadImage(str(resource_path(DEMO_VOLUME))).GetSpacing()
    expected = np.linalg.norm(np.subtract(first, second) * spacing)
    assert float(person.state("rulers")[0]["text"].split()[0]) == pytest.approx(expected, abs=1.5 * max(spacing[:2]))
    assert person.state("prompts") == []
    assert not person.state("can_undo")
    person.page.mouse.move(640, 10)
    # The line and its length.
    person.wait_until(lambda: ((person.picture("axial").astype(int) @ (1, 1, -2)) > 250).sum() > 100)
    person.page.click(".ruler button[aria-label^='Remove']")
    person.wait_until(lambda: person.state("rulers") == [])


def test_undo_shows_what_it_changes_where_one_view_covers_the_others(desk: Desk) -> None:
    person = desk.person
    desk.draw("brush", (0.35, 0.5), (0.4, 0.5), view="coronal")
    drawn = desk.voxels()
    person.page.mouse.move(*person.point_of("axial", 0.5, 0.5), steps=3)
    person.page.keyboard.press("f")
    person.wait_until(lambda: person.state("large") == "axial")
    desk.press("Control+z")
    person.wait_until(lambda: person.state("large") == "")
    assert not desk.voxels().any()
    person.page.keyboard.press("f")
    person.wait_until(lambda: person.state("large") == "axial")
    desk.press("Control+y")
    person.wait_until(lambda: person.state("large") == "")
    np.testing.assert_array_equal(desk.voxels(), drawn)
    person.page.mouse.move(*person.point_of("coronal", 0.5, 0.5), steps=3)
    person.page.keyboard.press("f")
    person.wait_until(lambda: person.state("large") == "coronal")
    desk.press("Control+z")
    assert not desk.voxels().any()
    assert person.state("large") == "coronal", "it shows the change itself"
