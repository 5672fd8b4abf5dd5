"""The page asks how a checkpoint was trained where nothing tells it, and offers what it was trained with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from dfqsam_core.resources import DEMO_VOLUME, resource_path
from Testing.support.toy import random_tensors, toy_architecture
from Testing.support.viewer import Person, ViewerProcess

NOT_BOXES = ("positive", "negative", "scribble", "scribble_out", "lasso", "lasso_out")


@pytest.fixture
def sam_file(tmp_path: Path) -> Path:
    """A checkpoint of 1024-pixel images without adapters, as SAM's and MedSAM's."""
    architecture = replace(toy_architecture(adapter_dim=0), image_size=1024, patch_size=32)
    save_file(random_tensors(architecture, 0), tmp_path / "sam.safetensors")
    return tmp_path / "sam.safetensors"


def test_the_page_asks_and_boxes_alone_are_offered_for_medsam(
    start: Callable[..., ViewerProcess], open_page: Callable[..., Person], sam_file: Path, tmp_path: Path
) -> None:
    viewer = start(resource_path(DEMO_VOLUME), "-m", sam_file, "--root", tmp_path)
    person = open_page(viewer.address)
    person.page.wait_for_selector("#ask-conventions")
    assert "files of SAM and of MedSAM have the same tensors" in person.state("message")
    person.page.select_option("#conventions", "medsam")
    person.wait_until(lambda: person.state("training")["refused_tools"])
    person.wait_until_idle()
    assert person.state("message").startswith("MedSAM was trained with boxes alone")
    for role in NOT_BOXES:
        button = person.page.locator(f"#tool-{role}")
        assert button.is_disabled()
        assert "MedSAM was trained with boxes alone" in (button.get_attribute("title") or "")
    assert person.page.locator("#tool-box").is_enabled()
    assert person.page.locator("#refine").is_disabled()
    person.do("positive")
    person.wait_until(lambda: person.state("is_error"))
    assert person.state("tool") == ""


def test_what_the_command_line_said_is_known(
    start: Callable[..., ViewerProcess], open_page: Callable[..., Person], sam_file: Path, tmp_path: Path
) -> None:
    viewer = start(resource_path(DEMO_VOLUME), "-m", sam_file, "--conventions", "sam", "--root", tmp_path)
    person = open_page(viewer.address)
    person.wait_until_idle()
    assert person.state("training")["conventions"] == "sam"
    assert not person.state("training")["is_asked"]
    assert person.page.input_value("#conventions") == "sam"
