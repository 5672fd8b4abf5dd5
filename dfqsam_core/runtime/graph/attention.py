"""Writes attention with decomposed relative positions; the same for float and for coded q, k, v and probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...network.attention_layout import AttentionLayout, WindowGroup
from ...network.attention_windows import query_chunks, relative_offsets
from .layer_writer import LayerWriter, OutputUnit
from .onnx_builder import CONTRIB


@dataclass(frozen=True)
class _Quantizer:
    """Quantizer of q (times head_dim^-0.5), k or v; scale, zero_point: (heads,)."""

    scale: np.ndarray
    zero_point: np.ndarray


@dataclass(frozen=True)
class _Sides:
    """What makes logits: queries and keys, scaled, (heads, windows, tokens, width).

    relative: logits (heads, windows, queries, 2 * side) of the rows and columns of keys, where the product of queries
    and keys does not bring them.
    """

    queries: str
    keys: str
    relative: str | None = None


class AttentionWriter:
    """Appends one block's layer qkv and the attention behind it, in token order of `layout`.

    The product emits q, k and v in units of their codes, so that one rounding makes bytes of them, and only bytes are
    moved to their windows. Keys become whole numbers; both scales go into the queries.

    The queries of large windows are computed in parts, which takes little memory and changes no bit.

    name: for instance "image_encoder.blocks.0.attn". Where the graph keeps taps, q, k and v give `name.q.input`, in
    units of codes, and `name.q.codes`, (tokens, heads * head_dim), with the codes of padding behind. The softmax of
    window group i gives `name.softmax.i.logits`, `.input` (ln delta minus log probability) and `.codes`; where its
    queries come in parts, part j gives them as `name.softmax.i.j`.
    """

    def __init__(self, layers: LayerWriter, name: str, layout: AttentionLayout) -> None:
        self.layers, self.graph, self.model = layers, layers.graph, layers.model
        self.name, self.layout = name, layout
        self.heads, self.head_dim = self.model.architecture.num_heads, self.model.architecture.head_dim
        self.bits = self.model.input_bits(name)
        self.quantizers = {part: self._quantizer(part) for part in "qkv"} if self.bits else {}

    def attend(self, x: str) -> str:
        """Attention of x (tokens, channels), the input of qkv in token order: (tokens, heads * head_dim)."""
        units = [self._unit(part) for part in "qkv"]
        q, k, v = self.layers.product_in_parts(f"{self.name}.qkv", x, units)
        codes = {part: self._codes(part, value) for part, value in zip("qkv", (q, k, v), strict=True)}
        start, parts = 0, []
        for number, group in enumerate(self.layout.groups):
            stop = start + group.windows * group.queries
            queries, query_codes = (self._rows(value, start, stop) for value in (q, codes["q"]))
            sides = self._sides(group, queries, query_codes, codes["k"])
            parts.append(self._attend_group(number, group, sides, codes["v"]))
            start = stop
        return self.graph.concat(*parts, axis=0)

    def chunks(self, group: WindowGroup) -> list[slice]:
        """Which of a window's queries are computed together."""
        return query_chunks(group.queries, self.layout.side**2)

    @property
    def joins_positions(self) -> bool:
        """True where the product of queries and keys adds relative positions, which is quick while they are narrow."""
        return 2 * self.layout.side <= self.head_dim

    def _quantizer(self, part: str) -> _Quantizer:
        return _Quantizer(*(self.model.tensors[f"{self.name}.{part}.{kind}"] for kind in ("scale", "zero_point")))

    def _unit(self, part: str) -> OutputUnit:
        """What one unit of the product's output is worth, for each channel of q, k or v."""
        factor = np.full(self.heads, self.head_dim**-0.5 if part == "q" else 1.0)
        offset = np.zeros(self.heads)
        if self.bits:
            factor, offset = factor / self.quantizers[part].scale, self.quantizers[part].zero_point
        return OutputUnit(*(np.repeat(values, self.head_dim) for values in (factor, offset)))

    def _codes(self, part: str, value: str) -> str:
        """Codes, or the values themselves, with the row that stands for padding behind those of k and v."""
        graph, name = self.graph, f"{self.name}.{part}"
        pad = self._pad(part) if self.layout.has_pads and part != "q" else None
        if self.bits:
            graph.tap(f"{name}.input", value)
            value = self.layers.codes(value, self.bits)
        if pad is not None:
            value = graph.concat(value, graph.constant(pad), axis=0)
        return graph.tap(f"{name}.codes", value) if self.bits else value

    def _pad(self, part: str) -> np.ndarray:
        """Row (1, heads * head_dim) of k or v of a zero token, which is the bias of qkv."""
        unit, bias = self._unit(part), self.layers.bias(f"{self.name}.qkv")
        row = np.split(bias, 3)["qkv".index(part)] * unit.factor + unit.offset
        row = row.astype(np.float32)[None]
        return np.clip(np.round(row), 0, 2**self.bits - 1).astype(np.uint8) if self.bits else row

    def _rows(self, value: str, start: int, stop: int) -> str:
        return value if stop - start == self.layout.tokens else self.graph.slice(value, start, stop, axis=0)

    def _sides(self, group: WindowGroup, q: str, codes: str, k: str) -> _Sides:
        """The logits' product of queries q, and of their codes, with the codes k of all keys."""
        graph = self.graph
        scale = self.quantizers["q"].scale * self.quantizers["k"].scale if self.bits else None
        queries = self._values("q", self._by_head(codes, group.windows, group.queries), scale)
        relative = graph.transpose(self._relative_logits(group, q), 2, 0, 1, 3)
        keys = self._of_windows(group, k)
        if not self.joins_positions:
            return _Sides(queries, self._values("k", keys), relative)
        # One-hot coordinates beside the keys let one product add the relative positions.
        keys = self._values("k", graph.concat(keys, self._one_hot_coordinates(group.windows), axis=3))
        return _Sides(graph.concat(queries, relative, axis=3), keys)

    def _relative_logits(self, group: WindowGroup, q: str) -> str:
        """Logits (windows, queries, heads, 2 * side) of unscaled queries for each row and column of their window."""
        graph, heads, width = self.graph, self.heads, self.head_dim
        image = graph.reshape(q, group.windows, group.rows, group.columns * heads, width)
        along_h = graph.op("MatMul", image, graph.constant(self._table("h", group.rows).transpose(0, 2, 1)))
        image = graph.transpose(graph.reshape(q, -1, group.rows, group.columns, heads, width), 0, 2, 1, 3, 4)
        image = graph.reshape(image, group.windows, group.columns, group.rows * heads, width)
        along_w = graph.op("MatMul", image, graph.constant(self._table("w", group.columns).transpose(0, 2, 1)))
        along_w = graph.reshape(along_w, -1, group.columns, group.rows, heads, self.layout.side)
        shape = (group.windows, group.queries, heads, self.layout.side)
        parts = (along_h, graph.transpose(along_w, 0, 2, 1, 3, 4))
        both = graph.concat(*(graph.reshape(part, *shape) for part in parts), axis=3)
        return self._unscaled_relative(group, both)

    def _unscaled_relative(self, group: WindowGroup, products: str) -> str:
        """Products of q in the product's units as those of the unscaled q."""
        unit = self._unit("q")
        factor, offset = unit.factor[:: self.head_dim, None], unit.offset[:: self.head_dim, None]
        # A query's zero point times the sum of each table row.
        row, column = np.divmod(np.arange(group.queries), group.columns)
        along_h, along_w = (self._table(axis, size).sum(-1) for axis, size in (("h", group.rows), ("w", group.columns)))
        sums = np.concatenate([along_h[row], along_w[column]], axis=1)[:, None]
        products = self.graph.op("Mul", products, self.graph.constant((1 / factor).astype(np.float32)))
        if not offset.any():
            return products
        return self.graph.op("Sub", products, self.graph.constant((offset / factor * sums).astype(np.float32)))

    def _table(self, axis: str, length: int) -> np.ndarray:
        """Relative positions (length, side, head_dim) of each line of queries to each line of keys."""
        table = self.layers.tensor(f"{self.name}.rel_pos_{axis}")
        return table[relative_offsets(self.layout.side)[:length]]

    def _attend_group(self, number: int, group: WindowGroup, sides: _Sides, v: str) -> str:
        """Attention of one window group: (windows * queries, heads * head_dim)."""
        graph, name = self.graph, f"{self.name}.softmax.{number}"
        values = self._values("v", self._of_windows(group, v), self._value_scale())
        chunks = self.chunks(group)
        names = [name] if len(chunks) == 1 else [f"{name}.{part}" for part in range(len(chunks))]
        parts = [
            graph.op("MatMul", self._probabilities(part, self._logits(group, sides, chunk)), values)
            for part, chunk in zip(names, chunks, strict=True)
        ]
        out = graph.concat(*parts, axis=2)
        return graph.reshape(graph.transpose(out, 1, 2, 0, 3), -1, self.heads * self.head_dim)

    def _logits(self, group: WindowGroup, sides: _Sides, chunk: slice) -> str:
        """Logits (heads, windows, queries of the chunk, side * side) with their relative positions."""
        graph, side = self.graph, self.layout.side

        def of_chunk(value: str) -> str:
            whole = chunk == slice(0, group.queries)
            return value if whole else graph.slice(value, chunk.start, chunk.stop, axis=2)

        logits = graph.op("FusedMatMul", of_chunk(sides.queries), sides.keys, domain=CONTRIB, transB=1)
        if sides.relative is None:
            return logits
        along_h, along_w = graph.ops("Split", of_chunk(sides.relative), results=2, axis=3, num_outputs=2)
        shape = (self.heads, group.windows, chunk.stop - chunk.start)
        logits = graph.op("Add", graph.reshape(logits, *shape, side, side), graph.reshape(along_h, *shape, side, 1))
        logits = graph.op("Add", logits, graph.reshape(along_w, *shape, 1, side))
        return graph.reshape(logits, *shape, side * side)

    def _of_windows(self, group: WindowGroup, x: str) -> str:
        """Rows of k or v that each window sees, (heads, windows, side * side, head_dim)."""
        is_everything = (
            group.keys.size == self.layout.tokens and (group.keys.ravel() == np.arange(group.keys.size)).all()
        )
        rows = x if is_everything else self.graph.gather(x, group.keys.ravel())
        return self._by_head(rows, group.windows, self.layout.side**2)

    def _by_head(self, x: str, windows: int, tokens: int) -> str:
        """(heads, windows, tokens, head_dim) from x (windows * tokens, heads * head_dim)."""
        return self.graph.transpose(self.graph.reshape(x, windows, tokens, self.heads, self.head_dim), 2, 0, 1, 3)

    def _values(self, part: str, codes: str, scale: np.ndarray | None = None) -> str:
        """(code - zero point) * scale of codes (heads, ...); floats times scale. No scale is 1."""
        if scale is None and not self.bits:
            return codes
        scale = np.ones(self.heads, np.float32) if scale is None else scale.astype(np.float32)
        if not self.bits:
            return self.graph.op("Mul", codes, self.graph.constant(scale[:, None, None, None]))
        zero_point = self.quantizers[part].zero_point
        return self.graph.op("DequantizeLinear", codes, *map(self.graph.constant, (scale, zero_point)), axis=0)

    def _one_hot_coordinates(self, windows: int) -> str:
        """Like keys (heads, windows, side * side, 2 * side), in codes where these are codes."""
        side = self.layout.side
        y, x = np.divmod(np.arange(side * side), side)
        line = np.arange(side)
        one_hot = np.concatenate([y[:, None] == line, x[:, None] == line], axis=1)
        zero = self.quantizers["k"].zero_point[:, None, None, None] if self.bits else np.zeros((self.heads, 1, 1, 1))
        values = np.broadcast_to(zero + one_hot, (self.heads, windows, *one_hot.shape))
        return self.graph.constant(values.astype(np.uint8 if self.bits else np.float32))

    def _value_scale(self) -> np.ndarray | None:
        """The values' scale, and the factor delta of the probabilities that they carry."""
        scale, delta = self.quantizers["v"].scale if self.bits else None, self._delta()
        return delta if scale is None else scale if delta is None else scale * delta

    def _delta(self) -> np.ndarray | None:
        coded = self.model.softmax_bits(self.name) is not None
        return self.model.tensors[f"{self.name}.softmax.scale"] if coded else None

    def _probabilities(self, name: str, logits: str) -> str:
        """Softmax of the logits, or e^(-step * code) of its codes, whose factor delta the values of v carry."""
        bits, delta, graph = self.model.softmax_bits(self.name), self._delta(), self.graph
        if bits is None or delta is None:
            return graph.op("Softmax", logits, axis=-1)
        graph.tap(f"{name}.logits", logits)
        log_delta = graph.constant(np.log(delta)[:, None, None, None])
        distance = graph.op("Sub", log_delta, graph.op("LogSoftmax", logits, axis=-1))
        graph.tap(f"{name}.input", distance)
        width, last = float(self.model.tensors[f"{self.name}.softmax.step"][0]), 2**bits - 1
        # Not a negative step for both, which engines read differently.
        codes = graph.op("QuantizeLinear", distance, graph.floats(width), graph.constant(np.uint8(0)))
        if graph.taps:
            graph.tap(f"{name}.codes", self.layers.clamp(codes, bits))
        logarithms = graph.op("DequantizeLinear", codes, graph.floats(-width), graph.constant(np.uint8(0)))
        values = graph.op("Exp", logarithms)
        # The last code means zero; larger ones are not clamped, for they vanish as well.
        return graph.op("ThresholdedRelu", values, alpha=math.exp((0.5 - last) * width))
