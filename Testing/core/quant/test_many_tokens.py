"""Networks for 1024-pixel images: calibrated at their own size, on images that were made for fewer tokens."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.numpy import save_file  # noqa: E402

from dfqsam_core.model.attention import Attention  # noqa: E402
from dfqsam_core.model.sam_med2d import SamMed2D  # noqa: E402
from dfqsam_core.network import attention_windows  # noqa: E402
from dfqsam_core.network.architecture import Architecture  # noqa: E402
from dfqsam_core.network.conventions import MEDSAM, SAM, SAM_MED2D  # noqa: E402
from dfqsam_core.progress import Progress  # noqa: E402
from dfqsam_core.quant import QuantConfig, estimate, quantize  # noqa: E402
from dfqsam_core.quant.calibration import pending  # noqa: E402
from dfqsam_core.quant.calibration.rounding import _upper_factor  # noqa: E402
from dfqsam_core.quant.calibration.strategies import Strategies  # noqa: E402
from dfqsam_core.quant.config import CalibrationConfig  # noqa: E402
from dfqsam_core.quant.peak_memory import peak_bytes  # noqa: E402
from dfqsam_core.quant.plan import NetworkPlan, image_architecture  # noqa: E402
from dfqsam_core.quant.reference import load_reference  # noqa: E402
from dfqsam_core.quant.synthesis.image_size import fitted  # noqa: E402
from dfqsam_core.quant.synthesis.synthesis import synthesize  # noqa: E402
from dfqsam_core.runtime import load_model  # noqa: E402
from dfqsam_core.store.model_file import read_model  # noqa: E402
from Testing.support.quantized import toy_checkpoint_file, toy_config  # noqa: E402
from Testing.support.toy import random_tensors, toy_architecture  # noqa: E402

# As many tokens as a SAM has, windows of its size, and little else.
LONG = Architecture(32, 2, 2, 48, window_size=14, global_attn_indexes=(1,), image_size=256, patch_size=4)
GLOBAL, WINDOWED = "image_encoder.blocks.1.attn", "image_encoder.blocks.0.attn"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "float.safetensors"
    save_file(random_tensors(LONG, 3), path)
    return path


@pytest.fixture(scope="module")
def packed(checkpoint: Path) -> Path:
    path = checkpoint.with_name("packed.safetensors")
    quantize(checkpoint, path, toy_config(images=2), threads=1, conventions="sam")
    return path


def test_attention_in_parts_is_that_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = Attention(32, 2, grid=8, window=0)
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(1))
    x = torch.randn(3, 8, 8, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = attention(x)
        monkeypatch.setattr(attention_windows, "_MOST_LOGITS", 1)
        monkeypatch.setattr(attention_windows, "_LEAST_QUERIES", 24)
        assert len(attention_windows.query_chunks(64, 64)) == 3
        np.testing.assert_allclose(attention(x), whole, atol=1e-6)


def test_images_are_made_for_sixteen_tokens_a_side() -> None:
    assert image_architecture(LONG).grid == 16
    vit_b = Architecture(768, 12, 12, 3072, image_size=1024)
    assert image_architecture(vit_b).image_size == 256
    assert image_architecture(toy_architecture()) == toy_architecture()


def test_the_softmax_over_many_tokens_stays_float_and_the_card_says_so(packed: Path) -> None:
    model = read_model(packed)
    assert (model.input_bits(GLOBAL), model.softmax_bits(GLOBAL)) == (4, None)
    assert (model.input_bits(WINDOWED), model.softmax_bits(WINDOWED)) == (4, 4)
    assert f"{WINDOWED}.softmax.scale" in model.tensors
    assert f"{GLOBAL}.softmax.scale" not in model.tensors
    assert any("its softmax is float" in part["reason"] for part in model.card["float_parts"])
    assert any("made with 64 pixels a side and enlarged to 256" in note for note in model.card["notes"])


def test_a_dry_run_gives_the_sizes_of_the_written_file(packed: Path, checkpoint: Path) -> None:
    sizes = NetworkPlan.of(LONG, toy_config(images=2)).tensor_bytes()
    assert sizes == {name: tensor.nbytes for name, tensor in read_model(packed).tensors.items()}
    estimated = estimate(checkpoint, toy_config(images=2), threads=1, conventions="sam")
    assert estimated["bytes"]["packed_tensors"] == sum(sizes.values())
    assert estimated["estimated_peak_bytes"] > sum(tensor.nbytes for tensor in random_tensors(LONG, 3).values())


def test_memory_counts_the_adapters_weights_that_are_laid_out_for_steps() -> None:
    config = replace(toy_config(recipe="nearest"), synthesis=replace(toy_config().synthesis, images=1, iterations=9))
    plain, adapted = (Architecture(768, 12, 12, 3072, adapter_dim=hidden) for hidden in (0, 192))
    convolutions = 12 * 4 * 768 * 768 * (9 + 16)
    more = peak_bytes(NetworkPlan.of(adapted, config), 1) - peak_bytes(NetworkPlan.of(plain, config), 1)
    assert 3 * convolutions < more < 3.2 * convolutions


def untouched(**settings: object) -> NetworkPlan:
    """ViT-B with adapters on sixteen painted images, calibrated in the plainest way but for `settings`."""
    config = QuantConfig.from_recipe("nearest", images=16, iterations=0)
    config = replace(config, calibration=replace(config.calibration, **settings))  # type: ignore[arg-type]
    return NetworkPlan.of(Architecture(768, 12, 12, 3072, adapter_dim=192), config)


def test_memory_counts_the_gradients_of_tuning() -> None:
    """Four images on four threads took 0.5 GB in a block of ViT-B's shapes with adapters."""
    more = peak_bytes(untouched(tuning_steps=20), 4) - peak_bytes(untouched(), 4)
    assert 0.4e9 < more < 0.7e9


