"""Opening and saving: volumes, label maps, Slicer's segmentations and whole scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer
import vtk

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.errors import DFQSAMError, OutputError, VolumeError
from dfqsam_core.volume import Volume, read_volume
from dfqsam_core.volume.files.dicom_seg_reader import is_dicom_seg, read_dicom_seg
from dfqsam_core.volume.files.links import refuse_outside
from dfqsam_scene.nodes.segment_numbers import write_numbers
from dfqsam_scene.nodes.segment_statistics import segment_sizes, sizes_csv
from dfqsam_scene.nodes.segments import SegmentScene, new_segmentation

from .scene_files import check_archive, check_image
from .surface import closed_surfaces
from .world import World

SEGMENTATION, SCENE = ".seg.nrrd", ".mrb"
VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha", ".dcm")
LABEL_MAPS = (".nii.gz", ".nii", ".nrrd", ".mha", ".dcm")
OPENED = (*VOLUMES, SCENE)
TABLE = ".csv"
# Of 3D models, with what writes each.
MODELS = {".stl": vtk.vtkSTLWriter, ".obj": vtk.vtkOBJWriter}
SAVED = (SEGMENTATION, *LABEL_MAPS, SCENE, *MODELS, TABLE)


def kind_of(path: Path) -> str:
    """ "scene", "segmentation" or "volume", by the ending of the name."""
    name = path.name.lower()
    return "scene" if name.endswith(SCENE) else "segmentation" if name.endswith(SEGMENTATION) else "volume"


def read_segmentation(path: Path, volume_node: Any) -> Any:
    """Add the segmentation of a .seg.nrrd file; returns its node. Raises VolumeError when it cannot be used here."""
    check_image(path)
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(path))
    node = new_segmentation(volume_node, path.name[: -len(SEGMENTATION)])
    try:
        if not storage.ReadData(node):
            raise VolumeError(f"{path} cannot be read as a segmentation. It is damaged, or something else.")
        node.CreateDefaultDisplayNodes()
        SegmentScene(volume_node, node)
    except DFQSAMError:
        volume_node.GetScene().RemoveNode(node)
        raise
    return node


def read_labels(path: Path, volume: Volume, within: Sequence[Path]) -> tuple[Volume, str, dict[int, str]]:
    """A label map of `volume`, its name, and label to segment name; touches no node.

    path: a DICOM SEG, or any file of LABEL_MAPS. within: folders that no link may lead out of. Raises VolumeError for
    what cannot be read.
    """
    refuse_outside(path, within)
    labels, names = read_dicom_seg(path, volume) if is_dicom_seg(path) else (read_volume(path, within=within), {})
    return labels, path.name, names


def read_scene(world: World, scene_file: Path) -> tuple[Any, Any]:
    """Replace the scene by that of a checked .mrml file; returns its first volume and the segmentation on it, if any.

    Raises VolumeError for a scene without a volume.
    """
    world.clear()
    if not world.app.io_manager.load_scene(scene_file):
        raise VolumeError(f"{scene_file.name} cannot be read as a scene. It is damaged.")
    volumes = _nodes(world.scene, "vtkMRMLScalarVolumeNode", exactly=True)
    if not volumes:
        raise VolumeError(f"The scene {scene_file.name} has no volume. Open a volume instead.")
    segmentations = [n for n in _nodes(world.scene, "vtkMRMLSegmentationNode") if not n.GetHideFromEditors()]
    on_volume = [
        n for n in segmentations if n.GetNodeReference(n.GetReferenceImageGeometryReferenceRole()) is volumes[0]
    ]
    return volumes[0], next(iter([*on_volume, *segmentations]), None)


def write_segmentation(path: Path, segmentation_node: Any, force: bool) -> None:
    """Write a .seg.nrrd with names and colours, as Slicer does it; raises OutputError as `atomic_output`."""
    write_numbers(segmentation_node.GetSegmentation())
    with atomic_output(path, force) as temporary:
        storage = slicer.vtkMRMLSegmentationStorageNode()
        storage.SetFileName(str(temporary))
        if not storage.WriteData(segmentation_node):
            raise OutputError(f"Writing {path} failed. Free some space, or choose another folder.")
        # On a full disk Slicer's writer leaves half a file and calls it done.
        try:
            check_image(temporary)
        except VolumeError as error:
            raise OutputError(f"Writing {path} failed: {error}") from error


def write_model(path: Path, segmentation_node: Any, force: bool) -> None:
    """Write the surfaces of all segments as one 3D model in LPS, mm, as Slicer does; path: ends in one of MODELS.

    Raises OutputError as `atomic_output`, and where all segments are empty.
    """
    meshes = [mesh for _, mesh in closed_surfaces(segmentation_node)]
    if not meshes:
        raise OutputError("All segments are empty, so there is no 3D model to write. Segment something first.")
    together, to_lps = vtk.vtkAppendPolyData(), vtk.vtkTransformPolyDataFilter()
    for mesh in meshes:
        together.AddInputData(mesh)
    ras_to_lps = vtk.vtkTransform()
    ras_to_lps.Scale(-1, -1, 1)
    to_lps.SetTransform(ras_to_lps)
    to_lps.SetInputConnection(together.GetOutputPort())
    with atomic_output(path, force) as temporary:
        writer = MODELS[path.suffix.lower()]()
        if path.suffix.lower() == ".stl":
            writer.SetFileTypeToBinary()
        writer.SetInputConnection(to_lps.GetOutputPort())
        writer.SetFileName(str(temporary))
        if not writer.Write() or not temporary.stat().st_size:
            raise OutputError(f"Writing {path} failed. Free some space, or choose another folder.")


def write_sizes(path: Path, segmentation_node: Any, axis: str, force: bool) -> None:
    """Write how large the segments are as .csv; axis: as `segment_sizes`. Raises OutputError as `atomic_output`."""
    with atomic_output(path, force) as temporary:
        temporary.write_text(sizes_csv(segment_sizes(segmentation_node, axis)), encoding="utf-8")


def write_scene(path: Path, world: World, force: bool) -> None:
    """Write a .mrb with volume, segments, prompts and the session; raises OutputError as `atomic_output`."""
    for node in [n for n in _nodes(world.scene, "vtkMRMLSegmentationNode") if n.GetSaveWithScene()]:
        write_numbers(node.GetSegmentation())
    with atomic_output(path, force) as temporary:
        # Slicer's writer wants to make the file itself.
        temporary.unlink()
        # Slicer's save dialog tells the scene so; whoever keeps something in it, as the session, waits for that.
        world.scene.StartState(world.scene.SaveState)
        try:
            is_saved = world.app.io_manager.save_scene(temporary)
        finally:
            world.scene.EndState(world.scene.SaveState)
        if not is_saved or not temporary.is_file():
            raise OutputError(f"Writing {path} failed. Free some space, or choose another folder.")
        check_archive(temporary)


def saved_suffix(name: str) -> str:
    """Ending of a name to save under; raises OutputError for another one than SAVED."""
    for suffix in SAVED:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return suffix
    raise OutputError(f"The name {name!r} must end in {', '.join(SAVED)}.")


def _nodes(scene: Any, class_name: str, exactly: bool = False) -> list[Any]:
    found = [scene.GetNthNodeByClass(n, class_name) for n in range(scene.GetNumberOfNodesByClass(class_name))]
    return [node for node in found if not exactly or node.GetClassName() == class_name]
