"""Writes attention with decomposed relative positions; the same for float and for coded q, k, v and probabilities."""

from __future__ import annotations

import math

import numpy as np

from ..windows import relative_offsets
from .attention_layout import AttentionLayout, WindowGroup
from .layer_writer import LayerWriter

_HALF_OCTAVE = math.log(2) / 2


class AttentionWriter:
    """Appends the attention of one block, between its layers qkv and proj.

    name: for instance "image_encoder.blocks.0.attn". Where the graph keeps taps, each of q, k, v gives `name.q.input`
    (q times head_dim^-0.5) and `name.q.codes`, (heads, tokens, head_dim), and the softmax of window group i gives
    `name.softmax.i.logits`, `.input` (log probability minus ln delta) and `.codes`.
    """

    def __init__(self, layers: LayerWriter, name: str, layout: AttentionLayout) -> None:
        self.layers, self.graph, self.model = layers, layers.graph, layers.model
        self.name, self.layout = name, layout
        self.heads, self.head_dim = self.model.architecture.num_heads, self.model.architecture.head_dim

    def attend(self, qkv: str) -> str:
        """Attention over qkv (tokens, 3 * heads * head_dim) float: (tokens, heads * head_dim)."""
        graph, heads = self.graph, self.heads
        relative = self._relative_logits(graph.slice(qkv, 0, heads * self.head_dim, axis=1))
        if self.layout.has_pads:
            pad = self.layers.bias(f"{self.name}.qkv")[None]
            qkv = graph.concat(qkv, graph.constant(pad), axis=0)
        split = graph.transpose(graph.reshape(qkv, 0, 3 * heads, self.head_dim), 1, 0, 2)
        q, k, v = graph.ops("Split", split, results=3, axis=0, num_outputs=3)
        q = self._representable("q", graph.op("Mul", q, graph.floats(self.head_dim**-0.5)))
        k, v = self._representable("k", k), self._representable("v", v, self._delta())
        q = graph.concat(graph.slice(q, 0, self.layout.tokens, axis=1), relative, axis=2)
        parts = [self._attend_group(number, group, q, k, v) for number, group in enumerate(self.layout.groups)]
        out = graph.concat(*parts, axis=1)
        restore = self.layout.restore
        out = out if restore is None else graph.gather(out, restore, axis=1)
        return graph.reshape(graph.transpose(out, 1, 0, 2), -1, heads * self.head_dim)

    def _relative_logits(self, q: str) -> str:
        """Logits (heads, tokens, 2 * side) of each query, unscaled, for each row and each column of its window."""
        graph, layout, heads = self.graph, self.layout, self.heads
        along_h = self._table_product(q, "h", layout.height, layout.width)
        image = graph.reshape(q, layout.height, layout.width, heads * self.head_dim)
        along_w = self._table_product(graph.transpose(image, 1, 0, 2), "w", layout.width, layout.height)
        columns = graph.reshape(along_w, layout.width, layout.height, heads * layout.side)
        parts = (along_h, graph.transpose(columns, 1, 0, 2))
        both = graph.concat(*(graph.reshape(part, layout.tokens, heads, layout.side) for part in parts), axis=2)
        return graph.transpose(both, 1, 0, 2)

    def _table_product(self, q: str, axis: str, lines: int, length: int) -> str:
        """Products (lines, length * heads, side) of the queries on each line with that line's relative positions."""
        table = self.layers.tensor(f"{self.name}.rel_pos_{axis}")
        offsets = relative_offsets(self.layout.side)[np.arange(lines) % self.layout.side]
        rows = self.graph.reshape(q, lines, length * self.heads, self.head_dim)
        return self.graph.op("MatMul", rows, self.graph.constant(table[offsets].transpose(0, 2, 1)))

    def _attend_group(self, number: int, group: WindowGroup, q: str, k: str, v: str) -> str:
        """Attention of one window group: (heads, windows * queries, head_dim)."""
        graph = self.graph
        q, k, v = (self._select(x, index) for x, index in ((q, group.queries), (k, group.keys), (v, group.keys)))
        # One-hot coordinates beside the keys let one product add the relative positions.
        keys = graph.concat(k, self._one_hot_coordinates(len(group.keys)), axis=3)
        logits = graph.op("MatMul", q, graph.transpose(keys, 0, 1, 3, 2))
        out = graph.op("MatMul", self._probabilities(f"{self.name}.softmax.{number}", logits), v)
        return graph.reshape(out, self.heads, -1, self.head_dim)

    def _select(self, x: str, index: np.ndarray) -> str:
        """Tokens (heads, windows, tokens per window, width) of x (heads, tokens, width)."""
        if np.array_equal(index, np.arange(self.layout.tokens)[None]):
            return self.graph.op("Unsqueeze", x, self.graph.integers(1))
        return self.graph.gather(x, index, axis=1)

    def _one_hot_coordinates(self, windows: int) -> str:
        side = self.layout.side
        y, x = np.divmod(np.arange(side * side), side)
        line = np.arange(side)
        coordinates = np.concatenate([y[:, None] == line, x[:, None] == line], axis=1).astype(np.float32)
        return self.graph.constant(np.broadcast_to(coordinates, (self.heads, windows, *coordinates.shape)))

    def _representable(self, part: str, x: str, factor: np.ndarray | None = None) -> str:
        """x (heads, tokens, head_dim), or the value of its codes, times `factor` (heads,)."""
        bits, name = self.model.input_bits(self.name), f"{self.name}.{part}"
        if bits is None:
            return x if factor is None else self.graph.op("Mul", x, self.graph.constant(factor[:, None, None]))
        scale, zero_point = (self.model.tensors[f"{name}.{kind}"] for kind in ("scale", "zero_point"))
        codes = self.layers.quantize(name, x, scale, zero_point, bits, axis=0)
        value_scale = scale if factor is None else scale * factor
        return self.graph.op("DequantizeLinear", codes, *map(self.graph.constant, (value_scale, zero_point)), axis=0)

    def _delta(self) -> np.ndarray | None:
        coded = self.model.softmax_bits(self.name) is not None
        return self.model.tensors[f"{self.name}.softmax.scale"] if coded else None

    def _probabilities(self, name: str, logits: str) -> str:
        """Softmax of the logits, or 2^(-code / 2) of its log-sqrt2 codes, whose factor delta the values of v carry."""
        bits, delta, graph = self.model.softmax_bits(self.name), self._delta(), self.graph
        if bits is None or delta is None:
            return graph.op("Softmax", logits, axis=-1)
        graph.tap(f"{name}.logits", logits)
        log_delta = graph.constant(np.log(delta)[:, None, None, None])
        distance = graph.op("Sub", graph.op("LogSoftmax", logits, axis=-1), log_delta)
        graph.tap(f"{name}.input", distance)
        step, last = graph.floats(-_HALF_OCTAVE), 2**bits - 1
        codes = graph.op("QuantizeLinear", distance, step, graph.constant(np.uint8(0)))
        if graph.taps:
            graph.tap(f"{name}.codes", self.layers.clamp(codes, bits))
        values = graph.op("Exp", graph.op("DequantizeLinear", codes, step, graph.constant(np.uint8(0))))
        # The last code means zero; larger ones are not clamped, for they vanish as well.
        return graph.op("ThresholdedRelu", values, alpha=2.0 ** (0.25 - last / 2))
