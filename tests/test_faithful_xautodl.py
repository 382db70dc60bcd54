"""Our networks and DARTS's steps against an independent reference, the authors' own package `xautodl` 1.0.0.

The same weights are copied into both and both get the same batch, in float64 and with batch statistics. The reference
is driven only through its own networks' `forward`.

The reference gives the search cells' convolutions a bias, which the program of the papers' time did not. The batch
normalisation behind it takes it out again; the tests run with the bias at zero and as the reference draws it.
"""

import itertools
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from benchmark.settings import read_preset, table_of
from spaces import Cell
from spaces.nasbench201.cell import CONV1, CONV3, EDGES, NUM_CELLS, OPERATIONS
from spaces.nasbench201.cost import macs, parameters
from spaces.nasbench201.network import CellNetwork
from spaces.nasbench201.supernet import LEAVING, SearchCell, Supernet

pytest.importorskip("xautodl", reason="the reference is not installed: pip install --no-deps xautodl==1.0.0")

from xautodl.models.cell_infers import TinyNetwork
from xautodl.models.cell_searchs import CellStructure, TinyNetworkDarts, TinyNetworkSETN
from xautodl.models.cell_searchs.search_cells import NAS201SearchCell
from xautodl.utils.flop_benchmark import get_model_infos

pytestmark = pytest.mark.usefixtures("either_layers")

CHANNELS, CELLS_PER_STAGE, CLASSES = 4, 2, 10

both_biases = pytest.mark.parametrize("bias", [False, True], ids=["without bias", "with bias"])


def agree(mine: Tensor, theirs: Tensor) -> None:
    assert mine.dtype == theirs.dtype == torch.float64
    assert_close(mine, theirs, rtol=1e-9, atol=1e-9)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(seed: int, count: int = 6, size: int = 8) -> tuple[Tensor, Tensor]:
    images = torch.randn(count, 3, size, size, generator=generator(seed), dtype=torch.float64)
    return images, torch.randint(CLASSES, (count,), generator=generator(seed + 1))


def random_cells(count: int, seed: int) -> list[Cell]:
    return [Cell.at(position) for position in np.random.default_rng(seed).integers(NUM_CELLS, size=count).tolist()]


def structure(cell: Cell) -> CellStructure:
    return CellStructure.str2structure(str(cell))


def with_random_vectors(network: nn.Module, seed: int) -> nn.Module:
    """The network in float64, its scales, shifts and biases random, so that one in the wrong place is noticed."""
    with torch.no_grad():
        for parameter in network.double().parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn(parameter.shape, generator=generator(seed), dtype=torch.float64) / 2)
    return network


def in_their_order(supernet: Supernet, of=lambda parameter: parameter) -> list[Tensor]:
    """`of(parameter)`, e.g. its gradient, of every weight, split and ordered as the reference's `weights_of`."""
    tensors = list(map(of, supernet.stem.parameters()))
    for layer in supernet.body:
        if not isinstance(layer, SearchCell):
            tensors += map(of, layer.parameters())
            continue
        for (edge, (source, _)), operation in itertools.product(enumerate(EDGES), (CONV1, CONV3)):
            edges = LEAVING[source]
            tensors.append(of(layer.place(edge, operation).parameter).chunk(len(edges))[edges.index(edge)])
    return tensors + list(map(of, supernet.head.parameters()))


def search_biases(reference: nn.Module) -> list[nn.Parameter]:
    """The biases of the search cells' convolutions, which our networks have not."""
    cells = [cell for cell in reference.cells if isinstance(cell, NAS201SearchCell)]
    return [p for cell in cells for name, p in cell.named_parameters() if name.endswith("op.1.bias")]


def weights_of(reference: nn.Module) -> list[nn.Parameter]:
    left_out = set(map(id, search_biases(reference)))
    return [p for p in reference.get_weights() if id(p) not in left_out]


