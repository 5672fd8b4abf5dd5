"""Times the parts of a training step, and the whole of it beside the project's plain attention."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from dfqsam_core.model.attention import Attention

from .bank import load_bank
from .batches import BatchMaker
from .initial import start
from .network import SlicedAttention, embed, mixed_precision
from .optimise import Optimiser
from .randomness import Rng
from .step import step_loss
from .train import set_up_arithmetic


def benchmark(kind: str, images: int, prompts: int, bank: Path, device: str, repeats: int) -> None:
    """Print the median milliseconds of each part and the images per second of a whole step."""
    set_up_arithmetic()
    place = torch.device(device)
    maker = BatchMaker(load_bank(bank), place)
    model = start(kind, None, 0).to(place)
    optimiser = Optimiser(dict(model.named_parameters()), steps=1000)
    batch = maker.make(Rng(place, 0), images, prompts)

    def whole_step(number: int = 0) -> None:
        rng = Rng(place, 0, number)
        optimiser.step(step_loss(model, maker.make(rng, images, prompts), rng)[0], 0)

    def encoder() -> None:
        with mixed_precision(place):
            embed(model, batch.pixels).float().square().mean().backward()

    _print("make a batch", _milliseconds(lambda: maker.make(Rng(place, 0), images, prompts), place, repeats))
    _print("encoder, forward and backward", _milliseconds(encoder, place, repeats))
    fast = _milliseconds(whole_step, place, repeats)
    _print(f"whole step, sliced attention ({images / fast * 1000:.0f} images/s)", fast)
    _swap_attention(model, Attention)
    _print("encoder, plain attention", _milliseconds(encoder, place, repeats))
    slow = _milliseconds(whole_step, place, repeats)
    _print(f"whole step, plain attention ({images / slow * 1000:.0f} images/s)", slow)
    if place.type == "cuda":
        print(f"{torch.cuda.get_device_name()}, peak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
        _swap_attention(model, SlicedAttention)
        begun = time.monotonic()
        model.image_encoder.compile()
        encoder()
        torch.cuda.synchronize()
        print(f"compiling the encoder took {time.monotonic() - begun:.0f} s")
        fast = _milliseconds(whole_step, place, repeats)
        _print(f"whole step, compiled encoder ({images / fast * 1000:.0f} images/s)", fast)


def _swap_attention(model: torch.nn.Module, kind: type[Attention]) -> None:
    for module in model.modules():
        if isinstance(module, Attention):
            module.__class__ = kind


def _milliseconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    taken = []
    for number in range(repeats + 1):
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number:
            taken.append(1000 * (time.perf_counter() - begun))
    return sorted(taken)[len(taken) // 2]


def _print(name: str, milliseconds: float) -> None:
    print(f"{name:55s} {milliseconds:9.1f} ms", flush=True)
