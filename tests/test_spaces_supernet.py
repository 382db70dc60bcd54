import itertools

import oracle
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces import Cell
from spaces.layers import average_pool
from spaces.nasbench201.cell import CONV1, CONV3, EDGES, NONE, NUM_CELLS, OPERATIONS, POOL, SKIP
from spaces.nasbench201.network import CellNetwork, subnetwork
from spaces.nasbench201.supernet import Supernet

pytestmark = pytest.mark.usefixtures("either_layers")

cells = st.integers(0, NUM_CELLS - 1).map(Cell.at)


def small_supernet(seed: int = 0, cells_per_stage: int = 2) -> Supernet:
    return Supernet(4, cells_per_stage, 10, torch.Generator().manual_seed(seed)).double()


def images(count: int = 3, size: int = 8) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def one_hot(cell: Cell) -> torch.Tensor:
    return F.one_hot(torch.tensor(cell.operations), len(OPERATIONS)).double()


@pytest.mark.parametrize("kind", ["soft", "masked", "one-hot"])
def test_supernet_equals_the_definition_in_logits_and_all_gradients(kind):
    supernet = small_supernet()
    generator = torch.Generator().manual_seed(2)
    weights = torch.randn(6, 5, generator=generator, dtype=torch.float64).softmax(1)
    if kind == "masked":
        weights[2, CONV3] = weights[4, SKIP] = 0
    if kind == "one-hot":
        weights = one_hot(Cell((3, 1, 4, 2, 0, 3)))
    weights.requires_grad_()
    labels = torch.tensor([1, 5, 7])

    fast = F.cross_entropy(supernet(images(), weights), labels)
    slow = F.cross_entropy(oracle.logits(supernet, images(), [weights] * 6), labels)
    torch.testing.assert_close(fast, slow, rtol=1e-11, atol=1e-11)

    inputs = [weights, *supernet.parameters()]
    of_fast = torch.autograd.grad(fast, inputs)
    of_slow = torch.autograd.grad(slow, inputs)
    for gradient, expected in zip(of_fast, of_slow, strict=True):
        # `none` is never computed; its gradient is zero either way.
        torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-10)
    assert of_fast[0].abs().sum() > 0


@settings(max_examples=25, deadline=None)
@given(choices=st.lists(cells, min_size=3, max_size=3))
def test_a_single_path_is_the_supernet_with_one_hot_weights(choices):
    supernet = small_supernet(cells_per_stage=1)
    path = supernet.forward_path(images(), choices)
    mixed = oracle.logits(supernet, images(), [one_hot(cell) for cell in choices])
    torch.testing.assert_close(path, mixed, rtol=1e-9, atol=1e-9)


def test_a_single_path_trains_the_weights_it_takes_and_no_others():
    supernet = small_supernet(cells_per_stage=1)
    cell = Cell((CONV3, NONE, SKIP, POOL, CONV1, SKIP))
    supernet.forward_path(images(), [cell] * 3).square().sum().backward()
    for search_cell in supernet.cells:
        for operation, edge in itertools.product((CONV1, CONV3), range(6)):
            node, of = EDGES[edge][0], search_cell.place(edge, operation).parameter
            touched = False
            if of.grad is not None:
                position = [e for e in range(6) if EDGES[e][0] == node].index(edge)
                touched = bool(of.grad.chunk(3 - node)[position].abs().sum() > 0)
            assert touched == (cell.operations[edge] == operation)


@settings(max_examples=25, deadline=None)
@given(cell=cells)
def test_the_discrete_network_is_the_supernet_restricted_to_its_cell(cell):
    supernet = small_supernet(cells_per_stage=1)
    network = subnetwork(supernet, cell).double()
    torch.testing.assert_close(network(images()), supernet.forward_path(images(), [cell] * 3), rtol=1e-5, atol=1e-5)


def test_a_subnetwork_evaluates_with_the_mean_statistics_of_what_it_was_trained_on():
    supernet = Supernet(4, 1, 10, torch.Generator().manual_seed(0))
    network = subnetwork(supernet, Cell((CONV3, SKIP, POOL, CONV1, NONE, SKIP)))
    first, second = torch.randn(2, 8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for batch in (first, second):
            network(batch)
        norm = network.stem[1]
        stems = [network.stem[0](batch) for batch in (first, second)]
        torch.testing.assert_close(norm.running_mean, torch.stack([s.mean((0, 2, 3)) for s in stems]).mean(0))
        alone = network.eval()(first[:1])
        together = network(first)[:1]
    torch.testing.assert_close(alone, together)  # no image's logits depend on the others'


def test_the_benchmarks_network_has_learned_scales_and_the_subnetwork_has_none():
    cell = Cell((CONV3, NONE, NONE, NONE, NONE, NONE))
    trained = CellNetwork(cell, 4, 1, 10, torch.Generator().manual_seed(0))
    supernet = Supernet(4, 1, 10, torch.Generator().manual_seed(0))
    extra = sum(p.numel() for p in trained.parameters()) - sum(
        p.numel() for p in subnetwork(supernet, cell).parameters()
    )
    assert extra == 2 * (4 + 8 + 16)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 4), (7, 5)])
def test_pooling_averages_the_neighbours_inside_the_image(size):
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    expected = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    torch.testing.assert_close(average_pool(x), expected)
    mine, theirs = (torch.autograd.grad(y.square().sum(), x)[0] for y in (average_pool(x), expected))
    torch.testing.assert_close(mine, theirs)


def test_the_same_generator_draws_the_same_supernet():
    first, second, other = small_supernet(3), small_supernet(3), small_supernet(4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_initial_weights_have_pytorchs_default_spread():
    supernet = Supernet(16, 1, 10, torch.Generator().manual_seed(0))
    merged = supernet.cells[0].conv3[0]
    reference = torch.nn.Conv2d(16, 48, 3).weight
    assert merged.abs().max() <= 1 / (16 * 9) ** 0.5
    assert merged.std().item() == pytest.approx(reference.std().item(), rel=0.05)


def test_bfloat16_rounds_feature_maps_and_nothing_else():
    def built(precision):
        supernet = Supernet(4, 1, 10, torch.Generator().manual_seed(0), precision=precision)
        weights = torch.full((6, 5), 0.2, requires_grad=True)
        logits = supernet(images(8).float(), weights)
        return logits, *torch.autograd.grad(logits.square().sum(), [weights, *supernet.parameters()])

    exact, rounded = built("fp32"), built("bf16")
    assert {tensor.dtype for tensor in rounded} == {torch.float32}
    torch.testing.assert_close(rounded[0], exact[0], rtol=0.1, atol=0.05)
    assert not torch.equal(rounded[0], exact[0])


def test_every_search_cell_can_have_weights_of_its_own():
    supernet = small_supernet()
    each = torch.randn(6, 6, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64).softmax(2)
    torch.testing.assert_close(supernet(images(), each), oracle.logits(supernet, images(), list(each)))
