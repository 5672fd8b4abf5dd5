"""Opening and saving from the page: volumes are read in the worker's thread, which touches no node of the scene."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from dfqsam_core.base.outputs import refuse_overwrite
from dfqsam_core.base.system.names import file_name
from dfqsam_core.errors import DFQSAMError
from dfqsam_core.progress import Cancelled
from dfqsam_core.resources import DEMO_VOLUME, resource_path
from dfqsam_core.volume import Volume, read_volume, write_label_map
from dfqsam_scene.jobs.worker import Job
from dfqsam_scene.nodes.segments import SegmentScene

from . import documents
from .desk import Desk
from .file_dialog import FileDialog
from .scene_files import unpacked_scene
from .volumes import add_label_map, add_volume, label_map

Action = Callable[..., None]
# No system takes longer ones.
_LONGEST_NAME = 255


class Files:
    """Opens files onto a desk and saves what is on it; unsaved: folder for segments that are left without saving."""

    def __init__(self, desk: Desk, dialog: FileDialog, unsaved: Path) -> None:
        self.desk, self.dialog, self.unsaved = desk, dialog, unsaved

    def actions(self) -> dict[str, Action]:
        """By name, for the page."""
        return {
            "open": partial(self.dialog.show, "open"),
            "open labels": self._show_labels,
            "save": self._show_save,
            "browse": lambda folder: self._within_dialog(lambda: self.dialog.go(folder)),
            "close dialog": self.dialog.close,
            "open path": self._open_chosen,
            "open sample": lambda: self.open_volume(resource_path(DEMO_VOLUME), "CT abdomen (sample)"),
            "save path": self._save_chosen,
            "continue work": self._continue_work,
        }

    def open_path(self, path: Path) -> None:
        """Open a volume, a segmentation or a scene, told by the name's ending."""
        kind = documents.kind_of(path)
        if kind == "scene":
            self._open_scene(path)
        elif kind == "segmentation":
            self.desk.require_volume()
            self._use(documents.read_segmentation(path, self.desk.volume_node), path)
        else:
            self.open_volume(path)

    def open_volume(self, path: Path, name: str = "", labels: Path | None = None) -> None:
        """Read a file or a DICOM folder in the background, then work on it; labels: a label map or .seg.nrrd of it."""

        is_segmentation = labels is not None and documents.kind_of(labels) == "segmentation"

        def read() -> tuple[Volume, Volume | None]:
            volume = self._read(path)
            return volume, None if labels is None or is_segmentation else self._read(labels)

        def done(found: tuple[Volume, Volume | None]) -> None:
            volume, label_volume = found
            kept = self.keep_unsaved()
            self.desk.forget()
            self.desk.world.clear()
            self.desk.listen()
            node = add_volume(self.desk.world.scene, volume, name or path.name)
            self.desk.use_volume(volume, node)
            self.desk.say(kept)
            if label_volume is not None:
                self.desk.use_segmentation(add_label_map(node, volume, label_volume, "labels", {}))
            elif labels is not None:
                self.desk.use_segmentation(documents.read_segmentation(labels, node))

        self._in_background(f"Reading {path.name}…", read, done)

    def _read(self, path: Path) -> Volume:
        """Read a file or folder, which no link in it or beside it may lead out of, but into the roots."""
        return read_volume(path, within=[*self.dialog.roots.folders, path if path.is_dir() else path.parent])

    def _open_labels(self, path: Path) -> None:
        self.desk.require_volume()

        def done(labels: Volume) -> None:
            # Another volume may have been opened meanwhile.
            volume = self.desk.require_volume()
            self._use(add_label_map(self.desk.volume_node, volume, labels, path.name, {}), path)

        self._in_background(f"Reading {path.name}…", lambda: self._read(path), done)

    def _open_scene(self, path: Path) -> None:
        def unpack() -> tuple[contextlib.ExitStack, Path]:
            with contextlib.ExitStack() as folder:
                scene = folder.enter_context(unpacked_scene(path))
                return folder.pop_all(), scene

        def done(found: tuple[contextlib.ExitStack, Path]) -> None:
            folder, scene = found
            with folder:
                kept = self.keep_unsaved()
                self.desk.forget()
                try:
                    volume_node, segmentation_node = documents.read_scene(self.desk.world, scene)
                finally:
                    self.desk.listen()
            self.desk.use_volume(None, volume_node, segmentation_node)
            self.desk.say(f"{path.name} is open. {kept}".strip())

        self._in_background(f"Reading {path.name}…", unpack, done)

    def _use(self, segmentation_node: Any, path: Path) -> None:
        """Draw into the segmentation that a file brought from now on."""
        kept = self.keep_unsaved()
        self.desk.use_segmentation(segmentation_node)
        self.desk.say(f"{path.name} is open. {kept}".strip())

    def _continue_work(self) -> None:
        """Go on with what an earlier run left of this volume; what was drawn meanwhile is kept as a file."""
        kept = self.keep_unsaved()
        self.desk.continue_work()
        self.desk.say(f"Your work is back as it was. {kept}".strip())

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

        self.dialog.name = str(name)[:_LONGEST_NAME]
        if self._within_dialog(save):
            self.dialog.close()

    def save(self, path: Path, force: bool = False) -> None:
        """Save under a name whose ending tells how; raises OutputError as `atomic_output`."""
        volume = self.desk.require_volume()
        suffix = documents.saved_suffix(path.name)
        refuse_overwrite(path, force)
        if self.desk.workspace is not None:
            # A propagation writes slice by slice, with pauses: no half of it is saved.
            self.desk.workspace.controller.finish_writing()
        if suffix == documents.SCENE:
            documents.write_scene(path, self.desk.world, force)
        elif suffix == documents.SEGMENTATION:
            documents.write_segmentation(path, self.desk.segmentation_node, force)
        else:
            labels, names = label_map(SegmentScene(self.desk.volume_node, self.desk.segmentation_node))
            write_label_map(path, labels, volume, names, force)
        self.desk.mark_saved()
        self.desk.say(f"Saved: {path}")

    def keep_unsaved(self) -> str:
        """Write segments that were changed and not saved into a file of the user's, before they are left.

        Returns a sentence that says where, or nothing. Raises OutputError as `atomic_output`.
        """
        if self.desk.workspace is not None:
            self.desk.workspace.controller.finish_writing()
            self.desk.workspace.controller.accept_preview()
        if self.desk.segmentation_node is None or not self.desk.has_unsaved_work:
            return ""
        labels, _ = label_map(SegmentScene(self.desk.volume_node, self.desk.segmentation_node))
        if not labels.any():
            return ""
        self.unsaved.mkdir(parents=True, exist_ok=True)
        names = (f"{self._stem()}-{number}{documents.SEGMENTATION}" for number in range(1, 10_000))
        path = next(self.unsaved / name for name in names if not (self.unsaved / name).exists())
        documents.write_segmentation(path, self.desk.segmentation_node, force=False)
        return f"Segments that were not saved are kept in {path}"

    def _show_labels(self) -> None:
        self.desk.require_volume()
        self.dialog.show("labels")

    def _show_save(self) -> None:
        self.desk.require_volume()
        self.dialog.show("save", f"{self._stem()}-segments{documents.SEGMENTATION}")

    def _stem(self) -> str:
        """The volume's name, without a file's ending, as the begin of a file's name."""
        stem: str = self.desk.volume_node.GetName()
        for suffix in documents.VOLUMES:
            stem = stem.removesuffix(suffix)
        return file_name(stem)

    def _within_dialog(self, action: Callable[[], Any]) -> Any:
        """Do something whose refusal is shown in the dialog, not behind it."""
        try:
            return action()
        except (DFQSAMError, OSError) as error:
            self.dialog.error = str(DFQSAMError(str(error))).replace("add --force to replace it", "tick Replace")
            return None

    def _in_background(self, notice: str, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        def finished(result: Any) -> None:
            try:
                done(result)
            except (DFQSAMError, OSError) as error:
                failed(error)

        def failed(error: BaseException) -> None:
            if isinstance(error, (DFQSAMError, OSError)):
                self.desk.say(str(error), is_error=True)
            elif not isinstance(error, Cancelled):
                raise error

        self.desk.say(notice)
        self.desk.worker.submit(Job(lambda _: work(), finished, failed, topic="open"))
