"""Other ways to run the float network: in torch as published, and in onnxruntime padded or in its own 8-bit form."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import numpy as np

from dfqsam_core.base import machine
from dfqsam_core.bench.benchmark import Task
from dfqsam_core.errors import ConfigError
from dfqsam_core.network.attention_layout import AttentionLayout, WindowGroup
from dfqsam_core.network.attention_windows import attention_windows
from dfqsam_core.runtime.engines.onnxruntime import create_session
from dfqsam_core.runtime.graph.encoder import EncoderWriter
from dfqsam_core.runtime.graph.layer_writer import LayerWriter
from dfqsam_core.runtime.graph.onnx_builder import GraphBuilder, InferenceGraph
from dfqsam_core.runtime.model import float_network
from dfqsam_core.store.checkpoint import Checkpoint, read_checkpoint
from dfqsam_core.store.model_file import StoredModel


def rival_tasks(
    path: str | os.PathLike[str], threads: int, pixels: np.ndarray, box_xyxy: np.ndarray
) -> dict[str, Task]:
    """Tasks of a float checkpoint beside its plain ones; pixels: uint8 (S, S, 3); box_xyxy: (4,) in S x S pixels.

    "encoder, padded": with the padding tokens of windowed attention computed, as published. "encoder, dynamic int8":
    the same with the linear layers in onnxruntime's dynamic 8-bit form; convolutions stay float, as its own tool leaves
    them. Where torch is installed, "encoder, torch" and "decoder, torch": eager float32 of the published, padded form.
    """
    checkpoint = read_checkpoint(path)
    network = float_network(checkpoint.architecture, checkpoint.tensors)
    tasks = {
        "encoder, padded": _encoder_task(LayerWriter, network, threads, pixels),
        "encoder, dynamic int8": _encoder_task(_DynamicLayers, network, threads, pixels),
    }
    if importlib.util.find_spec("torch") is not None:
        tasks |= _torch_tasks(checkpoint, threads, pixels, box_xyxy)
    machine.release_memory()
    return tasks


def padded_encoder(model: StoredModel, layers: type[LayerWriter] = LayerWriter) -> InferenceGraph:
    """As `build_encoder`, with the padding tokens of windowed attention computed, as published; the embedding is equal.

    Raises ConfigError for a quantized model.
    """
    if any(name.endswith(".codes") for name in model.tensors):
        raise ConfigError("A quantized model always skips padding. Give a float checkpoint to time the padded form.")
    return _PaddedEncoder(layers(GraphBuilder(), model)).write(0, model.architecture.depth)


def padded_tokens(grid: int, window: int) -> AttentionLayout:
    """Every window filled up with zero tokens, as published: padding is computed."""
    windows = attention_windows(grid, window)
    side = windows[0].side
    order = np.concatenate([w.key_index for w in windows])
    everything = WindowGroup(side, side, np.arange(order.size).reshape(len(windows), -1))
    return AttentionLayout(grid, side, [everything], order)


class _PaddedEncoder(EncoderWriter):
    def layout(self, window: int) -> AttentionLayout:
        return padded_tokens(self.architecture.grid, window)

    def ordered(self, x: str, layout: AttentionLayout) -> str:
        zero = self.graph.constant(np.zeros((1, self.architecture.embed_dim), np.float32))
        return super().ordered(self.graph.concat(x, zero, axis=0), layout)


class _DynamicLayers(LayerWriter):
    """Linear layers as `onnxruntime.quantization.quantize_dynamic` writes them: a scale a tensor, made at each run."""

    def product(self, layer: str, x: str, taps: np.ndarray | None = None, bias: np.ndarray | None = None) -> str:
        """Dynamic where it is linear; convolutions, which come with taps, stay float."""
        if taps is not None:
            return super().product(layer, x, taps, bias)
        return self._dynamic(x, self._weight(layer)[:, 0], self.bias(layer) if bias is None else bias)

    def product_in_parts(self, layer: str, x: str, units: list[Any]) -> list[str]:
        """One product, cut afterwards; the units go into the weight."""
        weight, bias = self._weight(layer)[:, 0], self.bias(layer)
        factor, offset = (np.concatenate([getattr(unit, part) for unit in units]) for part in ("factor", "offset"))
        y = self._dynamic(x, (weight * factor).astype(np.float32), (bias * factor + offset).astype(np.float32))
        return self.graph.ops("Split", y, results=len(units), axis=-1, num_outputs=len(units))

    def _dynamic(self, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
        graph, scale = self.graph, np.float32(np.abs(weight).max() / 127)
        codes, x_scale, x_zero = graph.ops("DynamicQuantizeLinear", x, results=3)
        stored = graph.weight(np.round(weight / scale).astype(np.int8))
        product = graph.op("MatMulInteger", codes, stored, x_zero)
        value = graph.op("Cast", product, to=1)
        y = graph.op("Mul", value, graph.op("Mul", x_scale, graph.constant(scale)))
        return graph.op("Add", y, graph.constant(bias))


def _encoder_task(layers: type[LayerWriter], network: StoredModel, threads: int, pixels: np.ndarray) -> Task:
    session = create_session(padded_encoder(network, layers), threads)
    return lambda: session.run(None, {"pixels": pixels[None]})


def _torch_tasks(checkpoint: Checkpoint, threads: int, pixels: np.ndarray, box_xyxy: np.ndarray) -> dict[str, Task]:
    import torch

    from .published import published_form

    torch.set_num_threads(threads)
    network = published_form(checkpoint)
    image = network.normalize(torch.from_numpy(pixels[None]).permute(0, 3, 1, 2).float())
    boxes = torch.from_numpy(box_xyxy[None]).float()
    with torch.inference_mode():
        embedding = network.image_encoder(image)

    def encode() -> None:
        with torch.inference_mode():
            network.image_encoder(image)

    def decode() -> None:
        with torch.inference_mode():
            network.decode(embedding, boxes=boxes)

    return {"encoder, torch": encode, "decoder, torch": decode}
