"""Searches on the table: their budgets, and REINFORCE, BOHB and local search by hand."""

import dataclasses
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import SettingsError
from benchmark.plan import plan
from benchmark.settings import override, read_preset
from data.columns import Floats
from data.truth import TruthTable, open_truth
from methods import registry
from methods.bohb import BOHB, BOHBSettings, Density, best, fitted, rungs
from methods.local_search import neighbours
from methods.reinforce import log_probability
from methods.search import categorical
from spaces import NASBENCH201, Cell
from spaces.nasbench201.cell import NUM_CELLS, OPERATIONS

ON_TABLE = ("random-search", "evolution", "reinforce", "bohb", "local-search")


@pytest.fixture(scope="session")
def nasbench201():
    return open_truth(None, Path())


@pytest.fixture
def asking(problem, nasbench201):
    """`asking("bohb", seed=0, seconds=500.0)`: a search on NAS-Bench-201 by the published settings, at its start."""

    def asking(method, seed=0, truth=nasbench201, **settings):
        kind = registry.load(method)
        return kind(dataclasses.replace(problem, truth=truth), kind.Settings(**settings), seed)

    return asking


def run(search):
    for _ in range(search.epochs):
        search.epoch()
    return search


@pytest.mark.parametrize("method", ON_TABLE)
def test_a_search_ends_with_the_last_cell_that_its_seconds_pay_for(asking, nasbench201, method):
    seconds = nasbench201.columns["train_seconds_cifar10-valid_200"].array() * 12 / 200
    short, long = (
        run(asking(method, budget="off", seconds=limit, trained_epochs=12)).asked for limit in (4000.0, 5000.0)
    )
    assert long[: len(short)] == short
    spent = [seconds[position] for position in long]
    assert sum(spent[: len(short)]) <= 4000 < sum(spent[: len(short) + 1])


def test_what_is_asked_for_is_the_accuracy_after_so_many_epochs(asking, nasbench201):
    for epochs in (12, 200):
        search = asking("reinforce", trained_epochs=epochs, seconds=1500.0)
        told = [search.epoch()["asked_accuracy"] for _ in range(search.epochs)]
        column = nasbench201.columns[f"cifar10_valid_{epochs}"].array()
        assert told == [column[position] for position in search.asked]
        assert search.asks == "cifar10_valid"
        assert column[search.cell().position] == max(told)


def test_a_cell_that_alone_is_too_dear_is_still_asked_for(asking):
    assert asking("reinforce", seconds=1e-3).epochs == 1


def test_without_seconds_or_short_trainings_a_table_answers_as_it_can(asking, truth):
    search = run(asking("local-search", truth=truth, seconds=1200.0))
    assert search.epochs == 10
    assert search.asks == "cifar10_test"
    assert [search.truth_of(p) for p in search.asked] == [truth.accuracies["cifar10_test"][p] for p in search.asked]


def test_a_table_with_gaps_counts_as_one_without(asking, truth):
    values = truth.accuracies["cifar10_test"]
    gaps = np.where(np.arange(NUM_CELLS) == 7, np.nan, values - 1)
    columns = {"cifar10_valid_12": Floats(gaps), "train_seconds_cifar10-valid_200": Floats(gaps)}
    table = TruthTable("gaps", "", None, {"cifar10_valid": Floats(values)}, columns)
    search = asking("reinforce", truth=table)
    assert np.array_equal(search.accuracies, values)
    assert search.costs[7] == 120
    assert search.costs[8] == gaps[8] * 12 / 200


def test_a_search_without_an_end_is_refused():
    with pytest.raises(SettingsError, match="set budget \\(cells\\), seconds, or both"):
        plan(override(read_preset("smoke"), ["reinforce.seconds=off"]), ["reinforce"], [0])


@pytest.mark.parametrize(
    ("method", "published", "deviation"),
    [("reinforce", 93.85, 0.37), ("random-search", 93.70, 0.36)],
)
def test_the_published_protocol_comes_to_the_published_accuracy(asking, nasbench201, method, published, deviation):
    """NAS-Bench-201, Table 5, of 500 runs; of 60 here the mean is within 3 standard errors and what rounding adds."""
    settings = {"budget": "off", "seconds": 12_000.0, "trained_epochs": 12}
    searches = [run(asking(method, seed, **settings)) for seed in range(60)]
    mean = np.mean([nasbench201.query(search.cell())["cifar10_test"] for search in searches])
    assert abs(mean - published) < 3 * deviation / math.sqrt(60) + 0.01


# REINFORCE


