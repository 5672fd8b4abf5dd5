"""Opening and saving from the page: volumes are read in the worker's thread, which touches no node of the scene."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from DFQSAMSlicerLib.scene import SegmentScene
from DFQSAMSlicerLib.worker import Job

from dfqsam_core.errors import DFQSAMError, OutputError
from dfqsam_core.outputs import refuse_overwrite
from dfqsam_core.progress import Cancelled
from dfqsam_core.resources import DEMO_VOLUME, resource_path
from dfqsam_core.volume import Volume, read_volume

from . import documents
from .desk import Desk
from .file_dialog import FileDialog
from .scene_files import unpacked_scene
from .volumes import add_label_map, add_volume, label_map

Action = Callable[..., None]


class Files:
    """Opens files onto a desk and saves what is on it."""

    def __init__(self, desk: Desk, dialog: FileDialog) -> None:
        self.desk, self.dialog = desk, dialog

    def actions(self) -> dict[str, Action]:
        """By name, for the page."""
        return {
            "open": partial(self._show, "open"),
            "open labels": partial(self._show, "labels"),
            "save": self._show_save,
            "browse": self._browse,
            "close dialog": self._close,
            "open path": self._open_chosen,
            "open sample": lambda: self.open_volume(resource_path(DEMO_VOLUME), "CT abdomen (sample)"),
            "save path": self._save_chosen,
        }

    def open_path(self, path: Path) -> None:
        """Open a volume, a segmentation or a scene, told by the name's ending."""
        kind = documents.kind_of(path)
        if kind == "scene":
            self._open_scene(path)
        elif kind == "segmentation":
            self._require_volume()
            self.desk.use_segmentation(documents.read_segmentation(path, self.desk.volume_node))
            self.desk.say(f"{path.name} is open.")
        else:
            self.open_volume(path)

    def open_volume(self, path: Path, name: str = "", labels: Path | None = None) -> None:
        """Read a file or a DICOM folder in the background, then work on it; labels: a label map or .seg.nrrd of it."""

        is_segmentation = labels is not None and documents.kind_of(labels) == "segmentation"

        def read() -> tuple[Volume, Volume | None]:
            return read_volume(path), None if labels is None or is_segmentation else read_volume(labels)

        def done(found: tuple[Volume, Volume | None]) -> None:
            volume, label_volume = found
            self.desk.forget()
            self.desk.world.clear()
            self.desk.listen_again()
            node = add_volume(self.desk.world.scene, volume, name or path.name)
            self.desk.use_volume(volume, node)
            self.desk.say("")
            if label_volume is not None:
                self.desk.use_segmentation(add_label_map(node, volume, label_volume, "labels", {}))
            elif labels is not None:
                self.desk.use_segmentation(documents.read_segmentation(labels, node))

        self._in_background(f"Reading {path.name}…", read, done)

    def _open_labels(self, path: Path) -> None:
        self._require_volume()
        volume, node = self.desk.volume, self.desk.volume_node
        assert volume is not None

        def done(labels: Volume) -> None:
            self.desk.use_segmentation(add_label_map(node, volume, labels, path.name, {}))
            self.desk.say(f"{path.name} is open.")

        self._in_background(f"Reading {path.name}…", lambda: read_volume(path), done)

    def _open_scene(self, path: Path) -> None:
        with unpacked_scene(path) as scene:
            self.desk.forget()
            try:
                volume_node, segmentation_node = documents.read_scene(self.desk.world, scene)
            finally:
                self.desk.listen_again()
        self.desk.use_volume(None, volume_node, segmentation_node)
        self.desk.say(f"{path.name} is open.")

    def _open_chosen(self, path: str) -> None:
        """A line of the dialog was chosen; a folder that was chosen to be opened is a DICOM series."""
        kind = self.dialog.kind
        place = self._within_dialog(lambda: self.dialog.roots.resolve(path))
        if place is None:
            return
        self.dialog.close()
        if kind == "labels":
            self._open_labels(place)
        else:
            self.open_path(place)

    def _save_chosen(self, name: str, replace: bool = False) -> None:
        def save() -> bool:
            place = self.dialog.roots.resolve((self.dialog.folder or Path()) / Path(str(name)).name)
            self.save(place, bool(replace))
            return True

        self.dialog.name = str(name)
        if self._within_dialog(save):
            self.dialog.close()

    def save(self, path: Path, force: bool = False) -> None:
        """Save under a name whose ending tells how; raises OutputError as `atomic_output`."""
        self._require_volume()
        suffix = documents.saved_suffix(path.name)
        refuse_overwrite(path, force)
        if suffix == documents.SCENE:
            documents.write_scene(path, self.desk.world, force)
        elif suffix == documents.SEGMENTATION:
            documents.write_segmentation(path, self.desk.segmentation_node, force)
        else:
            labels, names = label_map(SegmentScene(self.desk.volume_node, self.desk.segmentation_node))
            assert self.desk.volume is not None
            documents.write_labels(path, labels, names, self.desk.volume, force)
        self.desk.mark_saved()
        self.desk.say(f"Saved: {path}")

    def keep_unsaved(self, folder: Path) -> Path | None:
        """Write segments that were changed and not saved into a folder, when the viewer ends; returns the file."""
        if self.desk.segmentation_node is None or not self.desk.has_unsaved_work:
            return None
        if self.desk.workspace is not None:
            self.desk.workspace.controller.accept_preview()
        labels, _ = label_map(SegmentScene(self.desk.volume_node, self.desk.segmentation_node))
        if not labels.any():
            return None
        folder.mkdir(parents=True, exist_ok=True)
        stem = self.desk.volume_node.GetName().replace("/", "_")
        names = (f"{stem}-{number}{documents.SEGMENTATION}" for number in range(1, 10_000))
        path = next(folder / name for name in names if not (folder / name).exists())
        documents.write_segmentation(path, self.desk.segmentation_node, force=False)
        return path

    def _show(self, kind: str) -> None:
        if kind == "labels":
            self._require_volume()
        self.dialog.show(kind)
        self.desk.say("")

    def _show_save(self) -> None:
        self._require_volume()
        stem = self.desk.volume_node.GetName()
        for suffix in documents.VOLUMES:
            stem = stem.removesuffix(suffix)
        self.dialog.show("save", f"{stem.replace('/', '_')}-segments{documents.SEGMENTATION}")
        self.desk.say("")

    def _browse(self, folder: str) -> None:
        self._within_dialog(lambda: self.dialog.go(folder))
        self.desk.say("")

    def _close(self) -> None:
        self.dialog.close()
        self.desk.say("")

    def _within_dialog(self, action: Callable[[], Any]) -> Any:
        """Do something whose refusal is shown in the dialog, not behind it."""
        try:
            return action()
        except (DFQSAMError, OSError) as error:
            self.dialog.error = str(error).replace("add --force to replace it", "tick Replace")
            self.desk.say("")
            return None

    def _in_background(self, notice: str, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        def finished(result: Any) -> None:
            try:
                done(result)
            except DFQSAMError as error:
                failed(error)

        def failed(error: BaseException) -> None:
            if isinstance(error, (DFQSAMError, OSError)):
                self.desk.say(str(error), is_error=True)
            elif not isinstance(error, Cancelled):
                raise error

        self.desk.say(notice)
        self.desk.worker.submit(Job(lambda _: work(), finished, failed, topic="open"))

    def _require_volume(self) -> None:
        if self.desk.volume_node is None:
            raise OutputError("There is no volume yet. Open one first.")
