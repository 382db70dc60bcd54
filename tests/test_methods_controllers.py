"""RSPS, SETN and ENAS by hand: what they train on, what they learn, and what they choose."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pandas import read_csv
from torch import nn

from benchmark.cli import main
from benchmark.testing import by_hand
from methods import registry
from methods.batches import Loader
from methods.enas import Controller, Drawn, ENASSettings, controller_loss, product, tanh
from methods.one_batch import Choice, accuracies_of, endless
from spaces import NASBENCH201, Cell
from spaces.layers import BatchNorm
from spaces.nasbench201.cell import CONV1, CONV3, EDGES, NONE, POOL, SKIP
from spaces.nasbench201.supernet import Supernet

CELLS = [
    Cell((CONV3, SKIP, POOL, CONV1, NONE, SKIP)),
    Cell((CONV1, CONV1, CONV3, SKIP, CONV3, CONV3)),
    Cell((NONE,) * len(EDGES)),
    Cell((POOL, SKIP, NONE, POOL, SKIP, CONV1)),
]


# The choice by one batch each


def test_each_cell_has_a_batch_of_its_own_and_the_best_is_chosen(build, monkeypatch):
    search = build("rsps", select_num=7)
    rights = iter([3, 9, 1, 9, 2, 5, 4])
    seen = []

    def forward_path(images, path):
        seen.append((images, path))
        labels = search.choice.half.labels[[int(i) for i in positions(search, images)]]
        wrong = (labels + 1) % 10
        right = torch.arange(len(labels)) < next(rights)
        return F.one_hot(torch.where(right, labels, wrong), 10).float()

    search.training.epoch()
    monkeypatch.setattr(search.training.supernet, "forward_path", forward_path)
    monkeypatch.setattr(search.training, "epoch", dict)
    search.choice.batch_size = 12
    measured = search.epoch()
    accuracies = [100 * right / 12 for right in (3, 9, 1, 9, 2, 5, 4)]
    assert search.choice.accuracies == pytest.approx(accuracies)
    assert measured["valid_accuracy"] == 75
    assert search.cell() == seen[1][1][0]  # of equals the first
    used = [positions(search, images) for images, _ in seen]
    assert sorted(itertools.chain(*used[:5])) == list(range(60))  # one pass over the validation half
    assert all(path == [path[0]] * len(path) for _, path in seen)
    scores = search.scores()
    assert np.isfinite(scores).sum() == len({path[0] for _, path in seen})
    assert np.nanargmax(scores) in {seen[1][1][0].position, seen[3][1][0].position}


def positions(search, images):
    """Which of the validation half they are."""
    half = search.choice.half
    every = next(iter(half.in_order(1000, 1000)))[0]
    return [int((every == image).flatten(1).all(1).nonzero()[0, 0]) for image in images]


def test_a_cell_measured_twice_has_the_better_of_its_scores(digits):
    choice = Choice(NASBENCH201, Loader(digits, 1, torch.Generator(), augment=False), 10)
    choice.positions, choice.accuracies = [5, 7, 5], [20.0, 40.0, 30.0]
    assert choice.cell() == Cell.at(7)
    assert [choice.scores()[5], choice.scores()[7]] == [30, 40]
    assert np.isfinite(choice.scores()).sum() == 2


@pytest.mark.parametrize("layers", ["compiled", "torch"])
def test_outside_the_cells_moving_statistics_normalise_what_is_measured(layers, digits):
    """By hand: each layer's statistics are a moving average, with a share of 0.1, over the training batches."""
    torch.manual_seed(0)
    supernet = Supernet(4, 1, 10, torch.Generator().manual_seed(0), moving=0.1).double()
    supernet.layers = layers
    norms = {name: layer for name, layer in supernet.named_modules() if isinstance(layer, BatchNorm)}
    assert len(norms) == 1 + 2 * 2 + 1
    images = [3 * torch.rand(6, 3, 8, 8, dtype=torch.float64) - 1 for _ in range(4)]
    seen = {name: [] for name in norms}
    by_torch = Supernet(4, 1, 10, torch.Generator().manual_seed(0)).double()
    by_torch.layers = "torch"
    for name, layer in by_torch.named_modules():
        if name in seen:
            layer.register_forward_hook(lambda _, given, __, name=name: seen[name].append(given[0]))
    for batch, cell in zip(images[:3], CELLS, strict=False):
        for network in (supernet, by_torch):
            network.forward_path(batch, [cell] * 3)
    for name, layer in norms.items():
        mean, variance = torch.zeros_like(layer.running_mean), torch.ones_like(layer.running_var)
        for x in seen[name]:
            mean = 0.9 * mean + 0.1 * x.mean((0, 2, 3))
            variance = 0.9 * variance + 0.1 * x.var((0, 2, 3))
        torch.testing.assert_close(layer.running_mean, mean)
        torch.testing.assert_close(layer.running_var, variance)
    alone = supernet.eval().forward_path(images[3], [CELLS[0]] * 3)
    stem = (F.conv2d(images[3], supernet.stem[0].weight, padding=1) - norms["stem.1"].running_mean[:, None, None]) / (
        norms["stem.1"].running_var[:, None, None] + 1e-5
    ).sqrt()
    torch.testing.assert_close(supernet.stem(images[3]), stem)
    assert not torch.allclose(alone, supernet.train().forward_path(images[3], [CELLS[0]] * 3))


