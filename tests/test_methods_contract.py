"""What holds for every method there is."""

import dataclasses

import numpy as np
import pytest
import torch

from benchmark import checkpoint
from benchmark.plan import plan
from benchmark.runner import RunContext, Runner
from benchmark.settings import read_preset
from benchmark.testing import by_hand, check_method
from data.columns import Floats
from data.truth import TruthTable, open_truth
from methods import registry
from methods.registry import MethodError
from methods.search import seeded
from spaces import Cell

METHODS = [
    "bdarts",
    "bohb",
    "darts",
    "darts-minus",
    "darts2",
    "discretisation",
    "drnas",
    "drnas-progressive",
    "enas",
    "evolution",
    "fairdarts",
    "gaea",
    "gdas",
    "lambda-darts",
    "local-search",
    "oles",
    "pc-darts",
    "pt",
    "pt-fixed",
    "random-search",
    "reinforce",
    "rf-darts",
    "rlnas",
    "rsps",
    "sdarts-adv",
    "sdarts-rs",
    "setn",
    "sgas",
    "snas",
    "spos",
    "spos-sample",
]


def test_the_methods_are_registered():
    assert set(METHODS) <= set(registry.names())


@pytest.mark.parametrize("method", sorted({*METHODS, "random", "rlnas-accuracy", "rlnas-sample", "spos-angle"}))
def test_each_fulfils_the_contract_that_a_stranger_s_must(method):
    check_method(registry.load(method))


class Forgetful(registry.load("random-search")):
    """A search that forgets to save how many cells it asked for"""

    source = "none"

    def epoch(self):
        self.count = getattr(self, "count", 0) + 1
        return super().epoch()


class Peeking(registry.load("random-search")):
    """A search that measures something else when it has been asked for its cell"""

    source = "none"

    def cell(self):
        self.asked.append(0)
        return super().cell()


class Numberless(registry.load("random-search")):
    """A search that measures no number"""

    source = "none"

    def epoch(self):
        return {**super().epoch(), "loss": float("nan")}


class Undeclared(registry.load("random-search")):
    """A search that declares no state"""

    source = "none"

    @classmethod
    def fields(cls):
        return []


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (Forgetful, "count is otherwise after an epoch and is not restored"),
        (Peeking, "asking for cell, scores or other selection changes asked"),
        (Numberless, "a finite number or text in what an epoch measures as 'loss'"),
        (Undeclared, "declares no state"),
    ],
)
def test_what_a_method_does_wrong_is_named(method, said):
    with pytest.raises((AssertionError, TypeError), match=said):
        check_method(method)


@pytest.mark.parametrize("layers", ["compiled", "torch"])
def test_a_search_is_stepped_by_hand(layers):
    """In float64, on given batches; both kinds of layers come to the same."""
    torch.manual_seed(0)
    batches = [(torch.randn(8, 3, 16, 16, dtype=torch.float64), torch.arange(8) % 10) for _ in range(2)]
    searches = [by_hand(registry.load("bdarts"), channels=4, layers=kind) for kind in (layers, "torch")]
    for search in searches:
        search.both_steps(*batches[0], *batches[1])
    one, other = ([search.alpha, *search.supernet.parameters()] for search in searches)
    for mine, theirs in zip(one, other, strict=True):
        assert mine.dtype == torch.float64
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)


def test_a_path_is_stepped_by_hand():
    search = by_hand(registry.load("rlnas"), channels=4)
    before = [weight.clone() for weight in search.training.supernet.parameters()]
    batch = torch.randn(8, 3, 16, 16, dtype=torch.float64), torch.arange(8) % 10
    search.training.path_step(batch, [Cell((1, 1, 1, 1, 1, 1))] * 3)
    changed = [
        name
        for (name, weight), old in zip(search.training.supernet.named_parameters(), before, strict=True)
        if not torch.equal(weight, old)
    ]
    assert changed and not any(".conv1." in name or ".conv3." in name for name in changed)  # a path of skips alone


def history(search, epochs):
    return [(search.epoch(), search.cell()) for _ in range(epochs)]


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_search_bit_for_bit(build, method):
    first, second = build(method, seed=3), build(method, seed=3)
    assert history(first, 2) == history(second, 2)
    assert first.alternative_cell() == second.alternative_cell()


@pytest.mark.parametrize("method", ["darts", "gdas", "pc-darts", "spos"])
def test_so_it_does_with_pytorchs_layers(build, method, pytorch_layers):
    assert history(build(method, seed=3), 2) == history(build(method, seed=3), 2)


