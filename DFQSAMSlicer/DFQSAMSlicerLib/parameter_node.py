"""What the panel remembers in the scene: the choices of its selectors and switches, typed."""

from __future__ import annotations

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