def test_what_is_measured_is_measured_in_evaluation_and_leaves_the_supernet_as_it_was(build):
    search = build("rsps", select_num=3)
    search.epoch()
    supernet, half = search.training.supernet, search.choice.half
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    images, labels = next(iter(half.in_order(60, 60)))
    found = accuracies_of(CELLS, supernet, itertools.repeat((images, labels)))
    assert supernet.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())
    with torch.no_grad():
        supernet.eval()
        expected = [supernet.forward_path(images, [cell] * 3).argmax(1).eq(labels).double().mean() for cell in CELLS]
        supernet.train()
    assert found == pytest.approx([100 * float(share) for share in expected])


def test_statistics_of_the_batch_can_be_asked_for_everywhere(build):
    assert build("rsps", moving="off").training.supernet.stem[1].running_mean is None
    assert build("setn").supernet.stem[1].running_mean is not None


@pytest.mark.parametrize("method", ["rsps", "setn"])
def test_what_is_chosen_in_the_end_does_not_depend_on_the_choices_before(build, method):
    often, seldom = (build(method, epochs=4, select_num=6, select_interval=interval) for interval in (1, 3))
    chosen = []
    for _ in range(4):
        for search in (often, seldom):
            search.epoch()
        chosen.append((often.choice.state(), seldom.choice.state()))
    same = [
        str(one["positions"] + one["accuracies"]) == str(other["positions"] + other["accuracies"])
        for one, other in chosen
    ]
    assert same == [True, False, True, True]


# RSPS


def test_rsps_trains_on_uniform_cells_the_same_in_all_the_network(build):
    training = build("rsps").training
    paths = [training.sample_path(3) for _ in range(4000)]
    assert all(len(set(path)) == 1 for path in paths)
    operations = np.array([path[0].operations for path in paths])
    counts = np.array([np.bincount(column, minlength=5) for column in operations.T]) / 4000
    assert np.abs(counts - 0.2).max() < 4 * 0.4 / math.sqrt(4000)  # even where a node so has no input
    apart = build("rsps", path_per_cell=True).training.sample_path(40)
    assert len(set(apart)) > 30


# SETN


def test_setn_steps_w_on_a_cell_and_alpha_on_the_mixture():
    torch.manual_seed(0)
    train, valid = ((torch.randn(6, 3, 8, 8, dtype=torch.float64), torch.arange(6)) for _ in range(2))
    plain = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "alpha_weight_decay": 0.0}
    search = by_hand(registry.load("setn"), channels=4, layers="torch", **plain)
    twin = by_hand(registry.load("setn"), channels=4, layers="torch", **plain)
    cell = Cell(tuple(np.unravel_index(int(twin.random.integers(15_625)), (5,) * 6)))
    loss = F.cross_entropy(twin.supernet.forward_path(train[0], [cell] * 3), train[1])
    gradients = torch.autograd.grad(loss, twin.parameters, allow_unused=True, materialize_grads=True)
    with torch.no_grad():
        for weight, gradient in zip(twin.parameters, gradients, strict=True):
            weight -= 0.025 * gradient  # no clip
    loss = F.cross_entropy(twin.supernet(valid[0], twin.alpha.softmax(1)), valid[1])
    (gradient,) = torch.autograd.grad(loss, [twin.alpha])
    search.both_steps(*train, *valid)
    for mine, by_hands in zip(search.parameters, twin.parameters, strict=True):
        torch.testing.assert_close(mine, by_hands)
    torch.testing.assert_close(search.alpha.grad, gradient)
    # Adam's first step is the learning rate along the sign, but for its epsilon.
    torch.testing.assert_close(search.alpha, twin.alpha - 3e-4 * gradient / (gradient.abs() + 1e-8))


def test_setn_measures_the_most_probable_cells(build):
    search = build("setn", select_num=40)
    search.alpha.data = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    log_p = search.alpha.detach().double().log_softmax(1).numpy()
    totals = np.array([sum(log_p[e, o] for e, o in enumerate(cell)) for cell in NASBENCH201.choices])
    expected = np.argsort(-totals)[:40]
    assert [cell.position for cell in search.most_probable()] == expected.tolist()
    assert search.most_probable()[0] == search.alternative_cell()[1]
    search.choice.among(search.most_probable(), search.supernet)
    assert search.cell().position == expected[int(np.argmax(search.choice.accuracies))]


