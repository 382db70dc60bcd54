import copy
import itertools
import subprocess
import sys
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from spaces import Cell, layers, native
from spaces.nasbench201 import compiled_cell
from spaces.nasbench201.cell import NUM_CELLS
from spaces.nasbench201.network import CellNetwork
from spaces.nasbench201.partial import PartialSearchCell
from spaces.nasbench201.supernet import Mixture, SearchCell, Supernet, add_scaled


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def in_both_layouts(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    laid_out = native.batch_last(images)
    assert native.is_batch_last(laid_out)
    assert not native.is_batch_last(images)
    return images.requires_grad_(), laid_out.requires_grad_()


def agree(function, images: torch.Tensor, *parameters: torch.Tensor) -> None:
    """The function's values and gradients are the same in both layouts, and it keeps the layout."""
    one, other = in_both_layouts(images)
    expected, found = function(one, *parameters), function(other, *parameters)
    assert native.is_batch_last(found)
    assert_close(found, expected, rtol=1e-12, atol=1e-12)
    gradient = randn(*expected.shape, seed=9)
    expected_gradients = torch.autograd.grad(expected, [one, *parameters], gradient, materialize_grads=True)
    found_gradients = torch.autograd.grad(found, [other, *parameters], gradient, materialize_grads=True)
    for mine, theirs in zip(found_gradients, expected_gradients, strict=True):
        assert_close(mine, theirs, rtol=1e-11, atol=1e-11)


# A batch is worked through in stretches of four vectors, of one, and of one image; each of these has others of them.
batches = pytest.mark.parametrize("batch", [2, 5, 8, 35, 64])


@batches
@pytest.mark.parametrize(("kernel", "stride"), list(itertools.product((1, 3), (1, 2))))
def test_convolution(batch, kernel, stride):
    weight = randn(7, 5, kernel, kernel, seed=1).requires_grad_()
    agree(lambda x, weight: layers.convolve(x, weight, stride), randn(batch, 5, 6, 8), weight)


@batches
@pytest.mark.parametrize("function", [layers.average_pool, layers.halve, layers.normalise])
def test_layers_without_weights(batch, function):
    agree(function, randn(batch, 3, 6, 4))


def test_normalisation_with_scale_and_shift():
    norm = layers.BatchNorm(3).double()
    with torch.no_grad():
        norm.weight.copy_(randn(3, seed=1))
        norm.bias.copy_(randn(3, seed=2))
    agree(lambda x, *_: norm(x), randn(9, 3, 4, 4), norm.weight, norm.bias)


def test_a_tensor_of_another_type_keeps_its_layout():
    assert not native.is_batch_last(native.batch_last(torch.zeros(4, 3, 8, 8, dtype=torch.bfloat16)))


def search_cell(channels: int) -> SearchCell:
    cell = SearchCell(channels).double()
    for seed, parameter in enumerate(cell.parameters()):
        with torch.no_grad():
            parameter.copy_(randn(*parameter.shape, seed=seed) / 3)
    return cell


@batches
@pytest.mark.parametrize("channels", [3, 8])
def test_search_cell(batch, channels):
    cell = search_cell(channels)
    weights = randn(6, 5, seed=7).softmax(1).requires_grad_()
    agree(lambda x, weights, *_: cell(x, Mixture(weights, channels)), randn(batch, channels, 4, 6), weights)
    agree(lambda x, *_: cell(x, Mixture(weights.detach(), channels)), randn(batch, channels, 4, 6), *cell.parameters())


@pytest.mark.parametrize("position", range(0, NUM_CELLS, 97))
def test_what_leads_nowhere_is_not_computed_and_changes_nothing(position):
    cell, network = Cell.at(position), search_cell(4)
    one, other = in_both_layouts(randn(5, 4, 4, 4))
    expected, found = network.forward_path(one, cell), network.forward_path(other, cell)
    assert_close(found, expected, rtol=1e-12, atol=1e-12)
    if not expected.requires_grad:
        return
    for mine, theirs in zip(
        torch.autograd.grad(found.square().sum(), [other, *network.parameters()], materialize_grads=True),
        torch.autograd.grad(
            expected.square().sum(), [one, *network.parameters()], allow_unused=True, materialize_grads=True
        ),
        strict=True,
    ):
        assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


def test_needed_operations_lie_on_a_way_from_input_to_output():
    assert compiled_cell._needed(compiled_cell.ALL_OPERATIONS) == compiled_cell.ALL_OPERATIONS
    way = 1 << 5 * 1 + 2 | 1 << 5 * 5 + 1  # 0→2→3
    dead_end = 1 << 5 * 0 + 3  # 0→1 leads nowhere, and `none` is not computed
    assert compiled_cell._needed(way | dead_end | 1 << 5 * 3) == way


def steps(threads: int) -> list[torch.Tensor]:
    """Logits and gradients in float32 with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        supernet = Supernet(8, 1, 10, torch.Generator().manual_seed(0))
        weights = randn(6, 5).float().softmax(1).requires_grad_()
        logits = supernet(randn(20, 3, 12, 12).float(), weights)
        return [logits, *torch.autograd.grad(F.cross_entropy(logits, torch.arange(20) % 10), supernet.parameters())]
    finally:
        torch.set_num_threads(before)


def test_results_do_not_depend_on_the_number_of_threads():
    alone, together = steps(1), steps(4)
    assert all(map(torch.equal, alone, together))


def test_gradients_of_gradients_are_refused():
    x = native.batch_last(randn(2, 3, 4, 4)).requires_grad_()
    (gradient,) = torch.autograd.grad(layers.average_pool(x).square().sum(), [x], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize(
    ("compiler", "said"),
    [("no-such-compiler", "no-such-compiler is not installed"), ("false", "could not be compiled with false")],
)
def test_without_a_compiler_the_same_network_runs_on_pytorchs_layers(tmp_path, compiler, said):
    script = (
        "import torch; from spaces import native; from spaces.nasbench201.supernet import Supernet; "
        "net = Supernet(4, 1, 10, torch.Generator().manual_seed(0)); "
        "logits = net(torch.ones(4, 3, 8, 8), torch.full((6, 5), 0.2)); "
        "print(native.why_unavailable(), logits.isfinite().all().item())"
    )
    environment = {"CXX": compiler, "XDG_CACHE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert said in done.stdout
    assert done.stdout.endswith("True\n")
    assert not list(tmp_path.rglob("*.so"))


@pytest.mark.parametrize("batch", [3, 16, 21])
@pytest.mark.parametrize("size", [(6, 4), (8, 4)], ids=["directly", "by tiles"])
def test_residual_block(batch, size):
    block = layers.ReductionBlock(3).double()
    for seed, parameter in enumerate(block.parameters()):
        with torch.no_grad():
            parameter.copy_(randn(*parameter.shape, seed=seed) / 3 + 0.1)
    agree(lambda x, *_: block(x), randn(batch, 3, *size), *block.parameters())


def test_a_block_of_which_only_some_weights_are_wanted():
    block = layers.ReductionBlock(3).double()
    for parameter in (block.conv_a.weight, block.shortcut.weight, block.norm_b.bias):
        parameter.requires_grad_(False)
    wanted = [parameter for parameter in block.parameters() if parameter.requires_grad]
    agree(lambda x, *_: block(x), randn(5, 3, 4, 4), *wanted)


@pytest.mark.parametrize("batch", [3, 16, 21])
def test_classifier(batch):
    head = layers.Head(5, 7).double()
    images, laid_out = in_both_layouts(randn(batch, 5, 3, 4))
    expected, found = head(images), head(laid_out)
    assert_close(found, expected, rtol=1e-12, atol=1e-12)
    gradient = randn(*expected.shape, seed=9)
    parameters = list(head.parameters())
    for mine, theirs in zip(
        torch.autograd.grad(found, [laid_out, *parameters], gradient),
        torch.autograd.grad(expected, [images, *parameters], gradient),
        strict=True,
    ):
        assert_close(mine, theirs, rtol=1e-11, atol=1e-11)


def test_weighted_sum():
    factors = randn(3, seed=3).requires_grad_()
    other = randn(9, 4, 5, 5, seed=4)

    def function(x, factors):
        total, laid_out = x * x, other if not native.is_batch_last(x) else native.batch_last(other)
        total = add_scaled(total, factors[:2].unbind(), (x, laid_out), x)
        return total + add_scaled(factors[2], factors[:1].unbind(), (x,), x) + add_scaled(factors[1], (), (), x)

    agree(function, randn(9, 4, 5, 5), factors)


def test_the_network_of_a_cell_agrees_in_training_and_in_evaluation():
    cell = Cell.parse("|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|none~2|")
    network = CellNetwork(cell, 4, 1, 10, torch.Generator().manual_seed(0)).double()
    with mock.patch.object(native, "batch_last", lambda images: images):
        twin = copy.deepcopy(network)
        for seed in range(3):
            expected = twin(randn(9, 3, 8, 8, seed=seed))
        in_evaluation = twin.eval()(randn(9, 3, 8, 8))
    for seed in range(3):
        found = network(randn(9, 3, 8, 8, seed=seed))
    assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for (name, mine), theirs in zip(network.state_dict().items(), twin.state_dict().values(), strict=True):
        assert_close(mine, theirs, rtol=1e-11, atol=1e-11, msg=name)
    assert_close(network.eval()(randn(9, 3, 8, 8)), in_evaluation, rtol=1e-10, atol=1e-10)


def test_part_of_the_channels_keeps_its_layout_and_agrees():
    cell = PartialSearchCell(8, 4).double()
    for seed, parameter in enumerate(cell.parameters()):
        with torch.no_grad():
            parameter.copy_(randn(*parameter.shape, seed=seed) / 3)
    weights = randn(6, 6, seed=7).softmax(1).requires_grad_()
    agree(lambda x, weights, *_: cell(x, Mixture(weights, 2)), randn(9, 8, 4, 6), weights, *cell.parameters())


@pytest.mark.parametrize("position", [0, 1, 7777, 12345, 15624])
def test_a_sampled_cell_agrees(position):
    cell, network = Cell.at(position), search_cell(4)
    chosen, others = randn(6, seed=1).requires_grad_(), randn(6, seed=2).requires_grad_()
    agree(
        lambda x, chosen, others: x + network.forward_sampled(x, cell, chosen.unbind(), others.unbind()),
        randn(5, 4, 4, 4),
        chosen,
        others,
    )
