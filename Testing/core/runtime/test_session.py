from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import dfqsam_core
from dfqsam_core.base.machine import physical_cores
from dfqsam_core.errors import CheckpointError, ConfigError, ModelFileError
from dfqsam_core.runtime import Model, load_model
from dfqsam_core.store.model_file import write_model
from Testing.support.packed_toy import calibrated_toy, float_toy, random_pixels

PIXELS = random_pixels(float_toy().architecture)
POINT = np.array([[[20, 30], [0, 0]]], np.float32), np.array([[1, -1]])


@pytest.fixture(scope="module")
def packed_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "toy.safetensors"
    write_model(path, calibrated_toy(exceptions={"patch_embed.proj": (8, 8)}))
    return path


def test_a_float_checkpoint_runs(float_model: Model, float_file: Path) -> None:
    assert (float_model.is_quantized, float_model.card) == (False, None)
    assert (float_model.image_size, float_model.mask_size) == (64, 16)
    assert float_model.digest == hashlib.sha256(float_file.read_bytes()).hexdigest()
    assert float_model.encode(PIXELS).shape == (1, 256, 4, 4)


def test_a_torch_checkpoint_runs_like_a_safetensors_one(float_model: Model, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "toy.pth"
    torch.save({"model": {name: torch.from_numpy(tensor) for name, tensor in float_toy().tensors.items()}}, path)
    np.testing.assert_array_equal(load_model(path, threads=1).encode(PIXELS), float_model.encode(PIXELS))


def test_a_packed_model_runs_from_its_file(packed_file: Path) -> None:
    model = load_model(packed_file, threads=1)
    assert model.is_quantized
    assert model.card["format_version"] == 1
    embedding = model.encode(PIXELS)
    masks, iou = model.decode(embedding, *POINT)
    assert (masks.shape, masks.dtype, iou.shape) == ((1, 4, 16, 16), np.float32, (1, 4))
    assert np.isfinite(embedding).all()
    # The integers are the same for any number of threads; the float parts between them may round another way.
    assert np.abs(load_model(packed_file, threads=2).encode(PIXELS) - embedding).mean() < 0.02


def test_the_quantized_embedding_resembles_the_float_one(packed_file: Path, float_model: Model) -> None:
    quantized, plain = load_model(packed_file, threads=1).encode(PIXELS), float_model.encode(PIXELS)
    assert np.corrcoef(quantized.ravel(), plain.ravel())[0, 1] > 0.8


def test_a_mask_prompt_changes_the_answer(float_model: Model) -> None:
    embedding = float_model.encode(PIXELS)
    mask = np.zeros((1, 1, 16, 16), np.float32)
    without, with_mask = (float_model.decode(embedding, *POINT, mask_probabilities=m)[0] for m in (None, mask))
    assert np.abs(without - with_mask).max() > 1e-3


def test_threads_of_the_caller_share_one_model(float_model: Model) -> None:
    expected, answers = float_model.encode(PIXELS), []
    workers = [threading.Thread(target=lambda: answers.append(float_model.encode(PIXELS))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(answers) == 4
    assert all(np.array_equal(answer, expected) for answer in answers)


def test_files_that_are_no_model_are_refused(tmp_path: Path, packed_file: Path) -> None:
    garbage, truncated = tmp_path / "garbage.safetensors", tmp_path / "truncated.safetensors"
    garbage.write_bytes(os.urandom(4096))
    truncated.write_bytes(packed_file.read_bytes()[:-1000])
    with pytest.raises(CheckpointError):
        load_model(garbage)
    with pytest.raises(ModelFileError):
        load_model(truncated)
    with pytest.raises(CheckpointError, match="does not exist"):
        load_model(tmp_path / "nothing.pth")


@pytest.mark.parametrize("threads", [0, -2])
def test_a_thread_count_below_one_is_refused(float_file: Path, threads: int) -> None:
    with pytest.raises(ConfigError, match="Give 1 or more"):
        load_model(float_file, threads=threads)


def test_the_default_is_one_thread_a_core(float_file: Path) -> None:
    assert load_model(float_file).threads == physical_cores()


def test_importing_the_room_loads_no_engine() -> None:
    code = (
        "import sys, dfqsam_core, dfqsam_core.runtime; from dfqsam_core import SamPredictor, load_model; "
        "print(sorted({'onnx', 'onnxruntime', 'openvino', 'torch', 'scipy', 'SimpleITK'} & set(sys.modules)))"
    )
    root = Path(dfqsam_core.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_loading_and_running_needs_neither_torch_nor_openvino(packed_file: Path) -> None:
    code = (
        "import sys, numpy as np; from dfqsam_core import SamPredictor, load_model; "
        f"p = SamPredictor(load_model({str(packed_file)!r}, threads=1)); p.set_image(np.zeros((9, 7), np.uint8)); "
        "p.predict(box=[1, 1, 5, 6]); print(sorted({'torch', 'openvino'} & set(sys.modules)))"
    )
    root = Path(dfqsam_core.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