# ENAS


@pytest.fixture
def controller():
    controller = Controller(ENASSettings(), NASBENCH201, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter *= 4  # so that the distributions are no longer nearly uniform
    return controller


class Program(nn.Module):
    """The controller as AutoDL-Projects' search_model_enas_utils.py computes it, with PyTorch's LSTM."""

    def __init__(self, ours):
        super().__init__()
        self.lstm = nn.LSTM(32, 32, 2).double()
        with torch.no_grad():
            for layer in range(2):
                for theirs, mine in (
                    ("weight_ih", ours.of_input),
                    ("weight_hh", ours.of_hidden),
                    ("bias_ih", ours.input_bias),
                    ("bias_hh", ours.hidden_bias),
                ):
                    getattr(self.lstm, f"{theirs}_l{layer}").copy_(mine[layer])
        self.ours = ours

    def forward(self, operations):
        inputs, state = self.ours.start.reshape(1, 1, 32), None
        log_probs, entropies = [], []
        for operation in operations:
            outputs, state = self.lstm(inputs, state)
            logits = outputs @ self.ours.of_logits.T + self.ours.logits_bias
            distribution = torch.distributions.Categorical(logits=2.5 * torch.tanh(logits / 5))
            log_probs.append(distribution.log_prob(torch.tensor(operation)).view(-1))
            entropies.append(distribution.entropy().view(-1))
            inputs = self.ours.embedding[operation].reshape(1, 1, 32)
        return torch.cat(log_probs).sum(), torch.cat(entropies).sum()


def followed(controller, cells) -> Drawn:
    operations = torch.tensor([cell.operations for cell in cells])
    return controller(len(cells), lambda edge, _: operations[:, edge])


def test_the_controller_is_the_programs(controller):
    drawn = followed(controller, CELLS)
    program = Program(controller)
    for number, cell in enumerate(CELLS):
        log_p, entropy = program(cell.operations)
        torch.testing.assert_close(drawn.log_probability[number], log_p)
        torch.testing.assert_close(drawn.entropy[number], entropy)
    assert drawn.cells(NASBENCH201) == CELLS


def test_the_probabilities_of_all_cells_sum_to_1():
    controller, cells = (
        Controller(ENASSettings(controller_size=4), NASBENCH201, torch.Generator().manual_seed(0)),
        list(Cell.all()),
    )
    with torch.no_grad():
        parts = [followed(controller, cells[start : start + 625]) for start in range(0, len(cells), 625)]
    log_p = torch.cat([part.log_probability for part in parts])
    entropy = torch.cat([part.entropy for part in parts])
    assert float(log_p.exp().sum()) == pytest.approx(1)
    # The mean over its cells of the sums of the edges' entropies is the entropy of the whole distribution.
    assert float((log_p.exp() * entropy).sum()) == pytest.approx(-float((log_p.exp() * log_p).sum()))


def test_the_controller_draws_by_its_probabilities(controller):
    with torch.no_grad():
        drawn = controller.draw(4000, np.random.default_rng(0))
        expected = (2.5 * torch.tanh(logits_of_first_edge(controller) / 5)).softmax(0)
    shares = torch.bincount(drawn.operations[:, 0], minlength=5) / 4000
    assert float((shares - expected).abs().max()) < 4 * 0.5 / math.sqrt(4000)
    assert float(expected.max() - expected.min()) > 0.05


def logits_of_first_edge(controller):
    outputs, _ = Program(controller).lstm(controller.start.reshape(1, 1, 32))
    return controller.of_logits @ outputs.flatten() + controller.logits_bias


def test_the_controller_begins_as_the_programs_does():
    controller = Controller(ENASSettings(), NASBENCH201, torch.Generator().manual_seed(0))
    bounds = {name: float(parameter.detach().abs().max()) for name, parameter in controller.named_parameters()}
    for name, bound in bounds.items():
        small = name in ("start", "embedding", "of_logits", "of_input.0", "of_hidden.0")
        assert bound <= (0.1 if small else 32**-0.5)
        assert bound > (0.08 if small else 0.1)


def test_products_and_tanh_are_what_they_are_called():
    torch.manual_seed(0)
    x, weight = torch.randn(3, 7, dtype=torch.float64), torch.randn(5, 7, dtype=torch.float64)
    torch.testing.assert_close(product(x, weight), x @ weight.T)
    torch.testing.assert_close(tanh(10 * x), torch.tanh(10 * x))


def test_what_the_controller_descends(controller):
    """Its gradient, entropy and baseline included, against finite differences of the program's formula; the baseline
    of the first epoch is the accuracy itself."""
    settings = ENASSettings(entropy_weight=0.3)
    accuracies = torch.tensor([0.2, 0.9, 0.4, 0.6], dtype=torch.float64)

    def by_program(baseline):
        total = torch.zeros((), dtype=torch.float64)
        for cell, accuracy in zip(CELLS, accuracies, strict=True):
            log_p, entropy = Program(controller)(cell.operations)
            reward = accuracy + 0.3 * entropy
            b = accuracy if baseline is None else baseline - (1 - 0.99) * (baseline - reward)
            total = total + -1 * log_p * (reward - b) / 4
        return total, b

    for baseline in (None, 0.55):
        loss, b = controller_loss(followed(controller, CELLS), accuracies, baseline, settings)
        expected, last = by_program(baseline)
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(b[-1], last)
        (gradient,) = torch.autograd.grad(loss, [controller.logits_bias])
        for place in range(5):
            values = []
            for step in (1e-5, -1e-5):
                controller.logits_bias.data[place] += step
                values.append(by_program(baseline)[0].item())
                controller.logits_bias.data[place] -= step
            assert float(gradient[place]) == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-4, abs=1e-8)


