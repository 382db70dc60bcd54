"""The supernet's layers on a CPU, compiled when first needed (`spaces.compiled`): several times faster than PyTorch's.

They want the images of a batch side by side in memory. A tensor so laid out has its usual shape (B, C, H, W), and only
its strides differ, so that every other operation of PyTorch takes it too. `spaces.layers` chooses by the layout: what
`batch_last` has laid out is computed here, all else by PyTorch. Where no C++ compiler is found, nothing is laid out so.
Results agree with PyTorch's to rounding, and do not depend on the number of threads.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spaces.compiled import library, why_unavailable

__all__ = [
    "as_images",
    "average_pool",
    "batch_last",
    "call",
    "classify",
    "convolution",
    "integers",
    "is_batch_last",
    "maps",
    "normalise",
    "normalise_with_statistics",
    "normalised_convolution",
    "pointers",
    "residual_block",
    "weighted_sum",
    "why_unavailable",
]

SUFFIXES = {torch.float32: "float32", torch.float64: "float64"}

Norm = tuple[Tensor, Tensor]
"""Scale and shift of a normalisation."""


def batch_last(images: Tensor) -> Tensor:
    """The same images (B, C, H, W), laid out for these layers where they can be had for their device and type."""
    if images.device.type != "cpu" or images.dtype not in SUFFIXES or why_unavailable():
        return images
    return as_images(maps(images))


def is_batch_last(x: Tensor) -> bool:
    """Whether `batch_last` laid x out, or what x was computed from."""
    return x.dim() == 4 and x.stride(0) == 1 and x.device.type == "cpu"


def maps(x: Tensor) -> Tensor:
    """(C, H, W, B), contiguous, of images (B, C, H, W); no copy where they are laid out so."""
    return x.permute(1, 2, 3, 0).contiguous()


def as_images(maps: Tensor) -> Tensor:
    return maps.permute(3, 0, 1, 2)


@functools.cache
def _function(name: str, dtype: torch.dtype, arguments: int) -> Callable[..., None]:
    """A function of `layers.cpp`; every argument is a pointer or as wide as one."""
    function = getattr(library(), f"{name}_{SUFFIXES[dtype]}")
    function.argtypes, function.restype = [ctypes.c_void_p] * arguments, None
    return cast("Callable[..., None]", function)


def call(name: str, dtype: torch.dtype, *arguments: Tensor | int | ctypes.Array[Any] | bytes | None) -> None:
    """Call a function of `layers.cpp`: tensors as pointers to their numbers, and 64-bit integers."""
    given = [argument.data_ptr() if isinstance(argument, Tensor) else argument for argument in arguments]
    _function(name, dtype, len(given))(*given)


@functools.lru_cache(1024)
def integers(*numbers: int) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * len(numbers))(*numbers)


def pointers(tensors: Sequence[Tensor | None]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(tensors))(*[None if tensor is None else tensor.data_ptr() for tensor in tensors])


def _convolve(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """The maps that a convolution makes of maps; `ctx` keeps its geometry."""
    inputs, height, width, batch = x.shape
    outputs, _, kernel, _ = weight.shape
    out = (height - 1) // stride + 1, (width - 1) // stride + 1
    ctx.geometry = integers(batch, inputs, height, width, outputs, *out, kernel, stride)
    y = x.new_empty(outputs, *out, batch)
    call("convolution", x.dtype, ctx.geometry, x, weight, y)
    return y


def _convolution_gradients(ctx: Any, dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of images and weight, the first two inputs of a function, where they are wanted."""
    dx = dweight = None
    if ctx.needs_input_grad[0]:
        dx = torch.empty_like(x)
        call("input_gradient", x.dtype, ctx.geometry, dy, weight, dx)
    if ctx.needs_input_grad[1]:
        dweight = torch.empty_like(weight)
        call("weight_gradient", x.dtype, ctx.geometry, dy, x, dweight)
    return None if dx is None else as_images(dx), dweight


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        x, weight = maps(x), weight.contiguous()
        ctx.save_for_backward(x, weight)
        return as_images(_convolve(ctx, x, weight, stride))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        return *_convolution_gradients(ctx, maps(dy), *ctx.saved_tensors), None


