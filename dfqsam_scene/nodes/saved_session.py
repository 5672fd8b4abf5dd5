"""The session as a text node of the scene: saved with it, so that prompts and candidates are there again tomorrow."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from dfqsam_core.volume import Volume, VolumeSession, restore_session, save_session
from dfqsam_core.volume.session.slice_predictor import Predictor

_ROLE = "DFQSAMSlicer.session"
_REFERENCE = "segmentation"


def store_session(session: VolumeSession, segmentation_node: Any) -> Any:
    """Write a session into the text node that belongs to a segmentation, made where it is missing; returns the node."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.json"
        save_session(path, session)
        return store_text(path.read_text(encoding="utf-8"), segmentation_node)


def store_text(text: str, segmentation_node: Any) -> Any:
    """Keep the text of a session file as the session of a segmentation; returns its node."""
    node = _find(segmentation_node)
    if node is None:
        node = segmentation_node.GetScene().CreateNodeByClass("vtkMRMLTextNode")
        node.UnRegister(None)
        node.SetName("SAM session")
        node.SetAttribute(_ROLE, "1")
        # Slicer's Data tree looks at a node when it is added.
        node.SetHideFromEditors(True)
        segmentation_node.GetScene().AddNode(node)
        node.SetNodeReferenceID(_REFERENCE, segmentation_node.GetID())
    # In the scene's own file: a file of the node would be written before the scene tells that it is saved, and Slicer's
    # save dialog writes none for a hidden node.
    node.SetForceCreateStorageNode(node.CreateStorageNodeNever)
    node.SetAndObserveStorageNodeID(None)
    node.SetText(text)
    return node


def load_session(
    segmentation_node: Any, volume: Volume, model: Any, predictor: Predictor | None = None
) -> VolumeSession | None:
    """The session that was stored with a segmentation, None where there is none.

    Raises PromptError for a damaged one, and for one of another volume or model.
    """
    node = _find(segmentation_node)
    if node is None or not node.GetText():
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.json"
        path.write_text(node.GetText(), encoding="utf-8")
        return restore_session(path, volume, model, predictor=predictor)


def _find(segmentation_node: Any) -> Any:
    scene = segmentation_node.GetScene()
    for n in range(scene.GetNumberOfNodesByClass("vtkMRMLTextNode")):
        node = scene.GetNthNodeByClass(n, "vtkMRMLTextNode")
        if node.GetAttribute(_ROLE) and node.GetNodeReference(_REFERENCE) is segmentation_node:
            return node
    return None