def gradient_of(parameter: Tensor) -> Tensor:
    """Its gradient; zero where the output does not depend on it, of which only some implementations keep a tensor."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def copy(mine: list[Tensor], theirs: list[Tensor]) -> None:
    with torch.no_grad():
        for source, target in zip(mine, theirs, strict=True):
            assert source.shape == target.shape
            target.copy_(source)


def reference_of(supernet: Supernet, kind: type[nn.Module], cells_per_stage: int, bias: bool, seed: int = 0):
    """The reference's search network with the supernet's weights; its α are its own."""
    torch.manual_seed(seed)
    reference = kind(
        supernet.head.classifier.in_features // 4, cells_per_stage, 4, CLASSES, list(OPERATIONS), False, True
    ).double()
    biases = search_biases(reference)
    assert len(biases) == 12 * len(supernet.cells)  # two convolutions on each of the 6 edges
    for parameter in biases:
        assert parameter.abs().max() > 0.01
        if not bias:
            nn.init.zeros_(parameter)
    copy(in_their_order(supernet), weights_of(reference))
    return reference.train()


def supernet(seed: int) -> Supernet:
    return with_random_vectors(Supernet(CHANNELS, CELLS_PER_STAGE, CLASSES, generator(seed)), seed)


@both_biases
@pytest.mark.parametrize(("seed", "spread"), [(0, 1e-3), (1, 1.0), (2, 3.0), (3, 10.0)])
def test_the_soft_supernet_its_weights_gradients_and_alphas(seed, spread, bias):
    mine = supernet(seed)
    reference = reference_of(mine, TinyNetworkDarts, CELLS_PER_STAGE, bias)
    alpha = spread * torch.randn(6, 5, generator=generator(seed + 10), dtype=torch.float64)
    alpha.requires_grad_()
    copy([alpha], reference.get_alphas())
    images, labels = batch(seed)

    my_logits, (_, their_logits) = mine(images, alpha.softmax(1)), reference(images)
    agree(my_logits, their_logits)
    F.cross_entropy(my_logits, labels).backward()
    F.cross_entropy(their_logits, labels).backward()
    agree(alpha.grad, reference.arch_parameters.grad)
    for gradient, parameter in zip(in_their_order(mine, lambda p: p.grad), weights_of(reference), strict=True):
        agree(gradient, parameter.grad)
    assert alpha.grad.abs().max() > 1e-6
    for parameter in search_biases(reference):
        assert parameter.grad.abs().max() < 1e-12


@both_biases
@pytest.mark.parametrize("seed", range(6))
def test_a_single_path_with_a_choice_of_its_own_in_every_cell(seed, bias):
    """The reference draws the paths by itself; which operations it took is seen from outside."""
    mine = supernet(seed)
    reference = reference_of(mine, TinyNetworkSETN, CELLS_PER_STAGE, bias)
    reference.set_cal_mode("urs")
    taken = []
    for cell in reference.cells:
        if isinstance(cell, NAS201SearchCell):
            taken.append(chosen := {})
            for edge, key in enumerate(cell.edge_keys):
                for number, operation in enumerate(cell.edges[key]):
                    note = {edge: number}
                    operation.register_forward_hook(lambda *_, chosen=chosen, note=note: chosen.update(note))
    images, labels = batch(seed)

    random.seed(seed)  # the reference draws from Python's own generator
    _, their_logits = reference(images)
    path = [Cell(tuple(chosen[edge] for edge in range(6))) for chosen in taken]
    assert len(set(path)) > 1
    my_logits = mine.forward_path(images, path)
    agree(my_logits, their_logits)
    gradients_agree(mine, reference, my_logits, their_logits, labels)


@pytest.mark.parametrize("cell", [*random_cells(8, seed=0), Cell((0,) * 6), Cell((3,) * 6), Cell((0, 0, 3, 0, 0, 2))])
def test_a_single_path_of_one_cell_even_where_a_node_gets_nothing(cell):
    mine = supernet(0)
    reference = reference_of(mine, TinyNetworkSETN, CELLS_PER_STAGE, bias=True)
    reference.set_cal_mode("dynamic", structure(cell))
    images, labels = batch(0)
    my_logits, (_, their_logits) = mine.forward_path(images, [cell] * len(mine.cells)), reference(images)
    agree(my_logits, their_logits)
    gradients_agree(mine, reference, my_logits, their_logits, labels)


def gradients_agree(mine: Supernet, reference: nn.Module, my_logits: Tensor, their_logits: Tensor, labels: Tensor):
    F.cross_entropy(my_logits, labels).backward()
    F.cross_entropy(their_logits, labels).backward()
    for gradient, parameter in zip(in_their_order(mine, gradient_of), weights_of(reference), strict=True):
        agree(gradient, gradient_of(parameter))


@pytest.mark.parametrize("cell", [*random_cells(10, seed=1), Cell((3,) * 6), Cell((0, 2, 3, 0, 1, 3))])
def test_the_discrete_network_and_its_gradients(cell):
    mine = with_random_vectors(CellNetwork(cell, CHANNELS, CELLS_PER_STAGE, CLASSES, generator(0)), 0)
    reference = TinyNetwork(CHANNELS, CELLS_PER_STAGE, structure(cell), CLASSES).double().train()
    copy(list(mine.parameters()), list(reference.parameters()))
    images, labels = batch(2)
    my_logits, (_, their_logits) = mine(images), reference(images)
    agree(my_logits, their_logits)
    F.cross_entropy(my_logits, labels).backward()
    F.cross_entropy(their_logits, labels).backward()
    for parameter, theirs in zip(mine.parameters(), reference.parameters(), strict=True):
        agree(gradient_of(parameter), gradient_of(theirs))


@pytest.mark.parametrize(("channels", "cells_per_stage", "resolution"), [(16, 5, 32), (4, 1, 8)])
def test_the_cost_of_a_cell_as_the_reference_counts_it(channels, cells_per_stage, resolution):
    for cell in [*random_cells(4, seed=2), Cell((1,) * 6), Cell((3,) * 6), Cell((4,) * 6)]:
        reference = TinyNetwork(channels, cells_per_stage, structure(cell), CLASSES)
        mega, mega_parameters = get_model_infos(reference, (1, 3, resolution, resolution))
        assert macs(cell, channels, cells_per_stage, CLASSES, resolution) == round(mega * 1e6)
        assert parameters(cell, channels, cells_per_stage, CLASSES) == round(float(mega_parameters) * 1e6)


class Given:
    """Stands in for a half of the images and gives out these batches."""

    def __init__(self, batches: list[tuple[Tensor, Tensor]], batch_size: int) -> None:
        self.batches = batches
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self.batches) * self.batch_size

    def shuffled(self, size: int):
        return iter(self.batches)

    def drawn(self, size: int, batches: int):
        return iter(self.batches)


class Reference:
    """The reference's supernet and the optimisers of DARTS-V1.py, with a DARTS search of ours as it starts.

    Ours has the paper's settings but for `changes`.
    """

    def __init__(self, build, bias: bool, **changes) -> None:
        self.search = search = build("darts", **table_of(read_preset("paper"), "darts") | changes)
        with_random_vectors(search.supernet, 0)
        search.alpha.data = search.alpha.data.double()
        self.train, self.valid = ([batch(seed + 2 * step) for step in range(3)] for seed in (0, 100))
        search.train, search.valid = (
            Given(batches, search.settings.batch_size) for batches in (self.train, self.valid)
        )

        self.network = reference_of(search.supernet, TinyNetworkDarts, 1, bias)
        copy([search.alpha], self.network.get_alphas())
        self.weight_optimiser = torch.optim.SGD(
            self.network.get_weights(), 0.025, momentum=0.9, weight_decay=5e-4, nesterov=search.settings.nesterov
        )
        self.alpha_optimiser = torch.optim.Adam(self.network.get_alphas(), 3e-4, betas=(0.5, 0.999), weight_decay=1e-3)

    def backward(self, images: Tensor, labels: Tensor) -> None:
        _, logits = self.network(images)
        F.cross_entropy(logits, labels).backward()

    def epoch(self, clip: float, clip_counts: str) -> None:
        """Three steps of DARTS-V1.py, which clips by the norm of the gradients of all parameters.

        That counts what α's gradient holds by then: the validation gradient of the step before and the training
        gradient of this one ("leftovers"). Instead it can count only the training gradient ("alpha") or no α at all
        ("weights").
        """
        weights = self.network.get_weights()
        clipped = weights if clip_counts == "weights" else list(self.network.parameters())
        for train, valid in zip(self.train, self.valid, strict=True):
            self.weight_optimiser.zero_grad()
            if clip_counts == "alpha":
                self.alpha_optimiser.zero_grad()
            self.backward(*train)
            of_weights = nn.utils.get_total_norm([p.grad for p in weights]).item()
            norm = nn.utils.clip_grad_norm_(clipped, clip).item()
            assert (norm > clip) == (of_weights > clip) == (clip == 5)
            assert 1 <= norm / of_weights < 1.005
            self.weight_optimiser.step()
            self.alpha_optimiser.zero_grad()
            self.backward(*valid)
            self.alpha_optimiser.step()


@both_biases
@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize(("clip", "clip_counts"), [(5.0, "weights"), (5.0, "alpha"), (100.0, "leftovers")])
def test_three_steps_of_darts(build, clip, clip_counts, nesterov, bias):
    """Where DARTS-V1.py's clip does not act, the steps are the program's own.

    Where it acts, what the program counts of α changes the norm by less than 0.5 % here; we count either no α, or the
    gradient of the training loss alone.
    """
    reference = Reference(build, bias, clip=clip, clip_counts_alpha=clip_counts == "alpha", nesterov=nesterov)
    search, network = reference.search, reference.network
    search.epoch()
    reference.epoch(clip, clip_counts)

    for mine, theirs in zip(in_their_order(search.supernet), weights_of(network), strict=True):
        agree(mine, theirs)
    my_momentum = in_their_order(search.supernet, lambda p: search.weight_optimiser.state[p]["momentum_buffer"])
    for mine, theirs in zip(my_momentum, weights_of(network), strict=True):
        agree(mine, reference.weight_optimiser.state[theirs]["momentum_buffer"])
    agree(search.alpha, network.arch_parameters)
    for moment in ("exp_avg", "exp_avg_sq"):
        theirs = reference.alpha_optimiser.state[network.arch_parameters][moment]
        agree(search.alpha_optimiser.state[search.alpha][moment], theirs)