def convolution(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """Convolution of x (B, C, H, W) with weight (C′, C, k, k), k odd, zero padding of k // 2."""
    y: Tensor = _Convolution.apply(x, weight, stride)  # type: ignore[no-untyped-call]
    return y


class _Normalise(torch.autograd.Function):
    """See `normalise_with_statistics`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, scale, shift = maps(x), scale.contiguous(), shift.contiguous()
        y, (mean, inverse, variance) = torch.empty_like(x), x.new_empty(3, len(x)).unbind()
        call("normalise", x.dtype, len(x), x[0].numel(), x, scale, shift, y, mean, inverse, variance)
        ctx.save_for_backward(x, scale, mean, inverse)
        ctx.mark_non_differentiable(mean, variance)
        return as_images(y), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, *_: None) -> tuple[Tensor, Tensor, Tensor]:
        x, scale, mean, inverse = ctx.saved_tensors
        dx, dscale, dshift = torch.empty_like(x), torch.empty_like(scale), torch.empty_like(scale)
        numbers = x[0].numel()
        call("normalise_gradient", x.dtype, len(x), numbers, x, scale, mean, inverse, maps(dy), dx, dscale, dshift)
        return as_images(dx), dscale, dshift


def normalise_with_statistics(x: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalisation of x (B, C, H, W) by the batch's own statistics, times `scale` plus `shift`, (C,) each.

    Returns:
        The normalised x, and the means and biased variances of the channels, (C,) each, which have no gradient.
    """
    y, mean, variance = _Normalise.apply(x, scale, shift)  # type: ignore[no-untyped-call]
    return y, mean, variance


def normalise(x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
    """Batch normalisation of x (B, C, H, W) by the batch's own statistics, times `scale` plus `shift`, (C,) each."""
    ones = x.new_ones(x.shape[1]) if scale is None else scale
    return normalise_with_statistics(x, ones, torch.zeros_like(ones) if shift is None else shift)[0]


class _NormalisedConvolution(torch.autograd.Function):
    """See `normalised_convolution`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        x, weight = maps(x), weight.contiguous()
        convolved = _convolve(ctx, x, weight, 1)
        y, (mean, inverse) = torch.empty_like(convolved), x.new_empty(2, len(convolved)).unbind()
        call("normalise", x.dtype, len(y), y[0].numel(), convolved, scale, shift, y, mean, inverse, None)
        ctx.save_for_backward(x, weight, scale, convolved, mean, inverse)
        return as_images(y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, scale, convolved, mean, inverse = ctx.saved_tensors
        dconvolved, dscale, dshift = torch.empty_like(convolved), torch.empty_like(scale), torch.empty_like(scale)
        size = len(convolved), convolved[0].numel()
        statistics = scale, mean, inverse
        call("normalise_gradient", x.dtype, *size, convolved, *statistics, maps(dy), dconvolved, dscale, dshift)
        return *_convolution_gradients(ctx, dconvolved, x, weight), dscale, dshift


def normalised_convolution(x: Tensor, weight: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Convolution of x (B, C, H, W) with weight (C′, C, k, k), k odd, and its normalisation with (C′,) numbers each."""
    y: Tensor = _NormalisedConvolution.apply(x, weight, scale, shift)  # type: ignore[no-untyped-call]
    return y


class _Residual(torch.autograd.Function):
    """See `residual_block`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *weights: Tensor) -> Tensor:
        x = maps(x)
        channels, height, width, batch = x.shape
        y, *between = x.new_empty(4, 2 * channels, height // 2, width // 2, batch).unbind()
        halved, statistics = x.new_empty(channels, *y.shape[1:]), x.new_empty(2, 2, 2 * channels)
        ctx.shape = integers(*x.shape)
        ctx.save_for_backward(x, *weights, *between, halved, statistics)
        call("residual_forward", x.dtype, ctx.shape, x, y, pointers([*weights, *between, halved, statistics]))
        return as_images(y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, *saved = ctx.saved_tensors
        dx = torch.empty_like(x)
        # Gradients of scales and shifts come with that of x.
        gradients = [
            torch.empty_like(weight) if wanted or weight.dim() == 1 else None
            for weight, wanted in zip(saved[:7], ctx.needs_input_grad[1:], strict=True)
        ]
        call("residual_backward", x.dtype, ctx.shape, x, maps(dy), dx, pointers([*saved, *gradients]))
        return as_images(dx), *gradients


def residual_block(x: Tensor, conv_a: Tensor, norm_a: Norm, conv_b: Tensor, norm_b: Norm, shortcut: Tensor) -> Tensor:
    """The block of stride 2 between two stages, x (B, C, H, W) with H and W even to (B, 2C, H/2, W/2).

    Args:
        conv_a, conv_b, shortcut: weights (2C, C, 3, 3), (2C, 2C, 3, 3) and (2C, C, 1, 1).
        norm_a, norm_b: scale and shift of the normalisations by the batch's statistics, (2C,) each.
    """
    y: Tensor = _Residual.apply(x, conv_a, *norm_a, conv_b, *norm_b, shortcut)  # type: ignore[no-untyped-call]
    return y


class _Classify(torch.autograd.Function):
    """See `classify`."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor | None, shift: Tensor | None, weight: Tensor, bias: Tensor
    ) -> Tensor:
        x, weight = maps(x), weight.contiguous()
        channels, batch, classes = len(x), x.shape[3], len(weight)
        features, logits = x.new_empty(channels, batch), x.new_empty(classes, batch)
        ctx.shape = integers(*x.shape)
        normalised = x
        saved: tuple[Tensor, ...] = ()
        if scale is not None:
            normalised, (mean, inverse) = torch.empty_like(x), x.new_empty(2, channels).unbind()
            saved = x, scale, mean, inverse
            call("normalise", x.dtype, channels, x[0].numel(), x, scale, shift, normalised, mean, inverse, None)
        call("classify", x.dtype, ctx.shape, classes, normalised, weight, bias, features, logits)
        ctx.save_for_backward(normalised, weight, features, *saved)
        return logits.t().contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        normalised, weight, features, *norm = ctx.saved_tensors
        *_, weight_wanted, bias_wanted = ctx.needs_input_grad
        dweight = torch.empty_like(weight) if weight_wanted else None
        dbias = features.new_empty(len(weight)) if bias_wanted else None
        dx, dlogits = torch.empty_like(normalised), dy.t().contiguous()
        saved = normalised, weight, features
        call("classify_gradient", dy.dtype, ctx.shape, len(weight), *saved, dlogits, dx, dweight, dbias)
        if not norm:
            return as_images(dx), None, None, dweight, dbias
        x, scale, *_ = norm
        dnormalised, dx, dscale, dshift = dx, torch.empty_like(x), torch.empty_like(scale), torch.empty_like(scale)
        call("normalise_gradient", dy.dtype, len(x), x[0].numel(), *norm, dnormalised, dx, dscale, dshift)
        return as_images(dx), dscale, dshift, dweight, dbias


def classify(x: Tensor, norm: Norm | None, weight: Tensor, bias: Tensor) -> Tensor:
    """Logits (B, K) of x (B, C, H, W): normalised with `norm`, (C,) each, ReLU, mean over the pixels, linear layer.

    Args:
        norm: None where x is normalised already.
        weight, bias: of the linear layer, (K, C) and (K,).
    """
    logits: Tensor = _Classify.apply(x, *(norm or (None, None)), weight, bias)  # type: ignore[no-untyped-call]
    return logits


class _WeightedSum(torch.autograd.Function):
    """See `weighted_sum`."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, like: Tensor, *terms: Tensor | None) -> Tensor:
        weights, given = weights.contiguous(), [None if term is None else maps(term) for term in terms]
        y = torch.empty_like(maps(like))
        ctx.size = len(y), y[0].numel(), len(given)
        ctx.absent = [term is None for term in given]
        ctx.save_for_backward(weights, *(term for term in given if term is not None))
        call("weighted_sum", y.dtype, *ctx.size, weights, pointers(given), y)
        return as_images(y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        weights, *saved = ctx.saved_tensors
        present, dy, dweights = iter(saved), maps(dy), torch.empty_like(weights)
        given = [None if absent else next(present) for absent in ctx.absent]
        wanted = ctx.needs_input_grad[2:]
        dterms = [
            torch.empty_like(dy) if want and term is not None else None
            for term, want in zip(given, wanted, strict=True)
        ]
        call("weighted_sum_gradient", dy.dtype, *ctx.size, weights, pointers(given), dy, pointers(dterms), dweights)
        return dweights, None, *(None if term is None else as_images(term) for term in dterms)


def weighted_sum(weights: Tensor, terms: Sequence[Tensor | None], like: Tensor) -> Tensor:
    """Σ weights[t] · terms[t] over maps of the shape (B, C, H, W) of `like`; None is a map of ones."""
    y: Tensor = _WeightedSum.apply(weights, like.detach(), *terms)  # type: ignore[no-untyped-call]
    return y


class _AveragePool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = maps(x)
        y = torch.empty_like(x)
        call("average_pool", x.dtype, integers(*x.shape), x, y, 0)
        return as_images(y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        dy = maps(dy)
        dx = torch.empty_like(dy)
        call("average_pool", dy.dtype, integers(*dy.shape), dy, dx, 1)
        return as_images(dx)


def average_pool(x: Tensor) -> Tensor:
    """The 3×3 average of each pixel's neighbours inside the image, x (B, C, H, W) in and out."""
    y: Tensor = _AveragePool.apply(x)  # type: ignore[no-untyped-call]
    return y
