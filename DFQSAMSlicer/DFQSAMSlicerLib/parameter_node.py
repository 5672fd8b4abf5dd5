"""What the panel remembers in the scene: the choices of its selectors and switches, typed."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper


@parameterNodeWrapper
class PanelParameters:
    """The Segment panel's choices; fields are named as Slicer names parameters.

    All are as `dfqsam_scene.prompting.choice.Choice` has them.
    """

    volume: slicer.vtkMRMLScalarVolumeNode
    segmentation: slicer.vtkMRMLSegmentationNode
    segmentId: str
    window: str = "auto"
    autoAccept: bool = True
    refine: bool = False
    protectOthers: bool = True
    encodeAhead: bool = True


def first_volume() -> Any:
    """The first vtkMRMLScalarVolumeNode of the scene that people can see in lists, label maps aside; None without."""
    count = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    nodes = (slicer.mrmlScene.GetNthNodeByClass(n, "vtkMRMLScalarVolumeNode") for n in range(count))
    listed = (node for node in nodes if node.GetClassName() == "vtkMRMLScalarVolumeNode")
    return next((node for node in listed if not node.GetHideFromEditors()), None)
