"""The layers that every network of the space is built of, with batch statistics throughout a search."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spaces import native


def average_pool(x: Tensor) -> Tensor:
    """The 3×3 average of each pixel's neighbours inside the image (stride 1, `count_include_pad=False`).

    Shape (B, C, H, W) in and out.
    """
    if native.is_batch_last(x):
        return native.average_pool(x)
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def halve(x: Tensor) -> Tensor:
    """The averages of 2×2 pixels: (B, C, H, W) in, (B, C, H/2, W/2) out."""
    if not native.is_batch_last(x):
        return F.avg_pool2d(x, 2)
    upper, lower = x[:, :, ::2], x[:, :, 1::2]
    return (upper[..., ::2] + upper[..., 1::2] + lower[..., ::2] + lower[..., 1::2]) / 4


def convolve(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """Convolution with k×k weights (C′, C, k, k), k odd, and a zero padding of k // 2."""
    if native.is_batch_last(x):
        return native.convolution(x, weight, stride)
    return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)


def normalise(x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
    """Batch normalisation by the batch's own statistics, times `scale` plus `shift` (a number a channel each)."""
    if native.is_batch_last(x):
        return native.normalise(x, scale, shift)
    return F.batch_norm(x, None, None, scale, shift, training=True)


class Convolution(nn.Conv2d):
    """A convolution without a bias, with a zero padding that keeps the image size (or, by its stride, divides it)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return convolve(x, self.weight, self.stride[0])


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation by batch statistics; with `track`, in evaluation by their mean over all training batches or,
    where `momentum` is set, by their moving average, in which each new batch has that share.

    A supernet's cells do not track: their statistics would belong to no cell in particular.
    """

    def __init__(self, channels: int, track: bool = False, affine: bool = True) -> None:
        super().__init__(channels, momentum=None, affine=affine, track_running_stats=track)

    def forward(self, x: Tensor) -> Tensor:
        if not native.is_batch_last(x):
            return super().forward(x)
        scale = x.new_ones(self.num_features) if self.weight is None else self.weight
        shift = torch.zeros_like(scale) if self.bias is None else self.bias
        if self.track_running_stats and not self.training:
            assert self.running_mean is not None
            assert self.running_var is not None
            factor = scale * (self.running_var + self.eps).rsqrt()
            return (x - self.running_mean[:, None, None]) * factor[:, None, None] + shift[:, None, None]
        y, mean, variance = native.normalise_with_statistics(x, scale, shift)
        if self.track_running_stats:
            self.update_statistics(mean, variance, x.numel() // self.num_features)
        return y

    @torch.no_grad()
    def update_statistics(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Take one more batch, of `count` numbers a channel, into the averages of the statistics."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean += share * (mean - self.running_mean)
        self.running_var += share * (variance * (count / (count - 1)) - self.running_var)


class ReductionBlock(nn.Module):
    """The residual block of stride 2 between two stages: C × H × W in, 2C × H/2 × W/2 out (NAS-Bench-201, §2.1)."""

    def __init__(self, channels: int, track: bool = False) -> None:
        super().__init__()
        self.conv_a = Convolution(channels, 2 * channels, 3, stride=2)
        self.norm_a = BatchNorm(2 * channels, track)
        self.conv_b = Convolution(2 * channels, 2 * channels, 3)
        self.norm_b = BatchNorm(2 * channels, track)
        self.shortcut = Convolution(channels, 2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.norm_a, self.norm_b
        if native.is_batch_last(x) and not a.track_running_stats:
            return native.residual_block(
                x, self.conv_a.weight, (a.weight, a.bias), self.conv_b.weight, (b.weight, b.bias), self.shortcut.weight
            )
        y = a(self.conv_a(F.relu(x)))
        y = b(self.conv_b(F.relu(y)))
        output: Tensor = y + self.shortcut(halve(x))
        return output


class Stem(nn.Sequential):
    """3×3 convolution of the image and its batch normalisation: B × 3 × H × W in, B × C × H × W out."""

    def __init__(self, channels: int, track: bool = False) -> None:
        super().__init__(Convolution(3, channels, 3), BatchNorm(channels, track))

    def forward(self, x: Tensor) -> Tensor:
        convolution, norm = self
        assert isinstance(convolution, Convolution)
        assert isinstance(norm, BatchNorm)
        if native.is_batch_last(x) and not norm.track_running_stats:
            return native.normalised_convolution(x, convolution.weight, norm.weight, norm.bias)
        output: Tensor = norm(convolution(x))
        return output


class Head(nn.Module):
    """Batch normalisation, ReLU, global average pool and the linear classifier: B × C × H × W in, B × classes out."""

    def __init__(self, channels: int, classes: int, track: bool = False) -> None:
        super().__init__()
        self.norm = BatchNorm(channels, track)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        norm, linear = self.norm, self.classifier
        if not native.is_batch_last(x):
            logits: Tensor = linear(F.relu(norm(x)).mean((2, 3)))
            return logits
        if norm.track_running_stats:
            return native.classify(norm(x), None, linear.weight, linear.bias)
        return native.classify(x, (norm.weight, norm.bias), linear.weight, linear.bias)


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
