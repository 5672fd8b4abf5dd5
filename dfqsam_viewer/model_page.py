"""The page's models: the list, their cards, and quantizing a float checkpoint while one watches."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from dfqsam_core.errors import DFQSAMError
from dfqsam_core.progress import Cancelled
from dfqsam_scene.jobs.card_terms import card_terms
from dfqsam_scene.jobs.library import LibraryModel, ModelLibrary, card_text, describe, embedded_checkpoint
from dfqsam_scene.jobs.quantization import QuantizationSettings
from dfqsam_scene.jobs.quantizing import Quantizing, recipes
from dfqsam_scene.jobs.worker import Job, Worker

from .file_dialog import FileDialog
from .logic import ViewerLogic

Action = Callable[..., None]


class ModelPage:
    """Models of this computer, as dfqsam_scene keeps them for Slicer, too."""

    def __init__(self, logic: ViewerLogic, dialog: FileDialog, library: ModelLibrary) -> None:
        self.logic, self.dialog, self.library = logic, dialog, library
        self.card: dict[str, Any] = {}
        self.checkpoint = embedded_checkpoint()
        self.quantizing = Quantizing(library, lambda path, _: self._describe(str(path), self._list))
        # Beside the room's own: a file that takes long to read keeps no click waiting.
        self._reader = Worker()
        self._picture: tuple[Path, int] | None = None
        self._picture_url = ""

    def actions(self) -> dict[str, Action]:
        """By name, for the page."""
        return {
            "show card": lambda path: self._describe(path, self._show_card, topic="card"),
            "use model": self._use,
            "add model": partial(self.dialog.show, "model"),
            "choose checkpoint": partial(self.dialog.show, "checkpoint"),
            "model path": lambda path: self._from_dialog(path, self._add),
            "checkpoint path": lambda path: self._from_dialog(path, self._take_checkpoint),
            "remove model": self.library.remove,
            "quantize": partial(self._with_settings, self.quantizing.start),
            "estimate": partial(self._with_settings, self.quantizing.estimate),
            "resume": lambda folder: self.quantizing.resume(str(folder)),
            "discard job": lambda folder: self.quantizing.discard(str(folder)),
            "cancel quantization": self.quantizing.cancel,
        }

    def poll(self) -> bool:
        """Bring what runs up to date; whether the page has to be shown anew."""
        self._reader.deliver()
        return self.quantizing.poll()

    def state(self) -> dict[str, Any]:
        """Return what the page shows."""
        return {"models": self._models(), "card": self.card, "quantization": self._quantization()}

    def close(self) -> None:
        """Cancel what runs; it can be resumed next time."""
        self.quantizing.close()
        self._reader.close()

    def _models(self) -> list[dict[str, Any]]:
        try:
            models = self.library.models()
        except DFQSAMError as error:
            self.quantizing.refuse(error)
            models = ()
        chosen = str(self.logic.model_path)
        if chosen not in [model.path for model in models] and Path(chosen).is_file():
            size = Path(chosen).stat().st_size
            models = (*models, LibraryModel(chosen, "given at the start", "", size))
        return [
            {
                "name": model.title,
                "path": model.path,
                "kind": model.kind,
                "size": f"{model.bytes / 1e6:.1f} MB",
                "state": model.state,
                "embedded": model.is_embedded,
                "used": model.path == chosen,
            }
            for model in models
        ]

    def _quantization(self) -> dict[str, Any]:
        state = self.quantizing.state()
        return {
            **asdict(state),
            "checkpoint": self.checkpoint,
            "recipes": list(recipes()),
            "picture": self._picture_address(state.picture),
        }

    def _picture_address(self, picture: str) -> str:
        """The synthetic image that was drawn last, as an address that needs no request."""
        try:
            mark = (Path(picture), Path(picture).stat().st_mtime_ns) if picture else None
            if mark is not None and mark != self._picture:
                self._picture_url = "data:image/png;base64," + base64.b64encode(mark[0].read_bytes()).decode()
                self._picture = mark
        except OSError:
            # The job ended and cleared its folder: the last picture stays.
            pass
        return self._picture_url

    def _use(self, path: str) -> None:
        self.logic.verbs.change_model(Path(self._listed(path)))
        self.logic.say(f"Segmenting with {Path(path).name} from now on.")

    def _listed(self, path: str) -> str:
        """A path of the list; raises DFQSAMError for any other, so that a page cannot ask for any file."""
        # One that was just quantized is listed when its card was read, which takes a moment.
        if path not in [model["path"] for model in self._models()] + [self.quantizing.state().output]:
            raise DFQSAMError(f"{Path(path).name!r} is not in the list of models. Add it first.")
        return path

    def _describe(
        self, path: str, done: Callable[[LibraryModel, dict[str, Any]], None], topic: str | None = None
    ) -> None:
        """Read what a file is; a card that is asked for takes the place of another card alone."""

        def failed(error: BaseException) -> None:
            if not isinstance(error, Cancelled):
                self.logic.say(str(error), is_error=True)

        listed = Path(path)
        self._reader.submit(
            Job(lambda report: describe(listed, report), lambda found: done(*found), failed, topic=topic)
        )

    def _show_card(self, model: LibraryModel, description: dict[str, Any]) -> None:
        self.card = {
            "name": model.title,
            "path": model.path,
            "terms": card_terms(description, Path(model.path)),
            "text": card_text(description),
        }
        self.logic.refresh()

    def _list(self, model: LibraryModel, _: dict[str, Any]) -> None:
        self.library.add(model)
        self.logic.refresh()

    def _add(self, path: str) -> None:
        self._describe(path, self._list)

    def _take_checkpoint(self, path: str) -> None:
        self.checkpoint = path

    def _from_dialog(self, path: str, take: Callable[[str], None]) -> None:
        take(str(self.dialog.roots.resolve(path)))
        self.dialog.close()

    def _chosen_checkpoint(self) -> Path:
        """What is quantized; the embedded one lies outside the folders that the dialogs show."""
        if self.checkpoint and self.checkpoint == embedded_checkpoint():
            return Path(self.checkpoint)
        return self.dialog.roots.resolve(self.checkpoint or ".")

    def _with_settings(
        self,
        verb: Callable[[QuantizationSettings], None],
        recipe: str,
        bits: int,
        seed: int,
        images: int = 0,
        conventions: str = "",
    ) -> None:
        try:
            checkpoint = self._chosen_checkpoint()
            output = self.library.new_model_path(checkpoint, int(bits))
            settings = QuantizationSettings(
                str(checkpoint),
                str(output),
                str(recipe),
                int(bits),
                int(seed),
                int(images) or None,
                conventions=str(conventions),
            )
        except ValueError as error:
            self.quantizing.refuse(error)
            return
        verb(settings)