def test_the_baseline_stands_still_for_an_epoch(build, monkeypatch):
    search = build("enas", controller_steps=3, controller_cells=2)
    given = []
    monkeypatch.setattr(
        "methods.enas.controller_loss",
        lambda drawn, accuracies, baseline, s: (
            given.append(baseline) or controller_loss(drawn, accuracies, baseline, s)
        ),
    )
    for _ in range(2):
        search.epoch()
    assert given[:3] == [None] * 3
    assert given[3] == given[4] == given[5] is not None


def test_a_controller_learns_what_is_rewarded(build, monkeypatch):
    """Rewarded for 3×3 convolutions, it comes to draw more of them."""
    monkeypatch.setattr(
        "methods.enas.accuracies_of", lambda cells, *_: [100 * cell.count(CONV3) / len(EDGES) for cell in cells]
    )
    search = build("enas", controller_steps=25, controller_cells=20, controller_lr=0.02)
    measured = [search.teach() for _ in range(4)]
    assert measured[0]["valid_accuracy"] < 30
    assert measured[-1]["valid_accuracy"] > 60
    assert measured[-1]["entropy"] < measured[0]["entropy"]


def test_the_learning_rate_falls_and_climbs(build):
    training = build("enas", epochs=40, lr_half_period=10).training
    rates = []
    for training.epochs_done in (0, 5, 10, 15, 20, 30):
        rates.append(training.lr())
    assert rates == pytest.approx([0.05, 0.02525, 0.0005, 0.02525, 0.05, 0.0005])


def test_more_cells_are_measured_after_the_last_epoch(build):
    search = build("enas", epochs=2, select_between=3, select_num=8, controller_steps=1)
    counts = []
    for _ in range(2):
        search.epoch()
        counts.append(len(search.choice.positions))
    assert counts == [3, 8]
    assert search.choice.half.augment  # as all batches of its program are


def test_enas_trains_on_what_its_controller_draws(build):
    search = build("enas")
    with torch.no_grad():
        search.controller.logits_bias[POOL] = 1e3
        search.controller.of_logits.zero_()
    paths = [search.training.sample_path(3) for _ in range(200)]
    assert all(len(set(path)) == 1 for path in paths)
    share = np.mean([path[0].count(POOL) for path in paths]) / len(EDGES)
    rest = 4 * math.exp(2.5 * 0)  # four logits of 0, and one of 2.5·tanh(200)
    assert share == pytest.approx(math.exp(2.5) / (math.exp(2.5) + rest), abs=0.06)


def test_batches_go_on_after_a_pass(digits):
    half = Loader(digits, 1, torch.Generator().manual_seed(0), augment=False)
    sizes = [len(labels) for _, labels in itertools.islice(endless(half, 25), 7)]
    assert sizes == [25, 25, 10, 25, 25, 10, 25]


def test_all_six_go_through_smoke_by_the_command_line(tmp_path):
    methods = ["rsps", "setn", "enas", "reinforce", "bohb", "local-search"]
    command = ["run", "--preset", "smoke", "--methods", ",".join(methods), "--seeds", "1", "--jobs", "1"]
    assert main([*command, "--out", str(tmp_path / "results")]) == 0
    runs = read_csv(tmp_path / "results" / "runs.csv").set_index("method")
    assert set(runs.index) == set(methods)
    assert (runs["cifar10_test"] >= 10).all()
    assert runs.loc["reinforce", "asks"] == "cifar10_valid"
    assert runs.loc["setn", "other_selection"] == "magnitude"
    history = read_csv(tmp_path / "results" / "history.csv")
    assert history[history["method"] == "enas"][["entropy", "baseline"]].notna().all(axis=None)
