"""The module's own logic and self-test on the real scene; Slicer's base classes are absent, unittest stands in."""

from __future__ import annotations

import importlib.metadata
import sys
import unittest

import numpy as np
import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed: make test-slicer")

from DFQSAMSlicerLib.sample_data import load_sample, register_sample_data

import DFQSAMSlicer
from dfqsam_core.errors import DFQSAMError
from dfqsam_core.resources import DEMO_VOLUME, resource_path
from dfqsam_core.volume import read_volume
from dfqsam_scene.nodes.volume_node import SceneError, read_volume_node


def test_the_self_test_passes(world, monkeypatch, tmp_path):
    monkeypatch.setenv("DFQSAM_VERIFICATION_FOLDER", str(tmp_path))

    class SelfTest(DFQSAMSlicer.DFQSAMSlicerTest, unittest.TestCase):
        def delayDisplay(self, text):
            assert text

    result = unittest.TestResult()
    SelfTest().run(result)
    assert result.testsRun == 1
    assert result.wasSuccessful(), result.errors + result.failures
    assert "A click inside the liver segments it" in (tmp_path / "DFQSAMSlicer-verification.html").read_text("utf-8")


def test_the_sample_is_the_file_that_comes_with_the_extension(world):
    volume, expected = read_volume_node(load_sample()), read_volume(resource_path(DEMO_VOLUME))
    np.testing.assert_array_equal(volume.voxels_kji, expected.voxels_kji)
    assert volume.geometry.is_close(expected.geometry, 1e-3)


def test_the_sample_needs_no_network(world):
    offered = []

    class SampleDataLogic:
        @staticmethod
        def registerCustomSampleDataSource(**source):
            offered.append(source)

    register_sample_data(SampleDataLogic)
    assert offered[0]["uris"] == resource_path(DEMO_VOLUME).as_uri()
    node = offered[0]["customDownloader"](None)
    assert node.GetName() == offered[0]["nodeNames"]
    assert node.GetImageData().GetDimensions() == (122, 101, 30)


def test_bad_states_are_sentences(world, a_volume_node, tmp_path):
    logic = DFQSAMSlicer.DFQSAMSlicerLogic()
    with pytest.raises(SceneError, match="There is no volume"):
        logic.open(None)
    with pytest.raises(DFQSAMError, match=r"gone\.safetensors"):
        logic.open(a_volume_node, model_path=tmp_path / "gone.safetensors")
    assert world.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_the_self_test_says_so_and_does_nothing_where_packages_are_missing(world, monkeypatch):
    # As on Slicer's build machines, which run the test of every extension: none of the packages is there.
    hidden, version = ("onnxruntime", "onnx", "safetensors", "platformdirs"), importlib.metadata.version

    def found(name):
        if name in hidden:
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", found)
    for name in [name for name in sys.modules if name.split(".")[0] in (*hidden, "dfqsam_core", "dfqsam_scene")]:
        monkeypatch.delitem(sys.modules, name)
    for name in hidden:
        monkeypatch.setitem(sys.modules, name, None)
    said = []

    class SelfTest(DFQSAMSlicer.DFQSAMSlicerTest, unittest.TestCase):
        def delayDisplay(self, text):
            said.append(text)

    result = unittest.TestResult()
    SelfTest().run(result)
    assert result.wasSuccessful(), result.errors + result.failures
    assert len(said) == 1
    assert "onnxruntime>=1.19" in said[0]
    assert world.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
