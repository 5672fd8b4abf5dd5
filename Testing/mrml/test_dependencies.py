"""Dependencies are explained before anything is installed, and what is installed is never replaced; needs no scene."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import types

import pytest
from DFQSAMSlicerLib import dependencies, torch_dependency

from dfqsam_core.errors import DFQSAMError


@pytest.fixture
def wanted(tmp_path):
    """Requirements of one package that exists nowhere, one that is too old, and one that is there."""
    path = tmp_path / "requirements.txt"
    path.write_text("# a comment\nno-such-package-here>=1  # does wonders\n\nnumpy>=999  # counts\npytest>=1\n")
    return path


@pytest.fixture
def pip(monkeypatch):
    """Slicer 5.12's package installer, as far as it is called: notes what it is given."""
    calls = []

    def pip_ensure(requirements, constraints, prompt_install, requester):
        calls.append(([str(item) for item in requirements], constraints.read_text(), prompt_install, requester))

    host, packaging = types.ModuleType("slicer"), types.ModuleType("slicer.packaging")
    packaging.pip_ensure = pip_ensure
    monkeypatch.setitem(sys.modules, "slicer", host)
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    return calls


def test_missing_and_old_packages_are_told_with_their_reason(wanted):
    found = dependencies.missing(wanted)
    assert [(package.text, package.why) for package in found] == [
        ("no-such-package-here>=1", "does wonders"),
        ("numpy>=999", "counts"),
    ]
    assert found[0].found is None
    assert found[1].found == importlib.metadata.version("numpy")
    assert "does wonders" in dependencies.explain(found)
    assert "too old" in dependencies.explain(found)


def test_nothing_is_installed_when_a_person_declines(wanted, pip):
    asked = []
    assert dependencies.ensure(lambda text: bool(asked.append(text)), wanted) is False
    assert len(asked) == 1
    assert pip == []


def test_everything_installed_is_held_where_it_is(wanted, pip):
    assert dependencies.ensure(lambda text: True, wanted) is False
    (texts, constraints, prompts_again, requester) = pip[0]
    assert texts == ["no-such-package-here>=1", "numpy>=999"]
    assert f"pytest=={importlib.metadata.version('pytest')}" in constraints.splitlines()
    assert not [line for line in constraints.splitlines() if line.startswith("numpy==")]
    assert (prompts_again, requester) == (False, "DFQSAMSlicer")


def test_slicer_5_10_installs_through_its_older_way(wanted, pip, monkeypatch):
    calls = []
    util = types.ModuleType("slicer.util")
    util.pip_install = calls.append
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.setitem(sys.modules, "slicer.util", util)
    monkeypatch.setattr(sys.modules["slicer"], "util", util, raising=False)
    dependencies.ensure(lambda text: True, wanted)
    assert calls[0][:3] == ["no-such-package-here>=1", "numpy>=999", "--constraint"]


def test_nobody_is_asked_when_all_is_there(tmp_path, pip):
    path = tmp_path / "requirements.txt"
    path.write_text("pytest>=1\n")
    assert dependencies.ensure(lambda text: pytest.fail("asked"), path) is True
    assert pip == []


def test_our_own_requirements_have_lower_bounds_only_and_nothing_that_slicer_brings():
    lines = [line.split("#")[0].strip() for line in dependencies.REQUIREMENTS.read_text().splitlines()]
    texts = [line for line in lines if line]
    assert [text.split(">=")[0] for text in texts] == ["onnxruntime", "onnx", "safetensors", "platformdirs"]
    assert all(">=" in text and not set(text) & set("<~!,") and "==" not in text for text in texts)


@pytest.fixture
def wanted_to_quantize(tmp_path, monkeypatch):
    """torch and another package, both of versions that do not exist."""
    path = tmp_path / "requirements-quantize.txt"
    path.write_text("torch>=999  # gradients\nno-such-package-here>=1  # decodes\n")
    monkeypatch.setattr(torch_dependency, "REQUIREMENTS", path)


@pytest.fixture
def pytorch_extension(monkeypatch):
    """The extension PyTorch's utilities, as far as they are called; notes what they and pip are given."""
    calls = []

    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation, torchVersionRequirement):
            with open(os.environ["PIP_CONSTRAINT"]) as constraints:
                calls.append((askConfirmation, torchVersionRequirement, constraints.read().splitlines()))

    module = types.ModuleType("PyTorchUtils")
    module.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    return calls


def test_torch_comes_from_the_extension_that_is_made_for_it_and_the_rest_from_pip(
    wanted_to_quantize, pytorch_extension, pip
):
    asked = []
    torch_dependency.ensure(lambda text: asked.append(text) or True)
    assert "several GB" in asked[0]
    [(asks_again, version, constraints)] = pytorch_extension
    assert (asks_again, version) == (False, ">=999")
    assert f"pytest=={importlib.metadata.version('pytest')}" in constraints
    assert "PIP_CONSTRAINT" not in os.environ
    assert [texts for texts, *_ in pip] == [["no-such-package-here>=1"]]


def test_without_that_extension_nothing_is_installed_and_nobody_is_asked(wanted_to_quantize, pip, monkeypatch):
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(DFQSAMError, match="Extensions Manager"):
        torch_dependency.ensure(lambda text: pytest.fail("asked"))
    assert pip == []


def test_declining_torch_installs_nothing(wanted_to_quantize, pytorch_extension, pip):
    assert torch_dependency.ensure(lambda text: False) is False
    assert (pytorch_extension, pip) == ([], [])


def test_all_bounds_are_those_of_the_package_itself():
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((dependencies.REQUIREMENTS.parents[2] / "pyproject.toml").read_text())["project"]
    ours = {*project["dependencies"], *project["optional-dependencies"]["quantize"]}
    for file in (dependencies.REQUIREMENTS, torch_dependency.REQUIREMENTS):
        texts = {line.split("#")[0].strip() for line in file.read_text().splitlines()} - {""}
        # Only the module itself needs platformdirs.
        assert texts - {"platformdirs>=4.0"} <= ours
