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
from .captions import patient_and_series
from .file_dialog import FileDialog
from .logic import ViewerLogic
from .scene_files import unpacked_scene
from .volumes import add_label_map, add_volume, label_map

Action = Callable[..., None]
# A label map, its name, and label to segment name.
_Labels = tuple[Volume, str, dict[int, str]]
# No system takes longer ones.
_LONGEST_NAME = 255
# What a dialog, and an offer of kept work, is there for.
_IN_DIALOG = ("browse", "open path", "save path", "model path", "checkpoint path")
_IN_OFFER = ("continue work", "discard work")


class Files:
    """Opens files to work on, and saves them; unsaved: folder for segments that are left without saving."""

    def __init__(self, logic: ViewerLogic, dialog: FileDialog, unsaved: Path) -> None:
        self.logic, self.dialog, self.unsaved = logic, dialog, unsaved

    def actions(self) -> dict[str, Action]:
        """By name, for the page."""
        return {
            "open": partial(self.dialog.show, "open"),
            "open labels": self._show_labels,
            "save": self._show_save,
            "save csv": self._show_save_csv,
            "browse": lambda folder: self._within_dialog(lambda: self.dialog.go(folder)),
            "open path": self._open_chosen,
            "open sample": lambda: self.open_volume(resource_path(DEMO_VOLUME), "CT abdomen (sample)"),
            "save path": self._save_chosen,
            "continue work": self._continue_work,
        }

    def is_past(self, name: str) -> bool:
        """True where a button was pressed twice, before the page showed that the first press had taken it away."""
        keeping = self.logic.room.keeping
        is_offered = keeping is not None and bool(keeping.offer)
        return (name in _IN_DIALOG and not self.dialog.kind) or (name in _IN_OFFER and not is_offered)

    def open_path(self, path: Path) -> None:
        """Open a volume, a segmentation or a scene, told by the name's ending."""
        kind = documents.kind_of(path)
        if kind == "scene":
            self._open_scene(path)
        elif kind == "segmentation":
            self.logic.require_volume()
            self._use(documents.read_segmentation(path, self.logic.volume_node), path)
        elif self.logic.volume is not None and documents.is_dicom_seg(path):
            self._open_labels(path)
        else:
            self.open_volume(path)

    def open_volume(self, path: Path, name: str = "", labels: Path | None = None) -> None:
        """Read a file or a DICOM folder in the background, then work on it; labels: a label map or .seg.nrrd of it."""

        def read() -> tuple[Volume, str, _Labels | None]:
            volume = self._read(path)
            found = None if labels is None else self._read_labels(labels, volume)
            return volume, patient_and_series(volume), found

        def done(found: tuple[Volume, str, _Labels | None]) -> None:
            volume, caption, read_labels = found
            kept = self.keep_unsaved()
            self.logic.forget()
            self.logic.world.clear()
            self.logic.listen()
            node = add_volume(self.logic.world.scene, volume, name or path.name)
            self.logic.use_volume(volume, node)
            self.logic.caption = caption
            self.logic.say(" ".join(filter(None, (kept, *volume.notes))))
            if labels is not None:
                self.logic.use_segmentation(self._add_labels(labels, volume, read_labels))

        self._in_background(f"Reading {path.name}…", read, done)

    def _read(self, path: Path) -> Volume:
        """Read a file or folder, which no link in it or beside it may lead out of, but into the roots."""
        return read_volume(path, within=[*self.dialog.roots.folders, path if path.is_dir() else path.parent])

    def _open_labels(self, path: Path) -> None:
        read_for = self.logic.require_volume()

        def done(labels: _Labels | None) -> None:
            # Another volume may have been opened meanwhile.
            volume = self.logic.require_volume()
            self._use(self._add_labels(path, volume, labels), path)

        self._in_background(f"Reading {path.name}…", lambda: self._read_labels(path, read_for), done)

    def _read_labels(self, path: Path, volume: Volume) -> _Labels | None:
        """Label map and names in it; None for a file that only Slicer's own storage reads, which needs the scene."""
        if documents.kind_of(path) == "segmentation":
            return None
        return documents.read_labels(path, volume, [*self.dialog.roots.folders, path.parent])

    def _add_labels(self, path: Path, volume: Volume, labels: _Labels | None) -> Any:
        node = self.logic.volume_node
        return documents.read_segmentation(path, node) if labels is None else add_label_map(node, volume, *labels)

    def _open_scene(self, path: Path) -> None:
        def unpack() -> tuple[contextlib.ExitStack, Path]:
            with contextlib.ExitStack() as folder:
                scene = folder.enter_context(unpacked_scene(path))
                return folder.pop_all(), scene

        def done(found: tuple[contextlib.ExitStack, Path]) -> None:
            folder, scene = found
            with folder:
                kept = self.keep_unsaved()
                self.logic.forget()
                try:
                    volume_node, segmentation_node = documents.read_scene(self.logic.world, scene)
                finally:
                    self.logic.listen()
            self.logic.use_volume(None, volume_node, segmentation_node)
            self.logic.say(f"{path.name} is open. {kept}".strip())

        self._in_background(f"Reading {path.name}…", unpack, done)

    def _use(self, segmentation_node: Any, path: Path) -> None:
        """Draw into the segmentation that a file brought from now on."""
        kept = self.keep_unsaved()
        self.logic.use_segmentation(segmentation_node)
        self.logic.say(f"{path.name} is open. {kept}".strip())

    def _continue_work(self) -> None:
        """Go on with what an earlier run left of this volume; what was drawn meanwhile is kept as a file."""
        kept = self.keep_unsaved()
        self.logic.continue_work()
        self.logic.say(f"Your work is back as it was. {kept}".strip())

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
        volume = self.logic.require_volume()
        suffix = documents.saved_suffix(path.name)
        refuse_overwrite(path, force)
        if self.logic.room.workspace is not None:
            # A propagation writes slice by slice, with pauses: no half of it is saved.
            self.logic.room.workspace.controller.finish_writing()
        if suffix == documents.TABLE:
            documents.write_sizes(path, self.logic.segmentation_node, volume.geometry.acquisition_axis, force)
        elif suffix in documents.MODELS:
            documents.write_model(path, self.logic.segmentation_node, force)
        elif suffix == documents.SCENE:
            documents.write_scene(path, self.logic.world, force)
        elif suffix == documents.SEGMENTATION:
            documents.write_segmentation(path, self.logic.segmentation_node, force)
        else:
            labels, names = label_map(SegmentScene(self.logic.volume_node, self.logic.segmentation_node))
            write_label_map(path, labels, volume, names, force)
        if suffix != documents.TABLE and suffix not in documents.MODELS:
            self.logic.mark_saved()
        self.logic.say(f"Saved: {path}")

    def keep_unsaved(self) -> str:
        """Write segments that were changed and not saved into a file of the user's, before they are left.

        Returns a sentence that says where, or nothing. Raises OutputError as `atomic_output`.
        """
        if self.logic.room.workspace is not None:
            self.logic.room.workspace.controller.finish_writing()
            self.logic.room.workspace.controller.accept_preview()
        if self.logic.segmentation_node is None or not self.logic.has_unsaved_work:
            return ""
        labels, _ = label_map(SegmentScene(self.logic.volume_node, self.logic.segmentation_node))
        if not labels.any():
            return ""
        self.unsaved.mkdir(parents=True, exist_ok=True)
        names = (f"{self._stem()}-{number}{documents.SEGMENTATION}" for number in range(1, 10_000))
        path = next(self.unsaved / name for name in names if not (self.unsaved / name).exists())
        documents.write_segmentation(path, self.logic.segmentation_node, force=False)
        return f"Segments that were not saved are kept in {path}"

    def _show_labels(self) -> None:
        self.logic.require_volume()
        self.dialog.show("labels")

    def _show_save(self) -> None:
        self.logic.require_volume()
        self.dialog.show("save", f"{self._stem()}-segments{documents.SEGMENTATION}")

    def _show_save_csv(self) -> None:
        self.logic.require_volume()
        self.logic.sizes = None
        self.dialog.show("save", f"{self._stem()}-segments{documents.TABLE}")

    def _stem(self) -> str:
        """The volume's name, without a file's ending, as the begin of a file's name."""
        stem: str = self.logic.volume_node.GetName()
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
                self.logic.say(str(error), is_error=True)
            elif not isinstance(error, Cancelled):
                raise error

        self.logic.say(notice)
        self.logic.room.worker.submit(Job(lambda _: work(), finished, failed, topic="open"))
