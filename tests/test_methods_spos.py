"""SPOS, the 2×2 of labels and indicators, and the searches on the table itself."""

import numpy as np
import pytest
import torch

from benchmark.errors import SettingsError
from benchmark.plan import plan
from benchmark.settings import override, read_preset
from methods.batches import Loader
from methods.evolution import Evolution, EvolutionSettings
from methods.spos import accuracy_of
from spaces import NASBENCH201, Cell
from spaces.layers import BatchNorm
from spaces.nasbench201.cell import CONV3, EDGES, NONE, NUM_CELLS, SKIP
from spaces.nasbench201.network import subnetwork

BUDGET = EvolutionSettings(
    population=40, parents=10, generations=5, mutations=20, crossovers=10, mutation_probability=0.2
)


@pytest.mark.parametrize("preset", ["paper", "mini", "smoke"])
def test_the_2x2_shares_two_supernets(preset):
    methods = ["spos", "spos-angle", "rlnas-accuracy", "rlnas"]
    spos, spos_angle, rlnas_accuracy, rlnas = plan(read_preset(preset), methods, [0])
    assert spos.checkpoint_name(0) == spos_angle.checkpoint_name(0) != rlnas.checkpoint_name(0)
    assert rlnas_accuracy.checkpoint_name(0) == rlnas.checkpoint_name(0)
    labels = [run.stages[0].settings.labels for run in (spos, spos_angle, rlnas_accuracy, rlnas)]
    assert labels == ["true", "true", "random", "random"]


@pytest.mark.parametrize("method", ["darts+spos", "pt+spos", "random+pt"])
def test_accuracy_needs_a_supernet_trained_path_by_path_and_pt_one_with_alpha(method):
    with pytest.raises(SettingsError, match="is no method"):
        plan(read_preset("mini"), [method], [0])


def test_true_labels_are_the_images_own(build, digits):
    search = build("spos-angle")
    assert torch.equal(search.training.train.labels, digits.labels[:60])


def test_random_labels_may_have_any_number_of_classes(build):
    search = build("rlnas", random_classes=3)
    assert set(search.training.train.labels.tolist()) == {0, 1, 2}
    assert search.training.supernet.head.classifier.out_features == 3
    search.epoch()
    with pytest.raises(SettingsError):
        plan(override(read_preset("smoke"), ["rlnas.random_classes=1"]), ["rlnas"], [0])


PLAIN_SGD = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "lr": 0.1, "epochs": 1, "batch_size": 1000}


def test_a_clip_bounds_the_step_and_keeps_its_direction(build):
    """Of one batch an epoch, by SGD without more: the step is the learning rate times the gradient."""
    steps = []
    for clip in ("off", 1e-3, 1e3):
        training = build("rlnas", clip=clip, **PLAIN_SGD).training
        before = torch.cat([parameter.detach().flatten() for parameter in training.parameters])
        training.epoch()
        steps.append((torch.cat([parameter.detach().flatten() for parameter in training.parameters]) - before).double())
    free, clipped, never = steps
    assert clipped.norm() == pytest.approx(0.1 * 1e-3, rel=1e-3)
    assert torch.cosine_similarity(free, clipped, dim=0) == pytest.approx(1, abs=1e-4)
    assert torch.equal(free, never)


@pytest.mark.parametrize("path_per_cell", [True, False])
def test_each_search_cell_takes_its_own_path_unless_told_otherwise(build, monkeypatch, path_per_cell):
    search = build("rlnas", path_per_cell=path_per_cell)
    seen = []
    forward = search.training.supernet.forward_path
    monkeypatch.setattr(
        search.training.supernet, "forward_path", lambda x, path: (seen.append(path), forward(x, path))[1]
    )
    for _ in range(3):
        search.epoch()
    assert any(len(set(path)) > 1 for path in seen) == path_per_cell
    assert len({path[0] for path in seen}) > 1


def test_accuracy_is_that_of_the_recalibrated_subnetwork(build):
    search = build("spos", validation_images=60)
    dead = Cell((NONE,) * len(EDGES))
    counts = torch.bincount(search.valid.labels, minlength=10)
    # A cell of zeros sees nothing of an image, so every image is given to one class.
    assert search.accuracy(dead) in {100 * count / 60 for count in counts.tolist()}
    cell = Cell((CONV3, SKIP, SKIP, SKIP, CONV3, SKIP))
    assert search.accuracy(cell) == search.accuracy(cell)


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_statistics_are_those_of_so_many_batches_of_training_images(build, batches):
    """By hand, with PyTorch's layers: each normalisation has the means, over the batches, of what the batches' images
    come to before it. Without recalibration, or with another number of batches, the accuracies are others."""
    search = build("spos", recalibration_batches=batches or 2, batch_size=20, validation_images=60)
    supernet = search.start.training.supernet
    cells = [Cell.at(position) for position in np.random.default_rng(0).integers(NUM_CELLS, size=40).tolist()]
    by_hand = []
    for cell in cells:
        network = subnetwork(supernet, cell)
        norms = [layer for layer in network.modules() if isinstance(layer, BatchNorm)]
        given = {norm: [] for norm in norms}
        for norm in norms:
            norm.register_forward_hook(lambda layer, images, _, given=given: given[layer].append(images[0]))
        half = Loader(search.problem.images, 0, torch.Generator(), augment=False)
        with torch.no_grad():
            for images, _ in half.in_order(20, 20 * batches):
                network(images)
            for norm, seen in given.items():
                if seen:
                    norm.running_mean.copy_(torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0))
                    norm.running_var.copy_(torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0))
            images, labels = next(
                iter(Loader(search.problem.images, 1, torch.Generator(), None, False).in_order(60, 60))
            )
            by_hand.append(100 * (network.eval()(images).argmax(1) == labels).sum().item() / 60)
    measured = [search.accuracy(cell) for cell in cells]
    # An image between two classes may fall to either by rounding.
    differences = np.abs(np.array(measured) - by_hand)
    if batches:
        assert differences.max() < 100 / 60 + 1e-9 and (differences > 0).mean() < 0.1
    else:
        assert (differences > 100 / 60 + 1e-9).mean() > 0.3


