"""The image encoder of SAM-Med2D (ViT with adapters) as an inference graph, float and quantized alike."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from ...network.attention_layout import AttentionLayout, real_tokens
from ...store.model_file import StoredModel
from .attention import AttentionWriter
from .im2col import convolution_taps, join_phases, transposed_convolution_phases
from .layer_writer import LayerWriter
from .onnx_builder import GraphBuilder, InferenceGraph

_NORM_EPSILON = 1e-6
_ADAPTER_NORM_EPSILON = 1e-5


def build_encoder(model: StoredModel, taps: bool = False) -> InferenceGraph:
    """Graph from `pixels` (1, S, S, 3), as its conventions have them, to `image_embedding`, float32 (1, C, g, g).

    taps: expose the codes and products of every integer layer by the names that LayerWriter and AttentionWriter give.
    """
    return EncoderWriter(LayerWriter(GraphBuilder(taps), model)).write(0, model.architecture.depth)


def build_encoder_part(model: StoredModel, first: int, stop: int) -> InferenceGraph:
    """The blocks `first` to `stop` - 1 of the encoder as a graph of their own, so that weights can pass one by one.

    The first part takes `pixels` and the last one gives `image_embedding`, as `build_encoder` does; between two parts
    go `tokens`, float32 (grid * grid, embed_dim).
    """
    return EncoderWriter(LayerWriter(GraphBuilder(), model)).write(first, stop)


class EncoderWriter:
    """Tokens are rows: every inner value is (grid * grid, channels).

    attention: writes the attention of each block.
    """

    attention: type[AttentionWriter] = AttentionWriter

    def __init__(self, layers: LayerWriter) -> None:
        self.layers, self.graph = layers, layers.graph
        self.architecture, self.conventions = layers.model.architecture, layers.model.conventions

    def write(self, first: int, stop: int) -> InferenceGraph:
        """Blocks `first` to `stop` - 1, with the patch embedding before the first and the neck behind the last one."""
        graph, a = self.graph, self.architecture
        tokens = self._embedded_patches() if first == 0 else graph.input("tokens", np.float32, self._tokens_shape)
        for block in range(first, stop):
            tokens = self._block(block, tokens)
        if stop < a.depth:
            graph.output("tokens_out", tokens)
        else:
            embedding = graph.transpose(self._neck(tokens), 1, 0)
            graph.output("image_embedding", graph.reshape(embedding, 1, a.out_chans, a.grid, a.grid))
        return graph.finish()

    def layout(self, window: int) -> AttentionLayout:
        """Which tokens a block attends with: the real ones alone."""
        return real_tokens(self.architecture.grid, window)

    def ordered(self, x: str, layout: AttentionLayout) -> str:
        """The tokens `x` in the order of `layout`."""
        return self.graph.gather(x, layout.order)

    @property
    def _tokens_shape(self) -> tuple[int, int]:
        return self.architecture.grid**2, self.architecture.embed_dim

    def _embedded_patches(self) -> str:
        size = self.architecture.image_size
        kind = np.uint8 if self.conventions.has_whole_pixels else np.float32
        pixels = self.graph.input("pixels", kind, (1, size, size, 3))
        position = self.layers.tensor("image_encoder.pos_embed").reshape(self._tokens_shape)
        return self.graph.op("Add", self._patches(pixels), self.graph.constant(position))

    def _patches(self, pixels: str) -> str:
        """Patch embedding; rows of pixels keep their order (y, x, channel) and the weight follows it."""
        graph, a, layer = self.graph, self.architecture, "image_encoder.patch_embed.proj"
        values = self._pixel_codes(pixels, layer) if self.layers.is_integer(layer) else self._normalized(pixels)
        patches = graph.reshape(values, a.grid, a.patch_size, a.grid, a.patch_size * 3)
        rows = graph.reshape(graph.transpose(patches, 0, 2, 1, 3), a.grid**2, -1)
        return self.layers.product(layer, rows, np.arange(a.patch_size**2))

    def _pixel_codes(self, pixels: str, layer: str) -> str:
        """Codes of grey values; mean and standard deviation are in the layer's bias and weight."""
        bits = self.layers.model.input_bits(layer) or 8
        if bits == 8 and self.conventions.has_whole_pixels:
            return self.graph.tap(f"{layer}.codes", self.graph.tap(f"{layer}.input", pixels))
        values = self._as_float(pixels)
        step = np.array([255 / (2**bits - 1)], np.float32)
        return self.layers.quantize(layer, values, step, np.zeros(1, np.uint8), bits, axis=-1)

    def _normalized(self, pixels: str) -> str:
        centred = self.graph.op("Sub", self._as_float(pixels), self.graph.floats(*self.conventions.pixel_mean))
        return self.graph.op("Div", centred, self.graph.floats(*self.conventions.pixel_std))

    def _as_float(self, pixels: str) -> str:
        return self.graph.op("Cast", pixels, to=TensorProto.FLOAT) if self.conventions.has_whole_pixels else pixels

    def _block(self, number: int, tokens: str) -> str:
        name, graph = f"image_encoder.blocks.{number}", self.graph
        tokens = graph.op("Add", tokens, self._attention(name, tokens, self.architecture.window_of(number)))
        hidden = self.layers.normed_input(f"{name}.norm2", f"{name}.mlp.lin1", tokens, _NORM_EPSILON)
        hidden = graph.op("Gelu", self.layers.product(f"{name}.mlp.lin1", hidden))
        out = graph.op("Add", tokens, self.layers.linear(f"{name}.mlp.lin2", hidden))
        if not self.architecture.has_adapters:
            return out
        normed = self.layers.norm(f"{name}.norm2", tokens, _NORM_EPSILON)
        return graph.op("Add", out, self._adapter(f"{name}.Adapter", normed))

    def _attention(self, name: str, tokens: str, window: int) -> str:
        layout = self.layout(window)
        qkv, proj = f"{name}.attn.qkv", f"{name}.attn.proj"
        x = self.layers.normed_input(f"{name}.norm1", qkv, tokens, _NORM_EPSILON)
        if not layout.is_grid:
            x = self.ordered(x, layout)
        attended = self.attention(self.layers, f"{name}.attn", layout).attend(x)
        if not layout.is_grid:
            attended = self.graph.gather(attended, layout.restore)
        return self.layers.linear(proj, attended)

    def _adapter(self, name: str, x: str) -> str:
        """SAM-Med2D's adapter: a channel gate, a spatial path down and up again, a residual LayerNorm."""
        graph, layers, grid = self.graph, self.layers, self.architecture.grid
        pooled = graph.op("ReduceMean", x, graph.integers(0), keepdims=1)
        gate = graph.op("Relu", layers.linear(f"{name}.channel.0", pooled))
        gate = graph.op("Sigmoid", layers.linear(f"{name}.channel.2", gate))
        down = convolution_taps(grid, size=3, stride=2, padding=1)
        small = graph.op("Relu", layers.convolution(f"{name}.spatial.0", graph.op("Mul", x, gate), down))
        phases = transposed_convolution_phases(grid // 2, size=4, stride=2, padding=1)
        parts = layers.transposed_convolution(f"{name}.spatial.2", small, phases)
        parts = graph.reshape(parts, -1, self.architecture.embed_dim)
        spatial = graph.op("Relu", graph.gather(parts, join_phases(grid // 2, stride=2)))
        return layers.norm(f"{name}.norm", graph.op("Add", x, spatial), _ADAPTER_NORM_EPSILON)

    def _neck(self, tokens: str) -> str:
        layers, name = self.layers, "image_encoder.neck"
        x = layers.norm(f"{name}.1", layers.linear(f"{name}.0", tokens), _NORM_EPSILON)
        same = convolution_taps(self.architecture.grid, size=3, stride=1, padding=1)
        return layers.norm(f"{name}.3", layers.convolution(f"{name}.2", x, same), _NORM_EPSILON)
