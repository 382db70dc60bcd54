"""DARTS, β-DARTS and PT: their equations and protocols."""

import math

import numpy as np
import oracle
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from data.augment import normalise
from methods.training import Tally
from spaces import Cell
from spaces.nasbench201.cell import CONV1, CONV3, EDGES, NONE, POOL, SKIP


def test_weights_are_the_softmax_of_alpha_until_an_edge_is_decided(build):
    search = build("darts")
    with torch.no_grad():
        search.alpha.copy_(torch.arange(30.0).reshape(6, 5) / 10)
    expected = torch.exp(search.alpha) / torch.exp(search.alpha).sum(1, keepdim=True)
    assert_close(search.weights(), expected)
    search.decided[2] = CONV3
    assert search.weights()[2].tolist() == [0, 0, 0, 1, 0]
    assert_close(search.weights()[[0, 1, 3, 4, 5]], expected[[0, 1, 3, 4, 5]])
    assert search.cell() == Cell((4, 4, CONV3, 4, 4, 4))


def test_ties_of_alpha_go_to_the_lower_operation(build):
    search = build("darts", alpha_init=0.0)
    assert search.cell() == Cell((0,) * 6)


def test_alpha_starts_small_and_normal(build):
    values = torch.cat([build("darts", seed=seed).alpha.detach().flatten() for seed in range(20)])
    assert values.std().item() == pytest.approx(1e-3, rel=0.1)
    assert abs(values.mean().item()) < 2e-4


def test_the_learning_rate_falls_as_a_cosine_from_epoch_to_epoch(build):
    search = build("darts", epochs=4, lr=0.025, lr_min=0.001)
    used = []
    for _ in range(4):
        search.epoch()
        used.append(search.weight_optimiser.param_groups[0]["lr"])
    assert used == pytest.approx([0.001 + 0.024 * (1 + math.cos(math.pi * e / 4)) / 2 for e in range(4)])
    assert used[0] == 0.025
    quirky = build("bdarts", epochs=4)
    quirky.epoch()
    assert quirky.weight_optimiser.param_groups[0]["lr"] == pytest.approx(used[1])


@pytest.mark.parametrize("alpha_first", [True, False])
def test_the_order_of_the_steps(build, monkeypatch, alpha_first):
    search = build("darts", alpha_first=alpha_first)
    order = []
    for name in ("alpha_step", "weight_step"):
        step = getattr(search, name)
        monkeypatch.setattr(search, name, lambda *a, step=step, name=name: (order.append(name), step(*a)))
    search.epoch()
    first, second = ("alpha_step", "weight_step") if alpha_first else ("weight_step", "alpha_step")
    assert order[0::2] == [first] * len(order[0::2])
    assert order[1::2] == [second] * len(order[1::2])


def test_weights_train_on_the_first_half_and_alpha_on_the_second(build, digits):
    search = build("darts")
    assert torch.equal(search.train.images, digits.images[:60])
    assert torch.equal(search.valid.images, digits.images[60:])


def test_darts_gradient_is_that_of_the_validation_loss_through_the_naive_supernet(build):
    search = build("darts", alpha_init=1.0)
    images, labels = batch = next(search.valid.drawn(16, 1))
    gradient = search.alpha_gradient(batch, batch, Tally(torch.device("cpu")))
    logits = oracle.logits(search.supernet, images, [search.alpha.softmax(1)] * 3)
    (expected,) = torch.autograd.grad(F.cross_entropy(logits, labels), [search.alpha])
    assert_close(gradient, expected, rtol=1e-3, atol=1e-6)
    assert gradient.abs().max() > 1e-3


def test_beta_decay_gradient_is_lambda_times_softmax_over_six(build):
    search = build("bdarts", strength=50.0, strength_epochs=100)
    search.epochs_done = 30
    with torch.no_grad():
        search.alpha.normal_(generator=torch.Generator().manual_seed(0))
    batch = next(search.valid.drawn(16, 1))
    (plain,) = torch.autograd.grad(search.loss(batch, search.weights())[0], [search.alpha])
    decay = search.alpha_gradient(batch, batch, Tally(torch.device("cpu"))) - plain
    assert_close(decay, 15.0 * search.alpha.detach().softmax(1) / 6, rtol=1e-4, atol=1e-5)


def test_beta_decay_grows_linearly_and_does_not_know_the_number_of_epochs(build):
    search = build("bdarts", epochs=50, strength=50.0, strength_epochs=100)
    assert search.strength() == 0
    search.epochs_done = 49
    assert search.strength() == 24.5


