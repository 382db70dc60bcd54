"""What holds for every method there is."""

import dataclasses

import numpy as np
import pytest
import torch

from benchmark import checkpoint
from benchmark.plan import plan
from benchmark.runner import Runner, Setup
from benchmark.settings import read_preset
from data.columns import Floats
from data.truth import TruthTable, open_truth
from methods import registry
from methods.registry import MethodError
from methods.search import seeded
from spaces import Cell

METHODS = [
    "bdarts",
    "darts",
    "darts-minus",
    "darts2",
    "discretisation",
    "evolution",
    "gdas",
    "pc-darts",
    "pt",
    "pt-fixed",
    "random-search",
    "rlnas",
    "sdarts-rs",
    "sgas",
    "spos",
    "spos-sample",
]


def test_the_methods_are_registered():
    assert set(METHODS) <= set(registry.names())


def history(search, epochs):
    return [(search.epoch(), search.cell()) for _ in range(epochs)]


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_search_bit_for_bit(build, method):
    first, second = build(method, seed=3), build(method, seed=3)
    assert history(first, 2) == history(second, 2)
    assert first.other_selection() == second.other_selection()


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
    assert resumed.other_selection() == whole.other_selection()


@pytest.mark.parametrize("method", METHODS)
def test_asking_for_the_cell_changes_nothing(build, method):
    asked, silent = build(method), build(method)
    for _ in range(2):
        assert asked.epoch() == silent.epoch()
        assert isinstance(asked.cell(), Cell)
        asked.other_selection()
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
    runner = Runner(Setup(tmp_path, tmp_path, "cpu", open_truth(None, tmp_path)), run.problem)
    problems = {name: runner.problem_of(registry.load(name), run.split) for name in registry.names()}
    given = {name for name, problem in problems.items() if problem.truth is not None}
    assert given == {"random", "random-search", "evolution"}


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
