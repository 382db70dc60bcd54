"""RLNAS: random labels, single paths, the angle, evolution."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.angle import angles
from methods.evolution import EvolutionSettings, evolve
from methods.single_path import sample_cell
from spaces import NASBENCH201, Cell
from spaces.nasbench201.cell import CONV1, CONV3, EDGES, NONE, NUM_CELLS, POOL, SKIP
from spaces.nasbench201.supernet import Supernet


def two_supernets() -> tuple[Supernet, Supernet]:
    initial = Supernet(2, 2, 3, torch.Generator().manual_seed(0))
    trained = deepcopy(initial)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return initial, trained


def angle_by_definition(initial: Supernet, trained: Supernet, cell: Cell) -> float:
    """The concatenation itself, path by path and search cell by search cell."""
    paths = ([(0, 3)], [(0, 2), (2, 3)], [(0, 1), (1, 2), (2, 3)], [(0, 1), (1, 3)])
    edges_of_paths = [[EDGES.index(edge) for edge in path] for path in paths]
    alive = [path for path in edges_of_paths if all(cell.operations[edge] != NONE for edge in path)]
    if not alive:
        return 0.0
    vectors = []
    for network in (initial, trained):
        pieces = []
        for name, parameter in network.named_parameters():
            if ".conv1." not in name and ".conv3." not in name:
                pieces.append(parameter.detach().flatten().double())
        for path in alive:
            for search_cell in network.cells:
                for edge in path:
                    operation = cell.operations[edge]
                    if operation == POOL:
                        pieces.append(torch.full((search_cell.channels * 9,), 1 / 9, dtype=torch.float64))
                    elif operation in (CONV1, CONV3):
                        pieces.append(search_cell.convolution(operation, edge).detach().flatten().double())
        vectors.append(torch.cat(pieces))
    first, second = vectors
    return math.acos(float(first @ second / (first.norm() * second.norm())))


ANGLES = angles(NASBENCH201, *two_supernets())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, NUM_CELLS - 1).map(Cell.at))
def test_angles_of_all_cells_agree_with_the_concatenation(cell):
    assert ANGLES[cell.position] == pytest.approx(angle_by_definition(*two_supernets(), cell), abs=1e-9)


def test_angle_of_one_convolution_worked_out_by_hand():
    """All weights of two networks are ones and twos, but for one convolution that turns by a right angle."""
    initial = Supernet(2, 1, 3, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in initial.parameters():
            parameter.fill_(0)
        initial.head.classifier.bias.fill_(1)  # 3 ones
        trained = deepcopy(initial)
        for network, at in ((initial, 0), (trained, 1)):
            network.cells[0].convolution(CONV1, 3).flatten()[at] = 2  # edge 0→3
    cell = Cell((NONE, NONE, NONE, CONV1, NONE, NONE))
    # ⟨V₀, V⟩ = 3, ‖V₀‖² = ‖V‖² = 3 + 4
    assert angles(NASBENCH201, initial, trained)[cell.position] == pytest.approx(math.acos(3 / 7))


def test_an_untrained_supernet_has_angle_zero_everywhere():
    initial, _ = two_supernets()
    assert np.abs(angles(NASBENCH201, initial, initial)).max() < 1e-6


def test_cells_without_a_path_have_angle_zero_and_only_they():
    for cell, angle in zip(Cell.all(), ANGLES, strict=True):
        assert (angle == 0) == (cell.canonical() == ""), cell


def test_angles_do_not_depend_on_what_no_path_takes():
    with_none = Cell((CONV3, NONE, NONE, SKIP, NONE, CONV1))  # only 0→3 is alive
    bare = Cell((NONE, NONE, NONE, SKIP, NONE, NONE))
    assert ANGLES[with_none.position] == pytest.approx(ANGLES[bare.position], abs=1e-12)


def test_sampled_cells_have_no_empty_node_and_are_uniform_otherwise():
    random = np.random.default_rng(0)
    cells = [sample_cell(NASBENCH201, random) for _ in range(6000)]
    for cell in cells:
        by_node = cell.operations[:1], cell.operations[1:3], cell.operations[3:]
        assert all(any(operation != NONE for operation in node) for node in by_node)
    first = np.bincount([cell.operations[0] for cell in cells], minlength=5) / len(cells)
    assert first == pytest.approx([0, 0.25, 0.25, 0.25, 0.25], abs=0.03)
    # Node 2: 24 of 25 pairs are left; `none` on its first edge in 4 of them.
    second = np.bincount([cell.operations[1] for cell in cells], minlength=5) / len(cells)
    assert second == pytest.approx([4 / 24, *[5 / 24] * 4], abs=0.03)


PUBLISHED = EvolutionSettings(
    population=100, parents=30, generations=20, mutations=50, crossovers=50, mutation_probability=0.1
)


def test_evolution_finds_the_best_cell_of_a_separable_score():
    terms = np.random.default_rng(0).random((6, 5))
    scores = np.array([sum(terms[e, op] for e, op in enumerate(cell.operations)) for cell in Cell.all()])
    found = evolve(scores, PUBLISHED, NASBENCH201, np.random.default_rng(1))
    assert scores[found.position] > np.quantile(scores, 0.999)


class Asked(np.ndarray):
    """Scores that remember which of them were asked for."""

    def __getitem__(self, positions):
        self.asked += np.atleast_1d(positions).tolist()
        return np.asarray(self)[positions]


def asked_scores(values) -> Asked:
    scores = np.asarray(values, dtype=float).view(Asked)
    scores.asked = []
    return scores


def test_evolution_scores_at_most_its_budget_and_keeps_the_best_it_saw():
    scores = asked_scores([position % 977 for position in range(NUM_CELLS)])
    found = evolve(scores, PUBLISHED, NASBENCH201, np.random.default_rng(0))
    assert len(set(scores.asked)) <= 20 * 100
    assert found.position % 977 == max(position % 977 for position in scores.asked)


def test_mutation_never_turns_an_edge_to_none():
    """From parents without `none`, no generation but the random first can hold one."""
    scores = asked_scores([-cell.count(NONE) for cell in Cell.all()])
    budget = EvolutionSettings(
        population=200, parents=20, generations=4, mutations=100, crossovers=100, mutation_probability=0.5
    )
    evolve(scores, budget, NASBENCH201, np.random.default_rng(0))
    later = scores.asked[200:]
    assert later
    assert all(Cell.at(position).count(NONE) == 0 for position in later)


def test_evolution_ends_where_every_cell_has_been_seen():
    everything = EvolutionSettings(
        population=8000, parents=10, generations=5, mutations=4000, crossovers=4000, mutation_probability=0.5
    )
    scores = np.random.default_rng(0).random(NUM_CELLS)
    assert evolve(scores, everything, NASBENCH201, np.random.default_rng(0)).position == scores.argmax()


def test_labels_are_random_and_fixed_for_the_run(build, digits):
    search, again, other = build("rlnas", seed=0), build("rlnas", seed=0), build("rlnas", seed=1)
    labels = search.training.train.labels
    assert len(labels) == 60
    assert (labels == digits.labels[:60]).float().mean() < 0.3
    assert torch.equal(labels, again.training.train.labels)
    assert not torch.equal(labels, other.training.train.labels)
    search.epoch()
    assert torch.equal(labels, search.training.train.labels)


def test_angles_grow_with_training(build):
    search = build("rlnas", epochs=6)
    means = []
    for _ in range(4):
        search.epoch()
        means.append(search.angles.mean())
    assert means == sorted(means)


def test_the_exhaustive_ranking_is_never_beaten_by_evolution(build):
    search = build("rlnas")
    search.epoch()
    values = search.angles
    name, best = search.alternative_cell()
    assert name == "exhaustive"
    assert values[best.position] == values.max() >= values[search.cell().position]


def test_where_evolution_found_the_largest_angle_both_rules_name_one_cell(build):
    search = build("rlnas")
    search.epoch()
    best = np.flatnonzero(search.angles == search.angles.max())
    search.chosen = Cell.at(int(best[-1]))
    assert search.alternative_cell() == ("exhaustive", search.chosen)


HAND = {"lr": 0.1, "momentum": 0.5, "nesterov": False, "weight_decay": 0.01}


def one_convolution(training) -> tuple[torch.Tensor, torch.Tensor]:
    """The 3×3 convolution from node 0 to node 3 of the second search cell, and its momentum."""
    cell = training.supernet.cells[1]
    momentum = training.optimiser.state.get(cell.conv3[0], {}).get("momentum_buffer", torch.zeros(3, 1))
    return cell.convolution(CONV3, 3).detach().clone(), momentum.chunk(3)[2].detach().clone()


@pytest.mark.parametrize("decay_undrawn", [False, True])
def test_a_convolution_neither_decays_nor_has_momentum_before_it_is_first_drawn(build, decay_undrawn):
    """SGD by hand, three steps on another path, one that draws the convolution, two again on the other."""
    training = build("rlnas", **HAND, decay_undrawn=decay_undrawn).training
    skips, drawing = Cell((SKIP,) * 6), Cell((SKIP, SKIP, SKIP, CONV3, SKIP, SKIP))
    batch = next(training.train.shuffled(16))
    w, m = one_convolution(training)[0], torch.zeros(())
    for step in range(6):
        path = [skips, drawing if step == 3 else skips, skips]
        loss = torch.nn.functional.cross_entropy(training.supernet.forward_path(batch[0], path), batch[1])
        (gradient,) = torch.autograd.grad(loss, [training.supernet.cells[1].conv3[0]], materialize_grads=True)
        training.path_step(batch, path)
        if step >= 3 or decay_undrawn:
            m = 0.5 * m + gradient.chunk(3)[2] + 0.01 * w
            w = w - 0.1 * m
            torch.testing.assert_close(one_convolution(training), (w, m), rtol=1e-5, atol=1e-7)
        else:
            assert torch.equal(one_convolution(training)[0], w)
            assert not one_convolution(training)[1].any()
        assert (gradient.chunk(3)[2] != 0).any() == (step == 3)


def test_a_convolution_that_leads_nowhere_counts_as_drawn(build):
    """From node 0 to node 1, which nothing follows: the program computes it, and its gradient of zeros exists."""
    training = build("rlnas", **HAND).training
    before = training.supernet.cells[0].convolution(CONV1, 0).detach().clone()
    dead = Cell((CONV1, SKIP, NONE, SKIP, NONE, SKIP))
    training.path_step(next(training.train.shuffled(16)), [dead] * 3)
    decayed = training.supernet.cells[0].convolution(CONV1, 0).detach()
    torch.testing.assert_close(decayed, before * (1 - 0.1 * 0.01), rtol=1e-6, atol=0)


def test_what_was_drawn_goes_on_from_a_state(build):
    first, second = build("rlnas").training, build("rlnas").training
    first.epoch()
    assert not first.drawn.all
    assert first.drawn.drawn.sum() > second.drawn.drawn.sum()
    second.load(deepcopy(first.state()))
    assert np.array_equal(first.drawn.drawn, second.drawn.drawn)
    first.epoch()
    assert not np.array_equal(first.drawn.drawn, second.drawn.drawn)  # a copy


def test_in_the_end_everything_has_been_drawn(build):
    training = build("rlnas", batch_size=2).training
    for _ in range(3):
        training.epoch()
    assert training.drawn.all
