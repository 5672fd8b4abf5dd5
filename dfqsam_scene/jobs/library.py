"""The models on this computer: embedded ones and those that a person listed. Model files are never changed here."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dfqsam_core.base.outputs import atomic_output
from dfqsam_core.errors import DFQSAMError, OutputError
from dfqsam_core.progress import ProgressCallback
from dfqsam_core.resources import DEMO_CHECKPOINT, DEMO_MODEL, resource_path

from .file_description import describe_file_in_process

PACKED_TITLE, FLOAT_TITLE = "Demonstration model, packed 4-bit", "Demonstration model, float"
_INDEX, _MODELS, _JOBS = "models.json", "models", "quantizations"
_PACKED = "packed model"


def data_folder() -> Path:
    """This user's folder for the extension's data, which survives a new Slicer; needs platformdirs."""
    from platformdirs import user_data_path

    return user_data_path("DFQSAMSlicer", appauthor=False)


@dataclass(frozen=True)
class LibraryModel:
    """A listed model file.

    path: absolute. kind: "packed model" or "float checkpoint". sha256, bytes: of the file when it was listed.
    is_embedded: it came with the extension and cannot leave the list. state: "" for a file that is as it was listed,
    else a sentence about what happened to it.
    """

    path: str
    kind: str
    sha256: str
    bytes: int
    is_embedded: bool = False
    state: str = ""

    @property
    def name(self) -> str:
        """File name."""
        return Path(self.path).name

    @property
    def title(self) -> str:
        """Its name in a list: its file name, or which of the embedded ones it is."""
        if not self.is_embedded:
            return self.name
        return PACKED_TITLE if self.kind == _PACKED else FLOAT_TITLE


def describe(path: Path, report: ProgressCallback = lambda progress: None) -> tuple[LibraryModel, dict[str, Any]]:
    """Read a model file completely: its entry for the list and its description with the card; may take seconds.

    Any file but the embedded ones may be a stranger's: a child reads it. report: as `describe_file_in_process` has it.
    Raises ModelFileError or CheckpointError with the reason for any other file.
    """
    from dfqsam_core.store.description import describe_file

    is_embedded = path in embedded_models()
    description = describe_file(path) if is_embedded else describe_file_in_process(path, report=report)
    entry = LibraryModel(
        str(path.resolve()), description["kind"], description["sha256"], description["bytes"], is_embedded
    )
    return entry, description


def card_text(description: dict[str, Any]) -> str:
    """A description as text for people, as `dfqsam info` prints it."""
    from dfqsam_core.store.description import outline

    return "\n".join(outline(description))


def embedded_models() -> tuple[Path, ...]:
    """The demonstration model that comes with the extension, packed and then float; without what this copy lacks."""
    found = []
    for name in (DEMO_MODEL, DEMO_CHECKPOINT):
        with contextlib.suppress(DFQSAMError):
            found.append(resource_path(name))
    return tuple(found)


def embedded_checkpoint() -> str:
    """The float one of them, which is what is quantized first; "" where this copy lacks it."""
    with contextlib.suppress(DFQSAMError):
        return str(resource_path(DEMO_CHECKPOINT))
    return ""


class ModelLibrary:
    """A list in one small JSON file, read anew for each call: several Slicers may share it.

    folder: for the list, new models and running jobs; made when something is first written there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models_folder, self.jobs_folder = folder / _MODELS, folder / _JOBS

    def models(self) -> tuple[LibraryModel, ...]:
        """The embedded models, then the listed ones in the order of listing. Raises DFQSAMError for a damaged list."""
        first = tuple(map(_embedded_entry, embedded_models()))
        return first + tuple(replace(model, state=_state(model)) for model in self._read())

    def add(self, model: LibraryModel) -> None:
        """List a model that `describe` made the entry of; an entry of the same file is replaced."""
        if not model.is_embedded:
            self._write([*(other for other in self._read() if other.path != model.path), replace(model, state="")])

    def remove(self, path: str) -> None:
        """Take a model off the list; its file stays where it is."""
        self._write([model for model in self._read() if model.path != path])

    def new_model_path(self, checkpoint: Path, bits: int) -> Path:
        """A free name in the folder of models for a quantized `checkpoint`; makes the folder."""
        self.models_folder.mkdir(parents=True, exist_ok=True)
        stem = f"{checkpoint.stem}-w{bits}a{bits}"
        names = [stem, *(f"{stem}-{number}" for number in range(2, 1000))]
        free = (self.models_folder / f"{name}.safetensors" for name in names)
        return next(path for path in free if not path.exists())

    def _read(self) -> list[LibraryModel]:
        index = self.folder / _INDEX
        try:
            text = index.read_text(encoding="utf-8")
            return [_checked(LibraryModel(**values)) for values in json.loads(text)["models"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise DFQSAMError(
                f"The list of models {index} cannot be read ({error}). Delete or repair it, then add your models "
                "again; their files are untouched."
            ) from error

    def _write(self, models: list[LibraryModel]) -> None:
        content = {"models": [asdict(model) for model in models]}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"The folder {self.folder} cannot be made: {error.strerror}. Free some space.") from error
        with atomic_output(self.folder / _INDEX, force=True) as temporary:
            temporary.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _checked(model: LibraryModel) -> LibraryModel:
    texts = (model.path, model.kind, model.sha256, model.state)
    if not all(isinstance(text, str) for text in texts) or not isinstance(model.bytes, int) or "\0" in model.path:
        raise ValueError(f"an entry is malformed: {model}")
    return model


def _embedded_entry(path: Path) -> LibraryModel:
    # Its hash is part of its description, which is read when the model is looked at.
    from dfqsam_core.store.safetensors_file import is_packed_model

    kind = _PACKED if is_packed_model(path) else "float checkpoint"
    return LibraryModel(str(path), kind, "", path.stat().st_size, is_embedded=True)


def _state(model: LibraryModel) -> str:
    try:
        size = Path(model.path).stat().st_size
    except OSError:
        return "The file is gone. Bring it back, or remove it from this list."
    return "" if size == model.bytes else "The file has changed since it was listed. Add it again."
