"""Paths within the roots and outside, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfqsam_viewer.roots import PlaceError, Roots


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    return Roots([tmp_path / "in"])


def test_what_is_below_a_root_is_found_and_what_is_beside_it_is_not(roots: Roots, tmp_path: Path) -> None:
    assert roots.resolve(tmp_path / "in" / "deep") == tmp_path / "in" / "deep"
    assert roots.resolve(tmp_path / "in" / "new.nrrd") == tmp_path / "in" / "new.nrrd"
    for path in ("out", "in/../out", "in/deep/../../out/x", "", "inside"):
        with pytest.raises(PlaceError, match="outside"):
            roots.resolve(tmp_path / path)


def test_a_link_that_leads_out_is_refused_and_not_listed(roots: Roots, tmp_path: Path) -> None:
    (tmp_path / "out" / "ct.nrrd").write_text("x")
    (tmp_path / "in" / "file.nrrd").symlink_to(tmp_path / "out" / "ct.nrrd")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in" / "loop")
    (tmp_path / "in" / "mine.nrrd").write_text("x")
    assert [entry.name for entry in roots.entries(tmp_path / "in", (".nrrd",))] == ["deep", "mine.nrrd"]
    with pytest.raises(PlaceError):
        roots.resolve(tmp_path / "in" / "folder" / "ct.nrrd")


def test_only_the_asked_endings_are_listed_and_nothing_hidden(roots: Roots, tmp_path: Path) -> None:
    for name in ("a.nii.gz", "b.txt", ".c.nii.gz", "D.NII.GZ"):
        (tmp_path / "in" / name).write_text("x")
    entries = roots.entries(tmp_path / "in", (".nii.gz",))
    assert [(entry.name, entry.is_folder) for entry in entries] == [
        ("deep", True),
        ("a.nii.gz", False),
        ("D.NII.GZ", False),
    ]
    assert roots.parent(tmp_path / "in" / "deep") == tmp_path / "in"
    assert roots.parent(tmp_path / "in") is None
    assert Roots([tmp_path, tmp_path / "in"]).parent(tmp_path / "in") == tmp_path


def test_roots_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match="--root"):
        Roots([tmp_path / "nowhere"])


@settings(max_examples=200)
@given(st.text(max_size=80))
def test_any_text_is_within_the_roots_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = tmp_path_factory.getbasetemp().resolve()
    try:
        place = Roots([root]).resolve(text)
    except PlaceError:
        return
    assert place == root or root in place.parents
