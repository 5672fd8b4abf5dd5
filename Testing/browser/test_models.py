"""The pages for models: cards, and a quantization that is watched, cancelled and continued."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dfqsam_core.resources import DEMO_CHECKPOINT, DEMO_MODEL, DEMO_VOLUME, resource_path
from Testing.support.needs import skip_or_fail
from Testing.support.viewer import ROOT, Person, ViewerProcess, keep_picture

OpenPage = Callable[..., Person]


@pytest.fixture
def quantizing_path(tmp_path: Path) -> str:
    """A folder for PATH with a PythonSlicer, which the viewer prefers: a Python with torch, as there is in Slicer."""
    candidates = [os.environ.get("DFQSAM_TORCH_PYTHON", ""), str(ROOT / ".venv/bin/python")]
    python = next((path for path in candidates if path and Path(path).is_file()), None)
    if python is None:
        skip_or_fail("there is no Python with torch: run `make env`, or name one with DFQSAM_TORCH_PYTHON")
    launcher = tmp_path / "bin" / "PythonSlicer"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\nOMP_NUM_THREADS=1 exec "{python}" "$@"\n')
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
    return str(launcher.parent)


def choose(person: Person, button: str, name: str) -> None:
    """Choose a file in the dialog that a button opens."""
    person.page.click(button)
    person.page.click(f".files li[data-name='{name}']")
    person.wait_until(lambda: person.state("dialog") is None)


def test_the_card_of_the_model_in_use_is_shown(person: Person, pictures: Path) -> None:
    person.page.click("text=Models")
    person.wait_until(lambda: person.state("models"))
    assert [model["used"] for model in person.state("models")].count(True) == 1
    person.page.click(".models li:has(.use:disabled) .link")
    person.page.wait_for_selector("#card")
    text = person.page.inner_text("#card")
    assert "architecture" in text
    assert "sha256" in text
    keep_picture(person, pictures / "viewer_models.png")


def test_a_file_that_is_no_model_is_refused_in_a_sentence(person: Person, tmp_path: Path) -> None:
    (tmp_path / "wrong.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0 not a model....")
    person.page.click("text=Models")
    choose(person, "#add-model", "wrong.safetensors")
    person.wait_until(lambda: person.state("is_error"))
    assert "wrong.safetensors" in person.state("message")
    assert "wrong.safetensors" not in [model["name"] for model in person.state("models")]


def test_a_quantization_is_watched_cancelled_and_continued(
    start: Callable[..., ViewerProcess], open_page: OpenPage, quantizing_path: str, tmp_path: Path, pictures: Path
) -> None:
    (tmp_path / "checkpoint.safetensors").symlink_to(resource_path(DEMO_CHECKPOINT))
    viewer = start(
        resource_path(DEMO_VOLUME), "--root", tmp_path, "--root", resource_path(DEMO_MODEL).parent, path=quantizing_path
    )
    person = open_page(viewer.address)
    person.wait_until_idle()
    person.page.click("text=Quantize")
    choose(person, "#choose-checkpoint", "checkpoint.safetensors")
    person.page.select_option("#recipe", "default")
    person.page.click("#quantize")
    person.wait_until(lambda: _job(person)["picture"])
    person.page.wait_for_selector("#synthetic")
    keep_picture(person, pictures / "viewer_quantize.png")
    person.wait_until(lambda: person.page.evaluate("document.querySelector('#synthetic').naturalWidth") > 100)
    person.wait_until(lambda: list(viewer.log.parent.rglob("image_*.safetensors")))
    person.page.click("#cancel-quantization")
    person.wait_until(lambda: _job(person)["state"] == "cancelled")
    assert "Resume" in _job(person)["message"]
    person.page.click("button:has-text('Resume')")
    person.wait_until(lambda: _job(person)["state"] == "running")
    person.page.click("text=Segment")
    person.tool("positive")
    person.prompt("axial", 0.33, 0.45)
    assert len(person.state("prompts")) == 1, "segmenting goes on meanwhile"


def test_a_model_that_was_just_quantized_is_used_at_once(
    start: Callable[..., ViewerProcess], open_page: OpenPage, quantizing_path: str, tmp_path: Path
) -> None:
    """It was refused once: not in the list until its card was read."""
    (tmp_path / "checkpoint.safetensors").symlink_to(resource_path(DEMO_CHECKPOINT))
    roots = "--root", tmp_path, "--root", resource_path(DEMO_MODEL).parent
    person = open_page(start(resource_path(DEMO_VOLUME), *roots, path=quantizing_path).address)
    person.wait_until_idle()
    person.page.click("text=Quantize")
    choose(person, "#choose-checkpoint", "checkpoint.safetensors")
    person.page.select_option("#recipe", "fast")
    person.page.fill("#images", "2")
    person.page.press("#images", "Tab")
    person.page.click("#quantize")
    person.page.wait_for_selector("text=Written")
    before = person.state("model")
    person.page.click("text=Segment with it")
    person.wait_until(lambda: person.state("model") != before or person.state("is_error"))
    assert not person.state("is_error"), person.state("message")


def test_without_torch_the_page_says_what_to_install(person: Person, tmp_path: Path) -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        pass
    else:
        pytest.skip("torch is installed here")
    (tmp_path / "checkpoint.safetensors").write_bytes(resource_path(DEMO_CHECKPOINT).read_bytes())
    person.page.click("text=Quantize")
    choose(person, "#choose-checkpoint", "checkpoint.safetensors")
    person.page.click("#quantize")
    person.wait_until(lambda: _job(person)["state"] == "failed")
    assert f"pip install '{ROOT}[quantize]'" in person.page.inner_text("#quantization-state")


def _job(person: Person) -> dict[str, Any]:
    return person.state("quantization")


def test_the_page_estimates_before_it_quantizes(person: Person, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.safetensors").write_bytes(resource_path(DEMO_CHECKPOINT).read_bytes())
    person.page.click("text=Quantize")
    choose(person, "#choose-checkpoint", "checkpoint.safetensors")
    assert _job(person)["recipes"] == ["default", "fast", "paper"]
    person.page.click("#estimate")
    person.wait_until(lambda: _job(person)["estimate"])
    assert "MB in float32" in person.page.inner_text("#estimate-text")
    assert _job(person)["message"] == "Nothing was written."


def test_without_a_choice_the_packed_model_answers_and_the_float_one_is_offered_to_quantize(
    start: Callable[..., ViewerProcess], open_page: OpenPage, tmp_path: Path
) -> None:
    person = open_page(start(resource_path(DEMO_VOLUME), "--root", tmp_path).address)
    person.page.click("text=Models")
    person.wait_until(lambda: person.state("models"))
    packed, floating = person.state("models")
    assert (packed["name"], packed["kind"]) == ("Demonstration model, packed 4-bit", "packed model")
    assert (floating["name"], floating["kind"]) == ("Demonstration model, float", "float checkpoint")
    assert (packed["used"], floating["used"]) == (True, False)
    assert _job(person)["checkpoint"] == str(resource_path(DEMO_CHECKPOINT))
    person.page.click("text=Quantize")
    person.page.click("#estimate")
    person.wait_until(lambda: _job(person)["estimate"])
    assert "MB in float32" in person.page.inner_text("#estimate-text")
