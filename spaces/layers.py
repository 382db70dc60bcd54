"""The layers that every network of the space is built of, with batch statistics throughout a search."""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def average_pool(x: Tensor) -> Tensor:
    """The 3×3 average of each pixel's neighbours inside the image (stride 1, `count_include_pad=False`).

    Shape (B, C, H, W) in and out. On a CPU the sums run over rows, then columns, several times faster than PyTorch's
    own pooling; elsewhere one kernel is best.
    """
    if x.device.type != "cpu":
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    pooled: Tensor = _SeparablePool.apply(x)  # type: ignore[no-untyped-call]
    return pooled


class _SeparablePool(torch.autograd.Function):
    """Neighbour sums over rows and columns, divided by how many there are. The sum is its own transpose."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _neighbour_sum(x) * _inverse_neighbours(x.shape[-2], x.shape[-1], x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        height, width = gradient.shape[-2:]
        return _neighbour_sum(gradient * _inverse_neighbours(height, width, gradient.dtype))


def _neighbour_sum(x: Tensor) -> Tensor:
    """Sum of each pixel and its up to eight neighbours, shape as x."""
    padded = F.pad(x, (1, 1, 1, 1))
    rows = padded[..., :-2].add(padded[..., 1:-1]).add_(padded[..., 2:])
    return rows[..., :-2, :].add(rows[..., 1:-1, :]).add_(rows[..., 2:, :])


@functools.cache
def _inverse_neighbours(height: int, width: int, dtype: torch.dtype) -> Tensor:
    """1 / (pixels of the 3×3 window that lie inside the image), shape (height, width)."""
    ones = torch.ones(1, 1, height, width, dtype=dtype)
    return 1 / (9 * F.avg_pool2d(ones, 3, stride=1, padding=1))[0, 0]


def normalise(x: Tensor, scale: Tensor | None = None) -> Tensor:
    """Batch normalisation by the batch's own statistics, times `scale` (one factor a channel)."""
    return F.batch_norm(x, None, None, scale, None, training=True)


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation by batch statistics; with `track`, in evaluation by their mean over all training batches.

    A supernet does not track: its statistics would belong to no cell in particular.
    """

    def __init__(self, channels: int, track: bool = False, affine: bool = True) -> None:
        super().__init__(channels, momentum=None, affine=affine, track_running_stats=track)


class ReductionBlock(nn.Module):
    """The residual block of stride 2 between two stages: C × H × W in, 2C × H/2 × W/2 out (NAS-Bench-201, §2.1)."""

    def __init__(self, channels: int, track: bool = False) -> None:
        super().__init__()
        self.conv_a = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False)
        self.norm_a = BatchNorm(2 * channels, track)
        self.conv_b = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, bias=False)
        self.norm_b = BatchNorm(2 * channels, track)
        self.shortcut = nn.Conv2d(channels, 2 * channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm_a(self.conv_a(F.relu(x)))
        y = self.norm_b(self.conv_b(F.relu(y)))
        output: Tensor = y + self.shortcut(F.avg_pool2d(x, 2))
        return output


class Stem(nn.Sequential):
    """3×3 convolution of the image and its batch normalisation: B × 3 × H × W in, B × C × H × W out."""

    def __init__(self, channels: int, track: bool = False) -> None:
        super().__init__(nn.Conv2d(3, channels, 3, padding=1, bias=False), BatchNorm(channels, track))


class Head(nn.Module):
    """Batch normalisation, ReLU, global average pool and the linear classifier: B × C × H × W in, B × classes out."""

    def __init__(self, channels: int, classes: int, track: bool = False) -> None:
        super().__init__()
        self.norm = BatchNorm(channels, track)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(F.relu(self.norm(x)).mean((2, 3)))
        return logits


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw every convolution and linear layer from U(±1/√fan_in), PyTorch's default, which the papers' programs use.

    `generator` lives on the CPU, so that a seed gives the same network on every device.
    """
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                bound = 1 / math.sqrt(parameter[0].numel())
                parameter.uniform_(-bound, bound, generator=generator)
        for layer in network.modules():
            if isinstance(layer, nn.Linear):
                bound = 1 / math.sqrt(layer.in_features)
                layer.bias.uniform_(-bound, bound, generator=generator)
