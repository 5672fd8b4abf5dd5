"""SAM's prompt encoder and mask decoder as inference graphs (Kirillov et al. 2023), on flat tokens throughout."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto

from ...base.products import row_product
from ...network.layers import DECODER_DEPTH, DECODER_HEADS, MASK_TOKENS
from ...store.model_file import StoredModel
from .layer_writer import LayerWriter
from .onnx_builder import GraphBuilder, InferenceGraph
from .weights import float_weight

_NORM_EPSILON = 1e-5
_CHANNEL_NORM_EPSILON = 1e-6


def build_decoder(model: StoredModel) -> InferenceGraph:
    """Graph of B prompts on one image, all of the same number N of points.

    Inputs: `image_embedding` float32 (1, C, g, g); `dense_embedding` float32 (B or 1, g * g or 1, C), of a mask or of
    none; `point_coords` float32 (B, N, 2) as x, y in pixels of the S x S image; `point_labels` int64 (B, N): -1 no
    point, 0 background, 1 foreground, 2 and 3 the corners of a box.
    Outputs: `low_res_masks` float32 logits (B, 4, 4g, 4g) and `iou_predictions` float32 (B, 4).
    """
    return _DecoderWriter(LayerWriter(GraphBuilder(), model)).write()


def build_mask_encoder(model: StoredModel) -> InferenceGraph:
    """Graph from `mask_probabilities` float32 (B, 1, 4g, 4g) to `dense_embedding` float32 (B, g * g, C)."""
    layers, grid = LayerWriter(GraphBuilder(), model), model.architecture.grid
    graph, name = layers.graph, "prompt_encoder.mask_downscaling"
    mask = graph.input("mask_probabilities", np.float32, ("prompts", 1, 4 * grid, 4 * grid))
    # Each token sees its own 4 x 4 pixels: four patches of 2 x 2, one behind the other.
    pixels = graph.transpose(graph.reshape(mask, -1, grid, 2, 2, grid, 2, 2), 0, 1, 4, 2, 5, 3, 6)
    patches = graph.reshape(pixels, -1, grid * grid * 4, 4)
    x = _patch_layer(layers, f"{name}.0", f"{name}.1", patches)
    x = _patch_layer(layers, f"{name}.3", f"{name}.4", graph.reshape(x, 0, grid * grid, 16))
    graph.output("dense_embedding", layers.linear(f"{name}.6", x))
    return graph.finish()


def _patch_layer(layers: LayerWriter, layer: str, norm: str, patches: str) -> str:
    """Convolution whose kernel is its stride, as a product over patches (..., taps * in), then norm and GELU."""
    x = layers.product(layer, layers.quantized(layer, patches), np.arange(4))
    return layers.graph.op("Gelu", layers.norm(norm, x, _CHANNEL_NORM_EPSILON))


class _DecoderWriter:
    """Image values are (B, g * g, channels), prompt values (B, tokens, channels)."""

    def __init__(self, layers: LayerWriter) -> None:
        self.layers, self.graph, self.model = layers, layers.graph, layers.model
        self.grid, self.width = self.model.architecture.grid, self.model.architecture.out_chans

    def write(self) -> InferenceGraph:
        graph = self.graph
        embedding = graph.input("image_embedding", np.float32, (1, self.width, self.grid, self.grid))
        dense = graph.input("dense_embedding", np.float32, ("masks", "places", self.width))
        image = graph.transpose(graph.reshape(embedding, 1, self.width, -1), 0, 2, 1)
        tokens, image = self._two_way_transformer(self._prompt_tokens(), graph.op("Add", image, dense))
        graph.output("low_res_masks", self._masks(tokens, image))
        graph.output("iou_predictions", self._mlp("mask_decoder.iou_prediction_head", self._token(tokens, 0)))
        return graph.finish()

    def _prompt_tokens(self) -> str:
        """Output tokens, then one token a point: its Fourier features plus what kind of point it is."""
        graph, tensor = self.graph, self.model.tensors
        coords = graph.input("point_coords", np.float32, ("prompts", "points", 2))
        labels = graph.input("point_labels", np.int64, ("prompts", "points"))
        names = ["not_a_point_embed", *(f"point_embeddings.{kind}" for kind in range(4))]
        kinds = np.concatenate([tensor[f"prompt_encoder.{name}.weight"] for name in names])
        kind = graph.op("Gather", graph.constant(kinds), graph.op("Add", labels, graph.integers(1)))
        is_point = graph.op("Cast", graph.op("GreaterOrEqual", labels, graph.integers(0)), to=TensorProto.FLOAT)
        position = graph.op("Mul", self._point_position(coords), graph.op("Unsqueeze", is_point, graph.integers(2)))
        own = np.concatenate([tensor[f"mask_decoder.{name}.weight"] for name in ("iou_token", "mask_tokens")])
        prompts = graph.op("Shape", coords, start=0, end=1)
        shape = graph.concat(prompts, graph.integers(*own.shape), axis=0)
        return graph.concat(graph.op("Expand", graph.constant(own), shape), graph.op("Add", position, kind), axis=1)

    def _point_position(self, coords: str) -> str:
        """Random Fourier features (B, N, C) of pixel coordinates, whose whole numbers are pixel centres."""
        graph, size = self.graph, np.float32(self.model.architecture.image_size)
        unit = graph.op("Div", graph.op("Add", coords, graph.floats(0.5)), graph.constant(size))
        centred = graph.op("Sub", graph.op("Mul", unit, graph.floats(2)), graph.floats(1))
        turns = graph.op("MatMul", centred, graph.constant(self._frequencies()))
        angles = graph.op("Mul", turns, graph.floats(2 * math.pi))
        return graph.concat(graph.op("Sin", angles), graph.op("Cos", angles), axis=2)

    def _image_position(self) -> np.ndarray:
        """The same features of the centres of the g x g tokens, (g * g, C)."""
        centres = (np.arange(self.grid, dtype=np.float32) + np.float32(0.5)) / np.float32(self.grid)
        y, x = np.meshgrid(centres, centres, indexing="ij")
        angles = np.float32(2 * math.pi) * row_product(2 * np.stack([x, y], -1) - 1, self._frequencies())
        return np.concatenate([np.sin(angles), np.cos(angles)], -1).reshape(-1, self.width)

    def _frequencies(self) -> np.ndarray:
        return self.model.tensors["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]

    def _two_way_transformer(self, prompts: str, image: str) -> tuple[str, str]:
        name, tokens = "mask_decoder.transformer", prompts
        for index in range(DECODER_DEPTH):
            tokens, image = self._two_way_layer(f"{name}.layers.{index}", tokens, image, prompts, index == 0)
        queries = self.graph.op("Add", tokens, prompts)
        attended = self._attention_to_image(f"{name}.final_attn_token_to_image", queries, image)
        return self._add_norm(f"{name}.norm_final_attn", tokens, attended), image

    def _two_way_layer(self, name: str, tokens: str, image: str, prompts: str, first: bool) -> tuple[str, str]:
        """Self-attention of the tokens (in the first layer without positions), to the image, MLP, and back."""
        graph, layers = self.graph, self.layers
        if first:
            attended = self._self_attention(f"{name}.self_attn", tokens, tokens)
            tokens = layers.norm(f"{name}.norm1", attended, _NORM_EPSILON)
        else:
            queries = graph.op("Add", tokens, prompts)
            attended = self._self_attention(f"{name}.self_attn", queries, tokens)
            tokens = self._add_norm(f"{name}.norm1", tokens, attended)
        queries = graph.op("Add", tokens, prompts)
        attended = self._attention_to_image(f"{name}.cross_attn_token_to_image", queries, image)
        tokens = self._add_norm(f"{name}.norm2", tokens, attended)
        hidden = graph.op("Relu", layers.linear(f"{name}.mlp.lin1", tokens))
        tokens = self._add_norm(f"{name}.norm3", tokens, layers.linear(f"{name}.mlp.lin2", hidden))
        queries = graph.op("Add", tokens, prompts)
        attended = self._attention_of_image(f"{name}.cross_attn_image_to_token", image, queries, tokens)
        return tokens, self._add_norm(f"{name}.norm4", image, attended)

    def _self_attention(self, name: str, queries: str, values: str) -> str:
        """Attention among the tokens of a prompt."""
        graph = self.graph
        q, k = (self._heads(f"{name}.{part}_proj", queries) for part in "qk")
        scores = graph.op("MatMul", q, graph.transpose(k, 0, 1, 3, 2))
        weights = graph.op("Softmax", graph.op("Mul", scores, graph.floats(self._scale(name))), axis=-1)
        return self._joined(name, graph.op("MatMul", weights, self._heads(f"{name}.v_proj", values)))

    def _attention_to_image(self, name: str, tokens: str, image: str) -> str:
        """Attention of the tokens to the image: weights (image V) is computed as (weights image) V."""
        graph = self.graph
        scores = self._scores(name, "k_proj", self._heads(f"{name}.q_proj", tokens), image)
        seen = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), image)
        values = graph.weight(self._by_head(self._matrix(f"{name}.v_proj")))
        return self._joined(name, graph.op("MatMul", graph.reshape(seen, 0, DECODER_HEADS, -1, self.width), values))

    def _attention_of_image(self, name: str, image: str, keys: str, values: str) -> str:
        """Attention of the image to the tokens: (weights V) out is computed as weights (V out)."""
        graph = self.graph
        scores = self._scores(name, "q_proj", self._heads(f"{name}.k_proj", keys), image)
        by_head = graph.reshape(graph.transpose(scores, 0, 2, 1), 0, self.grid**2, DECODER_HEADS, -1)
        weights = graph.reshape(graph.op("Softmax", by_head, axis=-1), 0, self.grid**2, -1)
        out = graph.weight(self._by_head(self._matrix(f"{name}.out_proj").T).swapaxes(1, 2))
        answers = graph.op("MatMul", self._heads(f"{name}.v_proj", values), out)
        update = graph.op("MatMul", weights, graph.reshape(answers, 0, -1, self.width))
        return graph.op("Add", update, graph.constant(self._out_bias(name)))

    def _scores(self, name: str, projection: str, heads: str, image: str) -> str:
        """Scaled products (B, heads * T, g * g) of the tokens' `heads` (B, heads, T, d) and the projected image.

        An image has many tokens and a prompt has few: theirs are taken back through the projection, not the image
        through it. The image's positions join behind that product.
        """
        graph, layer = self.graph, f"{name}.{projection}"
        matrix = self._matrix(layer)
        # What all keys share changes no softmax, so k needs no bias.
        bias = self.layers.bias(layer) if projection == "q_proj" else 0
        position = row_product(self._image_position(), matrix)
        scaled = (self._scale(name) * self._by_head(x) for x in (matrix, position + bias))
        channels, places = (graph.op("MatMul", heads, graph.weight(x.swapaxes(1, 2))) for x in scaled)
        found = graph.op("MatMul", graph.reshape(channels, 0, -1, self.width), graph.transpose(image, 0, 2, 1))
        return graph.op("Add", found, graph.reshape(places, 0, -1, self.grid**2))

    def _heads(self, layer: str, tokens: str) -> str:
        """q, k or v of the tokens, (B, heads, T, d); only q has its bias."""
        bias = None if layer.endswith("q_proj") else np.zeros(self.model.layers[layer].out_channels, np.float32)
        x = self.graph.reshape(self.layers.linear(layer, tokens, bias), 0, 0, DECODER_HEADS, -1)
        return self.graph.transpose(x, 0, 2, 1, 3)

    def _joined(self, name: str, heads: str) -> str:
        """The heads' results (B, heads, T, d) through the last linear layer."""
        x = self.graph.reshape(self.graph.transpose(heads, 0, 2, 1, 3), 0, 0, -1)
        return self.layers.linear(f"{name}.out_proj", x, self._out_bias(name))

    def _out_bias(self, name: str) -> np.ndarray:
        """Bias behind the last layer; that of v is in it, since the weights of a softmax sum to 1."""
        passed = row_product(self.layers.bias(f"{name}.v_proj"), self._matrix(f"{name}.out_proj"))
        return self.layers.bias(f"{name}.out_proj") + passed

    def _matrix(self, layer: str) -> np.ndarray:
        """Weight of a linear layer, (in, out)."""
        return float_weight(self.model, layer)[:, 0]

    def _scale(self, name: str) -> float:
        return float((self.model.layers[f"{name}.q_proj"].out_channels // DECODER_HEADS) ** -0.5)

    @staticmethod
    def _by_head(matrix: np.ndarray) -> np.ndarray:
        """Columns of a matrix (n, heads * d) as (heads, n, d)."""
        return matrix.reshape(len(matrix), DECODER_HEADS, -1).swapaxes(0, 1)

    def _add_norm(self, norm: str, x: str, update: str) -> str:
        return self.layers.norm(norm, self.graph.op("Add", x, update), _NORM_EPSILON)

    def _token(self, tokens: str, index: int) -> str:
        """One token of each prompt, (B, C)."""
        return self.graph.gather(tokens, np.array(index), axis=1)

    def _mlp(self, name: str, x: str) -> str:
        x = self.graph.op("Relu", self.layers.linear(f"{name}.layers.0", x))
        x = self.graph.op("Relu", self.layers.linear(f"{name}.layers.1", x))
        return self.layers.linear(f"{name}.layers.2", x)

    def _masks(self, tokens: str, image: str) -> str:
        """Each mask token's hyper-network times the upscaled image: logits (B, 4, 4g, 4g)."""
        graph, grid = self.graph, self.grid
        name = "mask_decoder.output_hypernetworks_mlps"
        heads = [self._mlp(f"{name}.{index}", self._token(tokens, index + 1)) for index in range(MASK_TOKENS)]
        hyper = graph.concat(*(graph.op("Unsqueeze", head, graph.integers(1)) for head in heads), axis=1)
        logits = graph.op("MatMul", hyper, graph.transpose(self._upscaled(image), 0, 2, 1))
        # Pixels lie as (y, x, halves of y and x, quarters of y and x).
        pixels = graph.reshape(logits, 0, MASK_TOKENS, grid, grid, 2, 2, 2, 2)
        return graph.reshape(graph.transpose(pixels, 0, 1, 2, 4, 6, 3, 5, 7), 0, MASK_TOKENS, 4 * grid, 4 * grid)

    def _upscaled(self, image: str) -> str:
        """Two transposed convolutions of 2 x 2, stride 2: (B, g * g * 16, C / 8)."""
        graph, layers, name = self.graph, self.layers, "mask_decoder.output_upscaling"
        x = graph.reshape(layers.spread(f"{name}.0", image), 0, 4 * self.grid**2, self.width // 4)
        x = graph.op("Gelu", layers.norm(f"{name}.1", x, _CHANNEL_NORM_EPSILON))
        x = graph.reshape(layers.spread(f"{name}.3", x), 0, 16 * self.grid**2, self.width // 8)
        return graph.op("Gelu", x)
