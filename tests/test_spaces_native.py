import itertools
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from spaces import EDGES, NUM_CELLS, Cell, layers, native
from spaces.supernet import Mixture, SearchCell, Supernet


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
    expected_gradients = torch.autograd.grad(expected, [one, *parameters], gradient)
    found_gradients = torch.autograd.grad(found, [other, *parameters], gradient)
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
    everything = ((False, True, True, True, True),) * 6
    assert native._needed(everything) == everything
    only = [[False] * 5 for _ in EDGES]
    only[0][3] = only[1][2] = only[5][1] = True  # 0→1 leads nowhere, 0→2→3 does
    assert [[o for o in range(5) if edge[o]] for edge in native._needed(tuple(map(tuple, only)))] == [
        [],
        [2],
        [],
        [],
        [],
        [1],
    ]


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
        "import torch; from spaces import native; from spaces.supernet import Supernet; "
        "net = Supernet(4, 1, 10, torch.Generator().manual_seed(0)); "
        "logits = net(torch.ones(4, 3, 8, 8), torch.full((6, 5), 0.2)); "
        "print(native.why_unavailable(), logits.isfinite().all().item())"
    )
    environment = {"CXX": compiler, "XDG_CACHE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert said in done.stdout
    assert done.stdout.endswith("True\n")
    assert not list(tmp_path.rglob("*.so"))