def test_the_gradient_of_the_log_probability_is_that_of_finite_differences():
    random = np.random.default_rng(0)
    alpha = torch.from_numpy(random.standard_normal((6, 5))).requires_grad_()
    cell = Cell((4, 0, 3, 1, 1, 2))
    (gradient,) = torch.autograd.grad(log_probability(alpha, torch.tensor(cell.operations)), [alpha])

    def log_p(values):
        return sum(values[e, o] - math.log(np.exp(values[e]).sum()) for e, o in enumerate(cell.operations))

    for place in itertools.product(range(6), range(5)):
        moved = np.zeros((6, 5))
        moved[place] = 1e-6
        values = alpha.detach().numpy()
        slope = (log_p(values + moved) - log_p(values - moved)) / 2e-6
        assert gradient[place].item() == pytest.approx(slope, abs=1e-8)
    total = sum(math.exp(log_probability(alpha, torch.tensor(c)).item()) for c in itertools.product(range(5), repeat=6))
    assert total == pytest.approx(1)


def test_reinforce_is_what_it_is_by_hand(asking):
    """The same cells as policy gradient, Adam and the baseline written out in NumPy, whatever the answers are."""
    search = asking("reinforce", policy_lr=0.3)
    questions = search.questions(np.random.default_rng(5))
    random, answers = np.random.default_rng(5), np.random.default_rng(6)
    alpha = 1e-3 * random.standard_normal((6, 5))
    first, second, top, bottom = np.zeros((6, 5)), np.zeros((6, 5)), 0.0, 0.0
    cell = next(questions)
    for step in range(1, 40):
        p = np.exp(alpha) / np.exp(alpha).sum(1, keepdims=True)
        operations = [int(np.searchsorted(np.cumsum(row)[:-1], random.random(), side="right")) for row in p]
        assert cell.operations == tuple(operations)
        reward = 100 * answers.random()
        top, bottom = 0.9 * top + 0.1 * reward, 0.9 * bottom + 0.1
        gradient = -(np.eye(5)[operations] - p) * (reward - top / bottom)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        alpha = alpha - 0.3 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        cell = questions.send(reward)
    assert p.max() > 0.5  # it has learned something


def test_what_is_drawn_follows_the_probabilities():
    probabilities = torch.tensor([[0.0, 0.5, 0.0, 0.25, 0.25]] * 6, dtype=torch.float64)
    random = np.random.default_rng(0)
    numbers = torch.cat([categorical(probabilities, random) for _ in range(2000)])
    counts = np.bincount(numbers, minlength=5) / 12_000
    assert counts[0] == counts[2] == 0
    assert np.abs(counts - probabilities[0].numpy()).max() < 4 * 0.5 / math.sqrt(12_000)


# Local search


@given(st.integers(0, NUM_CELLS - 1))
def test_neighbours_differ_on_one_edge(position):
    cell = Cell.at(position)
    around = list(neighbours(NASBENCH201, cell))
    assert len(set(around)) == 24
    assert all(sum(a != b for a, b in zip(cell.operations, other.operations, strict=True)) == 1 for other in around)


@pytest.mark.parametrize("seed", range(5))
def test_a_climb_ends_in_a_local_optimum_and_no_cell_is_asked_for_twice(asking, seed):
    search = run(asking("local-search", seed, budget=600, seconds="off", trained_epochs=200))
    assert len(set(search.asked)) == 600
    present = Cell.at(max(search.asked[:10], key=search.truth_of))
    climb = [present]
    for position in search.asked[10:]:
        asked = Cell.at(position)
        if asked not in set(neighbours(NASBENCH201, climb[-1])):
            break  # the first climb is over
        if search.truth_of(position) > search.truth_of(climb[-1].position):
            climb.append(asked)
    top = climb[-1]
    assert all(
        search.truth_of(other.position) <= search.truth_of(top.position) for other in neighbours(NASBENCH201, top)
    )
    assert set(neighbours(NASBENCH201, top)) <= {Cell.at(position) for position in search.asked}


def test_local_search_ends_when_nothing_is_left(asking):
    search = asking("local-search", budget="off", seconds=1e9)
    assert search.epochs == NUM_CELLS


# BOHB


def test_the_brackets_of_successive_halving():
    """12 to 200 epochs are 22, 67 and 200 at η = 3; the sizes are those of hpbandster."""
    published = BOHBSettings()
    assert [list(rungs(bracket, published)) for bracket in range(4)] == [
        [(0, 9), (1, 3), (2, 1)],
        [(1, 3), (2, 1)],
        [(2, 3)],
        [(0, 9), (1, 3), (2, 1)],
    ]
    assert list(rungs(0, BOHBSettings(min_budget=1, max_budget=16, eta=2))) == [(0, 16), (1, 8), (2, 4), (3, 2), (4, 1)]
    assert list(rungs(1, BOHBSettings(min_budget=1, max_budget=16, eta=2))) == [(1, 8), (2, 4), (3, 2), (4, 1)]
    assert list(rungs(2, BOHBSettings(min_budget=1, max_budget=16, eta=2))) == [(2, 4), (3, 2), (4, 1)]


