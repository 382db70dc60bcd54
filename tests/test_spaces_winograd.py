"""How exact 3×3 convolutions by Winograd's tiles are in float32, and that every size gives what PyTorch gives."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from spaces import layers, native
from spaces.nasbench201.cell import CONV3, EDGES
from spaces.nasbench201.compiled_cell import search_cell
from spaces.nasbench201.supernet import Mixture, SearchCell

pytestmark = pytest.mark.skipif(native.why_unavailable() is not None, reason="the compiled layers cannot be had here")


def normalised_convolution(x: Tensor, weight: Tensor) -> Tensor:
    return F.batch_norm(F.conv2d(x.relu(), weight, padding=1), None, None, training=True)


def the_same_by_tiles(x: Tensor, weight: Tensor) -> Tensor:
    """Of a search cell only the 3×3 convolution from the input to the output, the third of those that leave node 0."""
    channels = len(weight)
    only = torch.zeros(6, 5)
    only[EDGES.index((0, 3)), CONV3] = 1
    three = [
        torch.cat([torch.zeros_like(weight)] * 2 + [weight]),
        *(weight.new_zeros(n * channels, channels, 3, 3) for n in (2, 1)),
    ]
    one = [weight.new_zeros(n * channels, channels, 1, 1) for n in (3, 2, 1)]
    return search_cell(native.batch_last(x), only, one, three, tuple(range(5)))


def values(function, x: Tensor, weight: Tensor, gradient: Tensor) -> list[Tensor]:
    """Output, and the gradients of input and weights, in float64."""
    x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
    y = function(x, weight)
    return [t.double() for t in (y.detach(), *torch.autograd.grad(y, (x, weight), gradient))]


@pytest.mark.parametrize(("channels", "size"), [(16, 32), (32, 16), (64, 8), (8, 12)])
def test_tiles_err_at_most_twice_as_much_as_pytorch(channels, size):
    generator = torch.Generator().manual_seed(channels)
    x = torch.randn(32, channels, size, size, generator=generator)
    weight = torch.randn(channels, channels, 3, 3, generator=generator) / (3 * channels**0.5)
    gradient = torch.randn(x.shape, generator=generator)
    exact = values(normalised_convolution, x.double(), weight.double(), gradient.double())
    pytorch = values(normalised_convolution, x, weight, gradient)
    tiles = values(the_same_by_tiles, x, weight, gradient)
    for what, truth, theirs, ours in zip(("output", "input", "weights"), exact, pytorch, tiles, strict=True):
        error, allowed = (ours - truth).norm() / truth.norm(), 2 * (theirs - truth).norm() / truth.norm()
        assert error <= allowed, f"{what}: {error:.1e}, where PyTorch's twice is {allowed:.1e}"


sizes = st.integers(1, 9)


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, sizes, sizes, st.integers(1, 40), st.sampled_from((1, 3)), st.sampled_from((1, 2)))
def test_convolutions_of_any_size(inputs, outputs, height, width, batch, kernel, stride):
    generator = torch.Generator().manual_seed(batch)
    x = torch.randn(batch, inputs, height, width, generator=generator, dtype=torch.float64)
    weight = torch.randn(outputs, inputs, kernel, kernel, generator=generator, dtype=torch.float64)

    def gradients(x: Tensor) -> list[Tensor]:
        x, w = x.requires_grad_(), weight.clone().requires_grad_()
        y = layers.convolve(x, w, stride)
        return [y.detach(), *torch.autograd.grad(y.square().sum(), (x, w))]

    # With one image, or one pixel of one channel, both layouts are the same memory.
    for found, expected in zip(gradients(native.batch_last(x)), gradients(x.clone()), strict=True):
        assert_close(found, expected, rtol=1e-11, atol=1e-11)


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, sizes, st.integers(2, 40))
def test_search_cells_of_any_size(channels, height, width, batch):
    generator = torch.Generator().manual_seed(batch)
    cell = SearchCell(channels).double()
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter.data, std=0.3, generator=generator)
    x = torch.randn(batch, channels, height, width, generator=generator, dtype=torch.float64)
    weights = torch.rand(6, 5, generator=generator, dtype=torch.float64) + 0.1

    def gradients(x: Tensor) -> list[Tensor]:
        x, alpha = x.requires_grad_(), weights.clone().requires_grad_()
        y = cell(x, Mixture(alpha, channels))
        return [y.detach(), *torch.autograd.grad(y.square().sum(), (x, alpha, *cell.parameters()))]

    # A map of two or three numbers has hardly any variance, and what is divided by it is as inexact.
    close = 1e-9 if batch * height * width > 16 else 1e-6
    for found, expected in zip(gradients(native.batch_last(x)), gradients(x.clone()), strict=True):
        assert_close(found, expected, rtol=close, atol=close * max(1.0, float(expected.abs().max())))