@pytest.mark.parametrize("method", METHODS)
def test_another_seed_gives_another_search(build, method):
    assert history(build(method, seed=0), 1) != history(build(method, seed=1), 1)


@pytest.mark.parametrize("method", METHODS)
def test_a_search_goes_on_from_its_checkpoint_to_the_identical_result(build, method, tmp_path):
    whole, stopped, resumed = build(method), build(method), build(method)
    expected = history(whole, 3)
    begun = history(stopped, 1)
    path = tmp_path / "c.safetensors"
    checkpoint.write(path, checkpoint.Checkpoint(stopped.state(), [], 1.5))
    saved = checkpoint.read(path, [].append)
    assert saved is not None
    resumed.load(saved.state)
    assert begun + history(resumed, 2) == expected
    assert resumed.alternative_cell() == whole.alternative_cell()


@pytest.mark.parametrize("method", METHODS)
def test_asking_for_the_cell_changes_nothing(build, method):
    asked, silent = build(method), build(method)
    for _ in range(2):
        assert asked.epoch() == silent.epoch()
        assert isinstance(asked.cell(), Cell)
        asked.alternative_cell()
    assert asked.cell() == asked.cell() == silent.cell()


@pytest.mark.parametrize("method", ["bdarts", "darts", "rlnas"])
def test_training_lowers_the_loss(build, method):
    search = build(method, epochs=12, lr=0.1)
    losses = [search.epoch()["train_loss"] for _ in range(12)]
    assert sum(losses[-3:]) < sum(losses[:3])


def test_every_stream_of_every_seed_has_random_numbers_of_its_own():
    numbers = [seeded(seed, *stream) for seed in range(100) for stream in ((0,), (1,), (4, 0), (4, 1))]
    assert len(set(numbers)) == len(numbers)
    assert np.bitwise_or.reduce(numbers) == 2**63 - 1  # no bit is always 0
    assert np.bitwise_and.reduce(numbers) == 0


def test_the_truth_is_given_to_searches_on_the_table_alone(tmp_path):
    """Whatever is registered, ours or a third party's; see also the third party's own test."""
    (run,) = plan(read_preset("smoke"), ["darts"], [0])
    runner = Runner(RunContext(tmp_path, tmp_path, "cpu", open_truth(None, tmp_path)), run.problem)
    problems = {name: runner.problem_of(registry.load(name), run.split) for name in registry.names()}
    given = {name for name, problem in problems.items() if problem.truth is not None}
    assert given == {"random", "random-search", "evolution", "reinforce", "bohb", "local-search"}


@pytest.mark.parametrize(
    ("metrics", "images", "asked"),
    [
        (("cifar10_test",), "digits", "cifar10_test"),
        (("cifar10_test", "cifar10_valid"), "digits", "cifar10_valid"),
        (("cifar10_test", "cifar10_valid", "cifar100_valid"), "cifar100", "cifar100_valid"),
    ],
)
def test_a_search_on_the_table_says_what_it_asks_for(problem, truth, metrics, images, asked):
    table = TruthTable("a table", "", None, dict.fromkeys(metrics, Floats(truth.accuracies["cifar10_test"])))
    given = dataclasses.replace(problem, truth=table, images=dataclasses.replace(problem.images, name=images))
    for method, expected in (("random-search", asked), ("random", None)):
        kind = registry.load(method)
        search = kind(given, kind.Settings(budget=1 if expected is None else 3), 0)
        assert search.asks == expected
        assert set(search.epoch()) == {"asked_accuracy"}


def test_an_unknown_method_is_refused_with_the_nearest_name():
    with pytest.raises(MethodError, match="did you mean 'darts'"):
        registry.load("dart")


def test_checkpoints_keep_every_kind_of_value(tmp_path):
    view = torch.arange(6).reshape(2, 3).T
    state = {"a": {0: torch.ones(2), 1: [view, view]}, "b": None, "c": [True, 2**100, 1e-300], "d": "α"}
    path = tmp_path / "c.safetensors"
    checkpoint.write(path, checkpoint.Checkpoint(state, [{"loss": 0.1 + 0.2}], 2.5))
    read = checkpoint.read(path, [].append)
    assert read.rows == [{"loss": 0.1 + 0.2}]
    assert read.seconds == 2.5
    assert list(read.state["a"]) == [0, 1]
    assert all(torch.equal(tensor, view) for tensor in read.state["a"][1])
    assert {key: read.state[key] for key in "bcd"} == {key: state[key] for key in "bcd"}