def test_accuracy_is_measured_whatever_the_random_classes(build):
    search = build("rlnas-sample", sample=2, random_classes=3)
    search.epoch()
    assert all(0 <= accuracy <= 100 for accuracy in search.accuracies)


def test_spos_chooses_the_best_cell_its_evolution_measured(build, monkeypatch):
    search = build("spos")
    measured = {}

    def accuracy(cell):
        measured[cell] = float(cell.position % 101)
        return measured[cell]

    monkeypatch.setattr(search, "accuracy", accuracy)
    for _ in range(search.epochs):
        row = search.epoch()
        assert row["valid_accuracy"] == max(measured.values()) == measured[search.cell()]
    assert search.alternative_cell() == ("angle", search.by_angle)


def test_an_evolution_goes_on_from_its_state():
    def score(cell):
        return float(cell.position % 1009)

    whole, resumed = (Evolution(BUDGET, NASBENCH201, np.random.default_rng(seed)) for seed in (0, 1))
    for _ in range(2):
        whole.generation(score)
    resumed.load(whole.state())
    for evolution in (whole, resumed):
        for _ in range(3):
            evolution.generation(score)
    for one, other in zip(whole.state().values(), resumed.state().values(), strict=True):
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_random_search_keeps_the_best_cell_asked_for(build, truth):
    search = build("random-search", budget=30)
    values = truth.accuracies["cifar10_test"]
    best = []
    for _ in range(30):
        search.epoch()
        best.append(values[search.cell().position])
    assert best == sorted(best)
    assert best[-1] == max(values[position] for position in search.asked)


def test_random_draws_one_uniform_cell(build):
    cells = []
    for seed in range(40):
        search = build("random", seed=seed)
        assert search.epochs == 1
        search.epoch()
        cells.append(search.cell().position)
    assert len(set(cells)) == 40
    assert abs(np.mean(cells) / NUM_CELLS - 0.5) < 0.2


def test_regularised_evolution_mutates_one_edge_of_a_living_cell(build):
    search = build("evolution", budget=60, population=10, sample=3)
    for _ in range(60):
        search.epoch()
    for place in range(10, 60):
        child = Cell.at(search.asked[place]).operations
        living = [Cell.at(position).operations for position in search.asked[place - 10 : place]]
        assert any(sum(a != b for a, b in zip(child, parent, strict=True)) == 1 for parent in living)


def test_evolution_beats_random_search_at_the_same_budget(build, truth):
    """Over 20 seeds, by mean true accuracy: what NAS-Bench-201's authors found."""
    means = {}
    for method in ("evolution", "random-search"):
        found = []
        for seed in range(20):
            search = build(method, seed=seed, budget=150)
            for _ in range(150):
                search.epoch()
            found.append(truth.query(search.cell())["cifar10_test"])
        means[method] = np.mean(found)
    assert means["evolution"] > means["random-search"]


def test_a_sample_is_measured_on_the_very_supernet_of_spos_angle(build):
    sampled, by_angle = build("spos-sample", sample=4, interval=1), build("spos-angle")
    for _ in range(2):
        first, second = sampled.epoch(), by_angle.epoch()
        assert first["train_loss"] == second["train_loss"]
    scores = sampled.scores()
    assert np.isfinite(scores).sum() == 4
    assert scores[sampled.cell().position] == np.nanmax(scores) == first["valid_accuracy"]
    assert scores[sampled.cell().position] == build_accuracy(sampled, sampled.cell())


def test_a_sample_is_measured_at_first_at_last_and_at_every_interval(build, monkeypatch):
    search = build("spos-sample", sample=3, epochs=7, interval=3)
    numbers = iter(range(100))
    monkeypatch.setattr("methods.spos.accuracy_of", lambda *_: float(next(numbers)))
    best = []
    for _ in range(search.epochs):
        best.append(search.epoch()["valid_accuracy"])
    assert best == [2, 2, 5, 5, 5, 8, 11]
    assert np.nanmax(search.scores()) == 11


def build_accuracy(search, cell):
    return accuracy_of(cell, NASBENCH201, search.training.supernet, search.train, search.valid, search.settings)