def test_the_best_go_on_to_the_next_rung(asking):
    questions = asking("bohb").questions(np.random.default_rng(0))
    cells, accuracies = [next(questions)], [50.0, 70.0, 60.0, 90.0, 10.0, 70.0, 20.0, 30.0, 40.0, 1.0, 3.0, 2.0]
    for accuracy in accuracies:
        cells.append(questions.send(accuracy))
    assert cells[9:12] == [cells[1], cells[3], cells[5]]
    assert cells[12] == cells[10]  # whose accuracy, asked for again, was now the best
    assert best([(Cell.at(0), 1.0), (Cell.at(1), 1.0), (Cell.at(2), 2.0)], 2) == [Cell.at(0), Cell.at(2)]


def density_by_hand(data, operations, least):
    """Of `statsmodels`' KDEMultivariate with unordered variables and the bandwidth `normal_reference`, and of a least
    bandwidth."""
    total = 0.0
    for row in data:
        product = 1.0
        for edge in range(6):
            column = [other[edge] for other in data]
            mean = sum(column) / len(column)
            deviation = math.sqrt(sum((value - mean) ** 2 for value in column) / len(column))
            h = max(1.06 * deviation * len(data) ** -0.1, least)
            different = h / (len(set(column)) - 1) if len(set(column)) > 1 else math.inf
            product *= 1 - h if row[edge] == operations[edge] else different
        total += product
    return total / len(data)


cells_of_data = st.lists(st.tuples(*[st.integers(0, 4)] * 6), min_size=2, max_size=12)


@given(cells_of_data, st.tuples(*[st.integers(0, 4)] * 6), st.sampled_from([1e-3, 0.3]))
def test_a_density_is_the_sum_of_kernels_by_hand(data, operations, least):
    found = Density(np.array(data), 5, least).density(operations)
    expected = density_by_hand(data, operations, least)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


def test_a_density_of_small_bandwidths_sums_to_1():
    """Where an edge has all operations; a bandwidth that the rule makes larger than 1 would make it negative."""
    data = np.array([[o] * 6 for o in range(5)] + [[2] * 6] * 40)
    density = Density(data, 5, 0.3)
    assert (density.bandwidths < 1).all()
    total = sum(density.density(cell) for cell in itertools.product(range(5), repeat=6))
    assert total == pytest.approx(1)


def test_good_and_bad_are_parted_as_hpbandster_parts_them():
    random = np.random.default_rng(0)
    settings = BOHBSettings()

    def told(count):
        return [(Cell.at(int(random.integers(NUM_CELLS))), float(random.integers(50))) for _ in range(count)]

    assert fitted(NASBENCH201, told(13), settings) is None
    for count, good, bad in ((14, 7, 7), (40, 7, 33), (60, 9, 51)):
        cells = told(count)
        model = fitted(NASBENCH201, cells, settings)
        ranked = sorted(cells, key=lambda one: -one[1])
        assert model.good.data.tolist() == [list(cell.operations) for cell, _ in ranked[:good]]
        assert model.bad.data.tolist() == [list(cell.operations) for cell, _ in ranked[good : good + bad]]


def test_the_next_cell_is_the_candidate_of_the_largest_improvement(asking):
    search = asking("bohb", candidates=30)
    random = np.random.default_rng(1)
    told = [(Cell.at(int(random.integers(NUM_CELLS))), float(random.random())) for _ in range(40)]
    model = fitted(NASBENCH201, told, search.settings)
    proposed = search.propose(model, np.random.default_rng(2))
    stream = np.random.default_rng(2)
    stream.random()  # whether to be random
    candidates = [model.good.draw(stream) for _ in range(30)]
    ratios = []
    for candidate in candidates:
        good, bad = (density_by_hand(part.data.tolist(), candidate, 0.3) for part in model)
        ratios.append(max(1e-32, bad) / max(good, 1e-32))
    assert proposed.operations == candidates[int(np.argmin(ratios))]


def test_a_candidate_keeps_an_operation_unless_its_bandwidth_draws_it_anew():
    data = np.array([[3] * 6] * 10)
    density = Density(data, 5, 0.3)
    random = np.random.default_rng(0)
    drawn_cells = np.array([density.draw(random) for _ in range(4000)])
    kept = (drawn_cells == 3).mean()
    assert kept == pytest.approx(0.7 + 0.3 / len(OPERATIONS), abs=4 * 0.5 / math.sqrt(24_000))


def test_bohb_asks_its_model_once_there_is_one(asking, monkeypatch):
    """The model is that of the largest budget: 14 answers at one rung make the first."""
    search, seen, propose = asking("bohb"), [], BOHB.propose
    monkeypatch.setattr(BOHB, "propose", lambda self, model, random: seen.append(model) or propose(self, model, random))
    questions = search.questions(np.random.default_rng(0))
    cell = next(questions)
    for _ in range(60):
        cell = questions.send(search.truth_of(cell.position))
    without = seen.index(next(model for model in seen if model is not None))
    assert without == 9 + 3 + 3 + 5  # three brackets, and of the fourth what its first rung lacks of 14
    assert None not in seen[without:]