def test_l2_gradient_is_lambda_times_alpha_over_six(build):
    search = build("darts", regulariser="l2", strength=3.0, schedule="constant", alpha_init=1.0)
    batch = next(search.valid.drawn(16, 1))
    (plain,) = torch.autograd.grad(search.loss(batch, search.weights())[0], [search.alpha])
    assert_close(
        search.alpha_gradient(batch, batch, Tally(torch.device("cpu"))) - plain,
        0.5 * search.alpha.detach(),
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_fixed_alpha_never_moves(build):
    search = build("pt-fixed")
    before = search.trained.alpha.detach().clone()
    assert search.magnitude == build("darts").cell()  # the initial α of the seed
    for _ in range(search.epochs):
        assert "valid_loss" not in search.epoch()
    assert torch.equal(search.trained.alpha, before)
    assert (search.trained.decided >= 0).all()


def test_validation_images_may_go_unaugmented(build, digits):
    search = build("darts", augment_valid=False)
    images, _ = next(search.valid.shuffled(60))
    order = images.flatten(1).sum(1).argsort()
    plain = normalise(digits.images[60:], digits.mean, digits.std)
    assert_close(images[order], plain[plain.flatten(1).sum(1).argsort()])


def test_beta_decay_keeps_the_spread_of_alpha_small(build):
    """The law of the regulariser: what makes a weight large is what pushes it down."""
    spreads = {}
    for name, decay in (("with", 50.0), ("without", 0.0)):
        search = build("bdarts", epochs=8, alpha_lr=0.05, strength=decay, strength_epochs=1)
        for _ in range(8):
            search.epoch()
        spreads[name] = search.alpha.detach().std(1).mean().item()
    assert spreads["with"] < 0.5 * spreads["without"]


@pytest.mark.parametrize("method", ["darts", "bdarts", "sdarts-rs"])
@pytest.mark.parametrize(
    ("counts", "norm"),
    [(False, 4.0), (True, math.hypot(4, 3 * 0.2 * math.hypot(0.8, 0.4))), ("softmax", 5.0)],
)
def test_the_clip_counts_the_gradient_of_w_of_alpha_or_of_its_softmax(build, monkeypatch, method, counts, norm):
    """By hand: of L = 3·p + 4·w the gradient is 4 by w and 3 by p. With all α equal p = 1/5, and of it ∂p/∂α is
    p·(1 − p) by its own α and −p² by the four others', in all 0.2·(0.8, 0.2, 0.2, 0.2, 0.2)."""
    search = build(
        method, clip=1.0, clip_counts_alpha=counts, alpha_init=0.0, weight_decay=0.0, momentum=0.0, nesterov=False
    )
    if method == "sdarts-rs":
        monkeypatch.setattr(search, "epsilon", lambda: 0.0)  # else its weights, and so its ∂p/∂α, are others
    w = search.supernet.head.classifier.bias
    monkeypatch.setattr(search, "loss", lambda batch, p: (3 * p[0, 0] + 4 * w[0], torch.tensor(0)))
    before = w[0].item()
    lr = search.weight_optimiser.param_groups[0]["lr"]
    search.weight_step(next(search.train.drawn(8, 1)), Tally(torch.device("cpu")))
    assert before - w[0].item() == pytest.approx(lr * 4 / norm, rel=1e-3)
    assert torch.equal(search.alpha, torch.zeros(6, 5))


def test_the_clip_counts_the_smoothed_weights_of_undecided_edges_alone(build, monkeypatch):
    search = build("sdarts-rs", clip=1.0, epsilon_first=0.3, weight_decay=0.0, momentum=0.0)
    search.decided[1] = SKIP
    w = search.supernet.head.classifier.bias
    monkeypatch.setattr(search, "loss", lambda batch, p: (3 * p[0, 0] + 12 * p[1, 0] + 4 * w[0], torch.tensor(0)))
    before = w[0].item()
    search.weight_step(next(search.train.drawn(8, 1)), Tally(torch.device("cpu")))
    assert before - w[0].item() == pytest.approx(search.weight_optimiser.param_groups[0]["lr"] * 4 / 5, rel=1e-3)


def test_the_programs_clip_by_what_they_count(build):
    counted = {name: build(name).settings.clip_counts_alpha for name in ("darts", "bdarts", "sdarts-rs", "sgas")}
    assert counted == {"darts": True, "bdarts": "softmax", "sdarts-rs": "softmax", "sgas": False}


def test_pt_decides_five_edges_before_fine_tuning_epochs_and_the_last_before_the_last(build):
    search = build("pt", finetune_epochs=5)
    assert search.epochs == 25
    decided = []
    for _ in range(25):
        search.epoch()
        decided.append(int((search.trained.decided >= 0).sum()))
    assert decided == [1] * 5 + [2] * 5 + [3] * 5 + [4] * 5 + [5] * 4 + [6]
    assert search.cell().operations == tuple(search.trained.decided.tolist())
    assert search.trained.weight_optimiser.param_groups[0]["lr"] == 0.0025


def test_pt_keeps_the_operation_whose_removal_hurts_most_and_of_equals_the_first(build, monkeypatch):
    search = build("pt")
    table = {edge: [50.0, 40.0, 45.0, 40.0, 60.0] for edge in range(len(EDGES))}
    table[3] = [10.0, 40.0, 45.0, 9.99, 60.0]
    monkeypatch.setattr(search, "score_without", lambda edge, operation: table[edge][operation])
    for _ in range(search.epochs):
        search.epoch()
    assert search.cell() == Cell((SKIP, SKIP, SKIP, CONV3, SKIP, SKIP))


def test_pt_measures_the_masked_supernet_without_renormalising_the_others(build, monkeypatch):
    search = build("pt")
    seen = []
    loss = search.trained.loss
    monkeypatch.setattr(search.trained, "loss", lambda batch, weights: (seen.append(weights), loss(batch, weights))[1])
    before = search.trained.weights().detach().clone()
    accuracy = search.trained.accuracy_without(2, CONV3)
    assert 0 <= accuracy <= 100
    expected = before.clone()
    expected[2, CONV3] = 0
    assert all(torch.equal(weights, expected) for weights in seen)
    assert len(seen) == -(-60 // search.trained.settings.batch_size)  # the whole validation half
    assert torch.equal(search.trained.weights(), before)


def test_pt_edges_come_in_random_order(build):
    orders = set()
    for seed in range(3):
        search = build("pt", seed=seed)
        order = []
        for _ in range(search.epochs):
            search.epoch()
            order += [e for e in np.flatnonzero(search.trained.decided >= 0) if e not in order]
        assert sorted(order) == list(range(6))
        orders.add(tuple(order))
    assert len(orders) > 1


def test_pt_remembers_the_magnitude_selection_of_the_supernet_it_started_from(build):
    darts, pt = build("darts"), build("pt")
    for _ in range(darts.epochs):
        darts.epoch()
    assert pt.alternative_cell() == ("magnitude", darts.cell())
    pt.epoch()
    assert pt.alternative_cell() == ("magnitude", darts.cell())


def test_a_cells_score_is_the_log_of_the_product_of_its_weights(build):
    search = build("darts")
    search.epoch()
    weights = search.weights().detach().double()
    scores = search.scores()
    for cell in (Cell((0, 1, 2, 3, 4, 0)), Cell((3, 3, 1, 4, 2, 0))):
        product = math.prod(float(weights[edge, operation]) for edge, operation in enumerate(cell.operations))
        assert scores[cell.position] == pytest.approx(math.log(product), abs=1e-9)
    assert Cell.at(int(scores.argmax())) == search.cell()


def test_cells_without_a_decided_edges_operation_rank_after_all_others(build):
    search = build("darts")
    search.decided[1] = CONV3
    scores = search.scores()
    assert np.isfinite(scores).all()
    has = np.array([cell.operations[1] == CONV3 for cell in Cell.all()])
    assert scores[has].min() > scores[~has].max()


@pytest.mark.parametrize("seed", range(3))
def test_pt_never_keeps_a_dead_operation_where_the_removal_of_another_hurts(build, seed):
    """A convolution of zero weights adds nothing, so that its removal leaves the supernet as it is."""
    search = build("pt", seed=seed, finetune_epochs=0, criterion="loss", edge_order="fixed")
    trained = search.trained
    trained.valid.augment = False  # every measurement sees the same 60 images, in one batch
    with torch.no_grad():
        for cell in trained.supernet.cells:
            for weights in (*cell.conv1, *cell.conv3):
                weights.zero_()
    for edge in range(6):
        whole = -trained.validate(trained.weights().detach())["valid_loss"]
        scores = [search.score_without(edge, operation) for operation in range(5)]
        assert [scores[dead] for dead in (NONE, CONV1, CONV3)] == pytest.approx([whole] * 3, abs=1e-5)
        search.epoch()
        if min(scores[SKIP], scores[POOL]) < whole - 1e-4:
            assert int(trained.decided[edge]) in (SKIP, POOL)


def test_pt_by_loss_in_fixed_order_without_fine_tuning(build, monkeypatch):
    search = build("pt", finetune_epochs=0, criterion="loss", edge_order="fixed")
    assert search.epochs == 6
    before = [parameter.clone() for parameter in search.trained.parameters]
    losses = iter([0.5, 0.9, 0.7, 0.9, 0.1] * 6)
    monkeypatch.setattr(
        search.trained, "validate", lambda weights: {"valid_loss": next(losses, 0.0), "valid_accuracy": 50.0}
    )
    for done in range(1, 7):
        search.epoch()
        assert (search.trained.decided >= 0).tolist() == [True] * done + [False] * (6 - done)
    assert all(torch.equal(a, b) for a, b in zip(before, search.trained.parameters, strict=True))