def test_memory_counts_what_rounding_and_tuned_codes_take() -> None:
    """The products of 6,912 inputs in five copies, two of them in float64; six numbers for each code."""
    rounded = peak_bytes(untouched(rounding="feedback"), 2) - peak_bytes(untouched(), 2)
    assert rounded == 28 * 6912**2
    tuned = peak_bytes(untouched(tuning_steps=20, code_tuning_steps=50), 2) - peak_bytes(untouched(), 2)
    weights = 768 * (4 * 768 + 2 * 3072 + 2 * 192 + 25 * 768)
    assert 4 * 8 * weights < tuned < 4 * 12 * weights


def test_the_factor_of_a_moment_is_the_same_bits_in_less_memory() -> None:
    """Formerly it was doubled, then turned, and turned back before it was single again."""
    x = torch.randn(700, 300, generator=torch.Generator().manual_seed(0))
    moment = x.T @ x / len(x)
    damped = moment.double()
    damped.diagonal().add_(0.01 * damped.diagonal().mean() + 1e-12)
    former = torch.linalg.cholesky(damped.flip(0, 1)).flip(0, 1).to(moment.dtype)
    assert torch.equal(_upper_factor(moment, 0.01), former)


def test_the_engine_runs_what_was_calibrated(packed: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.float32)
    network = load_reference(read_model(packed))
    with torch.no_grad():
        expected = network.image_encoder(network.normalize(torch.from_numpy(pixels).permute(2, 0, 1)[None])).numpy()
    found = load_model(packed, threads=1, cache=None).encode(pixels)
    # Single codes flip by float rounding.
    assert np.abs(found - expected).mean() < 0.02 * np.abs(expected).mean()


def test_a_resumed_run_writes_the_same_bytes_and_tells_of_its_way(
    checkpoint: Path, packed: Path, tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    def kill(progress: Progress) -> None:
        if progress.stage == "calibration" and "block 2" in progress.message:
            raise Killed

    heard: list[str] = []
    again, work = tmp_path / "again.safetensors", tmp_path / "work"
    with pytest.raises(Killed):
        quantize(checkpoint, again, toy_config(images=2), threads=2, work_dir=work, progress=kill, conventions="sam")
    assert len(list(work.glob("image_*"))) == 2
    quantize(
        checkpoint,
        again,
        toy_config(images=2),
        threads=2,
        work_dir=work,
        resume=True,
        progress=lambda progress: heard.append(progress.message),
        conventions="sam",
    )
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(packed.read_bytes()).digest()
    assert "evening out channels, block 2" in heard


def test_ranges_are_chosen_on_tokens_of_the_whole_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "RANGE_TOKENS", 4)
    seen: list[torch.Tensor] = []

    def search(x: torch.Tensor, *_: object) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(x)
        return torch.ones(1), torch.zeros(1)

    strategies = Strategies.of(CalibrationConfig(), threads=1)
    monkeypatch.setattr(pending, "search_tensor_range", search)
    x = torch.arange(10.0).reshape(1, 1, 10, 1)
    pending.PendingRange(4, (0, 2, 3), strategies)(x)
    assert seen[0].flatten().tolist() == [0, 3, 6, 9]


def test_images_become_those_that_the_conventions_give_the_network() -> None:
    pixels = torch.tensor([[0.2, 0.4], [0.4, 0.6]])[None, None]
    assert fitted(pixels, 2, SAM_MED2D) is pixels
    assert fitted(pixels, 8, SAM).shape == (1, 1, 8, 8)
    stretched = fitted(torch.cat([pixels, pixels / 2]), 8, MEDSAM)
    assert stretched.amin((1, 2, 3)).tolist() == [0, 0]
    assert stretched.amax((1, 2, 3)).tolist() == [1, 1]


def test_a_network_of_boxes_alone_is_asked_for_its_single_mask_and_never_clicked(tmp_path: Path) -> None:
    from dfqsam_core.store.checkpoint import read_checkpoint

    toy = toy_checkpoint_file(tmp_path)
    network = SamMed2D.from_checkpoint(read_checkpoint(toy, "medsam"))
    config = toy_config(images=1, iterations=12).synthesis
    assert any(config.evolves_at(step) for step in range(config.iterations))
    with torch.no_grad():
        logits, predicted = network.decode(torch.zeros(1, 256, 4, 4), boxes=torch.tensor([[4.0, 4, 40, 40]]))
    assert (logits.shape, predicted.shape) == ((1, 1, 16, 16), (1, 1))
    prompts: list[object] = []
    network.prompt_encoder.register_forward_pre_hook(
        lambda _module, _args, given: prompts.append(given["points"]), with_kwargs=True
    )
    synthesize(network, config, 0)
    assert len(prompts) == config.iterations
    assert set(prompts) == {None}
