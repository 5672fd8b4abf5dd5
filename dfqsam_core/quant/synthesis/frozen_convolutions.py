"""Convolutions whose weights never change, laid out once for oneDNN, which else rearranges them in every pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

_Convolution = nn.Conv2d | nn.ConvTranspose2d
_Product = Callable[[Tensor], Tensor]


def freeze_convolutions(network: nn.Module) -> None:
    """Let the convolutions of `network`, in place, take less time for the same bytes of values and gradients.

    Their weights get no gradient, and take three times the memory once the network has run.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _Convolution) and child.groups == 1:
                setattr(parent, name, FrozenConvolution(child))


class FrozenConvolution(nn.Module):
    """A Conv2d or ConvTranspose2d whose weight is laid out once for each shape of its inputs; images have one shape."""

    def __init__(self, layer: _Convolution) -> None:
        super().__init__()
        self.layer = layer
        # Empty where this build of torch cannot lay them out.
        self._ways: dict[torch.Size, tuple[_Product, _Product] | tuple[()]] = {}

    def forward(self, x: Tensor) -> Tensor:
        """As the layer itself."""
        # Where channels are not last, a laid out weight would make them so, and later sums would have another order.
        channels_last = x.is_contiguous(memory_format=torch.channels_last)
        if not channels_last or x.device.type != "cpu" or not torch.backends.mkldnn.is_available():
            return cast(Tensor, self.layer(x))
        if x.shape not in self._ways:
            # Threads that come at once do the same work twice, with the same result.
            self._ways[x.shape] = _there_and_back(self.layer, x.detach())
        ways = self._ways[x.shape]
        return cast(Tensor, _Frozen.apply(x, *ways) if ways else self.layer(x))


class _Frozen(torch.autograd.Function):
    """A product without bias and, for the gradient, its transpose."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, there: _Product, back: _Product) -> Tensor:
        ctx.back = back
        return there(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return ctx.back(gradients[0].contiguous(memory_format=torch.channels_last)), None, None


def _there_and_back(layer: _Convolution, x: Tensor) -> tuple[_Product, _Product] | tuple[()]:
    """The layer's product for inputs like x, and the one that takes a gradient of its output to its input.

    Nothing where these operations, which torch does not document, are absent or take other arguments.
    """
    try:
        return _products(layer, x)
    except (AttributeError, RuntimeError, TypeError):
        return ()


def _products(layer: _Convolution, x: Tensor) -> tuple[_Product, _Product]:
    transposed = isinstance(layer, nn.ConvTranspose2d)
    there = _laid_out(layer, transposed, layer.bias, layer.output_padding, x.shape)
    y = there(x)
    far_edge = [
        size - ((out - 1) * stride - 2 * int(padding) + dilation * (kernel - 1) + 1)
        for size, out, stride, padding, dilation, kernel in zip(
            x.shape[2:], y.shape[2:], layer.stride, layer.padding, layer.dilation, layer.kernel_size, strict=True
        )
    ]
    return there, _laid_out(layer, not transposed, None, far_edge, y.shape)


def _laid_out(
    layer: _Convolution, transposed: bool, bias: Tensor | None, far_edge: Sequence[int], size: Sequence[int]
) -> _Product:
    """The product of the layer's weight with inputs of `size`; far_edge: pixels that a transposed one adds there."""
    ops, weight = torch.ops.mkldnn, layer.weight.detach()
    padding = list(cast(Sequence[int], layer.padding))
    geometry = (list(layer.stride), list(layer.dilation), layer.groups)
    if transposed:
        edges = (padding, list(far_edge))
        ready = ops._reorder_convolution_transpose_weight(weight, *edges, *geometry, list(size))
        product = ops._convolution_transpose_pointwise
        return lambda x: cast(Tensor, product(x, ready, bias, *edges, *geometry, "none", [], ""))
    ready = ops._reorder_convolution_weight(weight, padding, *geometry, list(size))
    return lambda x: cast(Tensor, ops._convolution_pointwise(x, ready, bias, padding, *geometry, "none", [], ""))
