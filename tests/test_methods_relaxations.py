"""DrNAS, SNAS, GAEA, FairDARTS, Λ-DARTS, OLES, SDARTS-ADV and RF-DARTS: the law of each, in double precision."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from benchmark import checkpoint
from benchmark.errors import SettingsError
from benchmark.plan import plan
from benchmark.settings import read_preset
from benchmark.testing import by_hand
from methods import registry
from methods.drnas import _Dirichlet, concentration
from methods.fairdarts import zero_one_loss
from methods.oles import cosines
from methods.regularisers import alignment_gradient
from methods.sdarts_rs import proportions
from methods.training import Tally
from spaces import NASBENCH201
from spaces.nasbench201.cell import CONV3, NONE, OPERATIONS, SKIP
from spaces.nasbench201.supernet import LEAVING, Mixture

MIXTURES = ["drnas", "drnas-progressive", "snas", "gaea", "fairdarts", "lambda-darts", "oles", "sdarts-adv", "rf-darts"]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(seed=0, images=16):
    drawn = torch.randn(images, 3, 8, 8, dtype=torch.float64, generator=generator(seed))
    return drawn, torch.arange(images) % 10


def tally():
    return Tally(torch.device("cpu"))


def stepped(name, **settings):
    """By hand, in float64, with an α that is spread out."""
    search = by_hand(registry.load(name), channels=4, **settings)
    spread = torch.randn(6, 5, dtype=torch.float64, generator=generator(7))
    search.alpha.data = spread.softmax(1) if name == "gaea" else spread
    if name == "gaea":
        search.alpha.data[:, NONE] = 0
        search.alpha.data /= search.alpha.data.sum(1, keepdim=True)
    return search


def weights_of(search):
    return [weight.detach().clone() for weight in search.supernet.parameters()]


# What holds for all


@pytest.mark.parametrize("name", MIXTURES)
def test_both_kinds_of_layers_come_to_the_same(name):
    one, other = (stepped(name, **({"layers": layers})) for layers in ("compiled", "torch"))
    for search in (one, other):
        search.both_steps(*batch(0), *batch(1))
    for mine, theirs in zip([one.alpha, *weights_of(one)], [other.alpha, *weights_of(other)], strict=True):
        assert_close(mine, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("operations", [("skip_connect", "nor_conv_3x3"), ("none", "nor_conv_1x1", "avg_pool_3x3")])
def test_each_chooses_from_a_smaller_space_too(name, operations):
    space = NASBENCH201.restricted(operations)
    search = by_hand(registry.load(name), channels=4, space=space)
    if name == "drnas-progressive":
        search.prune()
        search.widen()
    search.epochs_done = 10**6
    before = search.alpha.detach().clone()
    search.both_steps(*batch(0), *batch(1))
    assert search.alpha.shape == space.shape and not torch.equal(search.alpha, before)
    assert search.cell() in space and search.alpha.isfinite().all()


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("regulariser", ["beta", "l2", "lambda"])
def test_every_regulariser_goes_with_every_mixture(build, name, regulariser):
    plain, with_it = (
        build(name, regulariser=chosen, strength=strength, schedule="constant", alpha_init=1.0)
        for chosen, strength in (("none", 0.0), (regulariser, 0.5))
    )
    for search in (plain, with_it):
        search.epochs_done = 10**6  # past all epochs in which α rests
        train, valid = next(search.train.drawn(16, 1)), next(search.valid.drawn(16, 1))
        search.both_steps(*train, *valid)
    differs = not torch.equal(plain.alpha, with_it.alpha)
    w_differs = any(not torch.equal(a, b) for a, b in zip(weights_of(plain), weights_of(with_it), strict=True))
    assert w_differs if regulariser == "lambda" else differs


@pytest.mark.parametrize(
    ("name", "reason"), [("gdas", "a step trains one cell"), ("darts2", "one training step ahead")]
)
def test_the_alignment_is_refused_where_it_has_no_meaning(name, reason):
    tables = read_preset("smoke")
    tables[name] = {**tables.get(name, {}), "regulariser": "lambda"}
    with pytest.raises(SettingsError, match=reason):
        plan(tables, [name], [0])


@pytest.mark.parametrize("name", MIXTURES)
def test_pt_decides_every_edge_and_goes_on_from_a_checkpoint(build, name, tmp_path):
    whole, stopped, resumed = (build(f"{name}+pt") for _ in range(3))
    expected = [whole.epoch() for _ in range(whole.epochs)]
    begun = [stopped.epoch() for _ in range(2)]
    checkpoint.write(tmp_path / "c.safetensors", checkpoint.Checkpoint(stopped.state(), [], 0.0))
    resumed.load(checkpoint.read(tmp_path / "c.safetensors", [].append).state)
    assert begun + [resumed.epoch() for _ in range(whole.epochs - 2)] == expected
    assert whole.cell().operations == tuple(whole.trained.decided.tolist())
    assert resumed.cell() == whole.cell()


@pytest.mark.parametrize("name", ["drnas", "snas"])
def test_what_is_drawn_leaves_decided_edges_alone(name):
    search = stepped(name)
    search.decided[2] = CONV3
    drawn = torch.stack([search.sample() for _ in range(5)]).detach()
    assert torch.equal(drawn[:, 2], torch.eye(5, dtype=drawn.dtype)[CONV3].expand(5, 5))
    assert_close(drawn.sum(2), torch.ones(5, 6, dtype=drawn.dtype))
    assert not torch.equal(drawn[0, 0], drawn[1, 0])


def test_the_paper_preset_holds_the_published_protocols():
    """The numbers that a reader would check first; each method's own page has them all."""
    tables = read_preset("paper")
    s = {name: plan(tables, [name], [0])[0].stages[0].settings for name in MIXTURES}
    epochs = dict(zip(MIXTURES, [100, 100, 100, 25, 50, 100, 50, 100, 50], strict=True))
    assert {name: settings.epochs for name, settings in s.items()} == epochs
    assert [s[name].alpha_lr for name in MIXTURES] == [3e-4, 3e-4, 3e-4, 0.1, 3e-3, 1e-4, 3e-4, 3e-4, 3e-4]
    assert (s["snas"].temperature_first, s["snas"].temperature_last) == (10, 1)
    assert (s["fairdarts"].zero_one, s["fairdarts"].batch_size, s["fairdarts"].lr) == (10, 128, 0.005)
    assert (s["lambda-darts"].strength, s["lambda-darts"].alignment_step) == (0.25, 1e-4)
    assert (s["oles"].interval, s["oles"].threshold) == (20, 0.4)
    assert (s["sdarts-adv"].attack_steps, s["sdarts-adv"].epsilon_last) == (7, 0.3)
    progressive = s["drnas-progressive"]
    assert (progressive.stage_epochs, progressive.rest_epochs, progressive.parts, progressive.keep) == (
        *(50, 10),
        (4, 2),
        3,
    )


# DrNAS


def test_the_draws_of_a_dirichlet_distribution_have_its_mean_and_variance():
    beta = torch.tensor([0.05, 0.5, 1.0, 2.0, 5.0], dtype=torch.float64)
    drawn = _Dirichlet.apply(beta.expand(200_000, 5).contiguous(), generator())
    mean, total = beta / beta.sum(), beta.sum()
    assert_close(drawn.mean(0), mean, rtol=0, atol=3e-3)
    assert_close(drawn.var(0), mean * (1 - mean) / (total + 1), rtol=0.03, atol=1e-4)


def test_the_gradient_through_the_draws_is_that_of_their_expectation():
    """Of f(o) = Σ c o² the expectation is known: E o_i² = β_i (β_i + 1) / (B (B + 1)), B = Σ β."""
    beta = torch.tensor([0.3, 0.8, 1.0, 1.5, 3.0], dtype=torch.float64, requires_grad=True)
    factors = torch.tensor([1.0, -2.0, 3.0, 0.5, -1.0], dtype=torch.float64)
    total = beta.sum()
    (expected,) = torch.autograd.grad((factors * beta * (beta + 1) / (total * (total + 1))).sum(), [beta])
    drawn = _Dirichlet.apply(beta.expand(400_000, 5), generator())
    (found,) = torch.autograd.grad((factors * drawn.square()).sum(1).mean(), [beta])
    assert_close(found, expected, rtol=0, atol=4e-3)
    assert expected.abs().max() > 0.05


def test_a_draw_and_its_gradient_stay_finite_for_the_smallest_concentrations():
    alpha = torch.tensor([[-800.0] * 5, [-50.0, -60.0, -70.0, -80.0, -90.0], [-5.0, 3.0, 0.0, 40.0, -20.0]]).double()
    alpha.requires_grad_()
    drawn = _Dirichlet.apply(concentration(alpha), generator())
    (gradient,) = torch.autograd.grad(drawn[:, 0].sum(), [alpha])
    assert_close(drawn.sum(1), torch.ones(3, dtype=torch.float64))
    assert gradient.isfinite().all()


def test_drnas_keeps_the_operation_of_the_largest_mean():
    search = stepped("drnas")
    beta = F.elu(search.alpha.detach()) + 1
    assert_close(search.weights().detach(), beta / beta.sum(1, keepdim=True))
    assert search.cell().operations == tuple(search.alpha.argmax(1).tolist())


def test_the_progressive_search_drops_two_operations_of_each_edge_and_doubles_the_channels(build):
    search = build("drnas-progressive", epochs=4, stage_epochs=2, rest_epochs=1)
    assert {cell.channels * cell.part for cell in search.supernet.cells} == {4, 8, 16}
    assert [cell.part for cell in search.supernet.cells] == [4, 4, 4]
    rested = []
    for _ in range(4):
        before = search.alpha.detach().clone()
        rested.append("valid_loss" not in search.epoch())
        assert rested[-1] == torch.equal(before, search.alpha) or search.epochs_done == 2  # α is cut there
    assert rested == [True, False, True, False]
    assert [cell.part for cell in search.supernet.cells] == [2, 2, 2]
    assert search.kept.sum(1).tolist() == [3] * 6
    drawn = search.sample().detach()
    assert ((drawn == 0) == ~search.kept).all()
    assert_close(drawn.sum(1), torch.ones(6))


def test_the_operations_with_the_largest_alpha_are_kept(build):
    search = build("drnas-progressive")
    with torch.no_grad():
        search.alpha.copy_(torch.tensor([3.0, 1.0, 5.0, 2.0, 4.0]).expand(6, 5))
    search.prune()
    assert search.kept[0].tolist() == [True, False, True, False, True]
    assert search.alpha[0].tolist() == [3, 0, 5, 0, 4]


def test_wider_convolutions_are_copies_in_weights_and_momentum(build):
    search = build("drnas-progressive", epochs=4, stage_epochs=4)
    search.epoch()
    cells = search.supernet.cells
    of = search.weight_optimiser.state
    before = [(weight.detach().clone(), of[weight]["momentum_buffer"].clone()) for weight in cells[1].conv3]
    search.widen()
    for node, (weight, momentum) in enumerate(before):
        wider, its_momentum = cells[1].conv3[node].detach(), of[cells[1].conv3[node]]["momentum_buffer"]
        for edge in range(len(LEAVING[node])):
            old, new = weight.chunk(len(LEAVING[node]))[edge], wider.chunk(len(LEAVING[node]))[edge]
            assert new.shape == (4, 4, 3, 3) and old.shape == (2, 2, 3, 3)
            # Each new channel is one of the old, read and written, and the momentum's the same.
            places = [
                [(o, i) for o in range(2) for i in range(2) if torch.equal(new[out, into], old[o, i])]
                for out in range(4)
                for into in range(4)
            ]
            assert all(len(found) == 1 for found in places)
            old_momentum, new_momentum = (m.chunk(len(LEAVING[node]))[edge] for m in (momentum, its_momentum))
            for (out, into), [(o, i)] in zip(itertools.product(range(4), range(4)), places, strict=True):
                assert torch.equal(new_momentum[out, into], old_momentum[o, i])
            assert torch.equal(new[:2, :2], old)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_the_progressive_search_goes_on_from_either_stage(build, epochs, tmp_path):
    changes = {"epochs": 4, "stage_epochs": 2, "rest_epochs": 0}
    whole, stopped, resumed = (build("drnas-progressive", **changes) for _ in range(3))
    expected = [whole.epoch() for _ in range(4)]
    begun = [stopped.epoch() for _ in range(epochs)]
    checkpoint.write(tmp_path / "c.safetensors", checkpoint.Checkpoint(stopped.state(), [], 0.0))
    resumed.load(checkpoint.read(tmp_path / "c.safetensors", [].append).state)
    assert begun + [resumed.epoch() for _ in range(4 - epochs)] == expected
    assert all(map(torch.equal, weights_of(whole), weights_of(resumed)))


# SNAS


def test_the_gumbel_draw_follows_its_formula_and_the_temperature_its_line():
    search = stepped("snas")
    assert search.temperature() == 10
    search.epochs_done = 99
    assert search.temperature() == pytest.approx(1.09)
    uniform = torch.rand(6, 5, dtype=torch.float64, generator=generator().set_state(search.draws.get_state()))
    noise = -torch.log(-torch.log(uniform))
    expected = ((torch.log(search.alpha.softmax(1)) + noise) / 1.09).softmax(1)
    assert_close(search.sample(), expected, rtol=1e-9, atol=1e-12)


def test_a_cold_draw_is_one_operation_as_often_as_softmax_has_it():
    search = stepped("snas", temperature_first=1e-3, temperature_last=1e-3)
    draws = torch.stack([search.sample().detach() for _ in range(4000)])
    assert draws.max(2).values.mean() > 0.99
    assert_close(draws.mean(0), search.alpha.detach().softmax(1), rtol=0, atol=0.03)


# GAEA


def test_an_exponentiated_step_worked_out_by_hand():
    search = stepped("gaea", alpha_lr=math.log(2), exclude_none=False)
    with torch.no_grad():
        search.alpha.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4, 1e-12], dtype=torch.float64).expand(6, 5))
    gradient = torch.tensor([1.0, -1.0, 0.0, 2.0, 0.0], dtype=torch.float64).expand(6, 5)
    search.update_alpha(gradient)
    # Factors 1/2, 2, 1, 1/4, 1; the last is lifted to 1e-5.
    unscaled = torch.tensor([0.05, 0.4, 0.3, 0.1, 1e-5], dtype=torch.float64)
    assert_close(search.alpha[3].detach(), unscaled / unscaled.sum(), rtol=1e-12, atol=0)


GAEA_SEARCH = stepped("gaea", alpha_lr=1.0)


@given(st.lists(st.floats(-50, 50), min_size=30, max_size=30))
def test_theta_stays_on_the_simplex_and_none_at_zero(gradient):
    search = GAEA_SEARCH
    with torch.no_grad():
        search.alpha.copy_(search.on_simplex(torch.ones(6, 5)))
    for _ in range(3):
        search.update_alpha(torch.tensor(gradient, dtype=torch.float64).reshape(6, 5))
        assert_close(search.alpha.detach().sum(1), torch.ones(6, dtype=torch.float64))
        assert (search.alpha[:, NONE] == 0).all()
        assert (search.alpha[:, 1:] > 0).all()


def test_the_entropic_term_is_that_of_the_program():
    search = stepped("gaea", alpha_weight_decay=0.3)
    theta = search.alpha.detach()[:, 1:]
    expected = 1.5 + 0.3 * (theta * torch.log(theta / (1 / 4))).sum()
    assert_close(search.alpha_loss(torch.tensor(1.5, dtype=torch.float64)), expected)
    (gradient,) = torch.autograd.grad(search.alpha_loss(torch.tensor(0.0)), [search.alpha])
    assert_close(gradient[:, 1:], 0.3 * (torch.log(4 * theta) + 1))


def test_gaea_stops_halfway_down_the_cosine():
    search = stepped("gaea")
    rates = []
    for epoch in range(25):
        search.epochs_done = epoch
        rates.append(search.learning_rate())
    assert rates == pytest.approx([0.001 + 0.024 * (1 + math.cos(math.pi * e / 50)) / 2 for e in range(25)])


def test_gaea_finds_no_none_and_pt_after_it_neither(build):
    search = build("gaea+pt")
    for _ in range(search.epochs):
        search.epoch()
    assert NONE not in search.cell().operations
    assert NONE not in search.trained.cell().operations
    assert NONE not in search.magnitude.operations


# FairDARTS


def test_the_zero_one_loss_worked_out_by_hand():
    alpha = torch.full((6, 5), math.log(3), dtype=torch.float64)  # σ = 3/4
    assert zero_one_loss(alpha).item() == pytest.approx(-1 / 16)
    assert zero_one_loss(torch.zeros(6, 5)).item() == 0
    assert zero_one_loss(torch.full((6, 5), 100.0)).item() == pytest.approx(-1 / 4)
    search = stepped("fairdarts", zero_one=2.0)
    with torch.no_grad():
        search.alpha.copy_(alpha)
    assert search.alpha_loss(torch.tensor(1.0)).item() == pytest.approx(1 - 2 / 16)
    (gradient,) = torch.autograd.grad(search.alpha_loss(torch.tensor(1.0)), [search.alpha])
    # −2 · 2 (σ − 1/2) σ (1 − σ) / 30: away from a half.
    assert_close(gradient, torch.full((6, 5), -4 * 0.25 * 3 / 16 / 30, dtype=torch.float64))


def test_operations_do_not_compete():
    search = stepped("fairdarts")
    before = search.weights().detach()
    assert_close(before, 1 / (1 + torch.exp(-search.alpha.detach())))
    with torch.no_grad():
        search.alpha[1, SKIP] += 5
    changed = search.weights().detach() != before
    assert changed.nonzero().tolist() == [[1, SKIP]]


# Λ-DARTS


def brute_alignment(gradients):
    flat = gradients.flatten(1)
    pairs = itertools.combinations(range(len(flat)), 2)
    return torch.stack([F.cosine_similarity(flat[i], flat[j], dim=0) for i, j in pairs]).mean()


@pytest.mark.parametrize("cells", [2, 3, 15])
def test_delta_is_the_gradient_of_the_mean_cosine_of_all_pairs(cells):
    gradients = torch.randn(cells, 6, 5, dtype=torch.float64, generator=generator(), requires_grad=True)
    expected = brute_alignment(gradients)
    (delta,) = torch.autograd.grad(expected, [gradients])
    assert_close(alignment_gradient(gradients.detach()), delta, rtol=1e-9, atol=1e-12)


def test_a_cell_without_a_gradient_agrees_with_none():
    gradients = torch.randn(3, 6, 5, dtype=torch.float64, generator=generator())
    gradients[1] = 0
    delta = alignment_gradient(gradients)
    assert (delta[1] == 0).all()
    assert_close(delta[[0, 2]], alignment_gradient(gradients[[0, 2]]) / 3)
    search = stepped("lambda-darts", strength=1.0, schedule="constant")
    search.decided.fill_(NONE)  # nothing passes any cell
    search.weight_step(batch(), tally())
    assert all(weight.isfinite().all() for weight in search.parameters)


def test_weights_descend_the_training_loss_less_lambda_times_the_alignment():
    """Against autograd through the gradients of the cells, which PyTorch's layers can be differentiated for again."""
    search = stepped("lambda-darts", layers="torch", strength=0.7, schedule="constant", alignment_step=1e-5)
    images, labels = batch()
    own = search.weights().detach().expand(3, 6, 5).clone().requires_grad_()
    loss = F.cross_entropy(search.supernet(images, own), labels)
    (by_cell,) = torch.autograd.grad(loss, [own], create_graph=True)
    expected = torch.autograd.grad(loss - 0.7 * brute_alignment(by_cell), search.parameters)
    plain = torch.autograd.grad(search.loss((images, labels), own)[0], search.parameters)
    found = search.weight_gradients((images, labels), search.weights(), [*search.parameters, search.alpha], tally())
    assert len(found) == len(search.parameters) + 1
    flat = [torch.cat([part.flatten() for part in parts]) for parts in (found[:-1], expected, plain)]
    assert (flat[1] - flat[2]).norm() > 1e-2 * flat[2].norm()
    assert (flat[0] - flat[1]).norm() < 1e-4 * (flat[1] - flat[2]).norm()
    (of_alpha,) = torch.autograd.grad(search.loss((images, labels), search.weights())[0], [search.alpha])
    assert_close(found[-1], of_alpha)


def test_without_strength_lambda_darts_is_darts(build):
    lambdas, darts = build("lambda-darts", strength=0.0), build("darts", nesterov=False, weight_decay=3e-4)
    train, valid = next(darts.train.drawn(16, 1)), next(darts.valid.drawn(16, 1))
    for search in (lambdas, darts):
        search.weight_step(train, tally())
    for one, other in zip(weights_of(lambdas), weights_of(darts), strict=True):
        assert_close(one, other, rtol=1e-5, atol=1e-7)
    assert lambdas.epochs_done == 0 and valid is not None


def test_lambda_grows_to_its_full_strength_in_the_last_epoch():
    search = stepped("lambda-darts")
    search.epochs_done = 99
    assert search.strength() == pytest.approx(0.25)
    search.epochs_done = 0
    assert search.strength() == 0


# OLES


def test_the_cosine_is_taken_over_output_channels_edge_by_edge():
    one, other = (torch.randn(6, 2, 3, 3, dtype=torch.float64, generator=generator(seed)) for seed in (0, 1))
    expected = []
    for edge in range(3):
        values = []
        for place in itertools.product(range(2), range(3), range(3)):
            a, b = ([float(g[2 * edge + out][place]) for out in range(2)] for g in (one, other))
            values.append(sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b)))
        expected.append(sum(values) / len(values))
    assert cosines(one, other, 3).tolist() == pytest.approx(expected)


def test_an_operation_is_frozen_when_its_mean_cosine_falls_below_the_threshold():
    search = stepped("oles", interval=4, threshold=0.5, summed=False)
    ones = [torch.ones_like(weight) for weight in search.convolutions]
    agreeing = [part.clone() for part in ones]
    agreeing[0][4:8] *= -1  # of the first cell the 1×1 convolution on the second edge that leaves node 0
    for step in range(5):
        assert not any(frozen.any() for frozen in search.frozen), step
        search.compare(ones, agreeing)
    assert search.frozen[0].tolist() == [False, True, False]
    assert not any(frozen.any() for frozen in search.frozen[1:])
    assert search.compared == 0 and all((total == 0).all() for total in search.sums)


def test_five_sums_are_divided_by_four_as_in_the_program():
    """Cosines of 0.42 in 5 steps: 5 · 0.42 / 4 = 0.525 is not below 0.5."""
    search = stepped("oles", interval=4, threshold=0.5, summed=False)
    angle = math.acos(0.42)
    train = [torch.zeros_like(weight) for weight in search.convolutions]
    valid = [torch.zeros_like(weight) for weight in search.convolutions]
    for one, other, total in zip(train, valid, search.sums, strict=True):
        for edge in range(len(total)):
            first = edge * (len(one) // len(total))
            one[first] = 1
            other[first], other[first + 1] = math.cos(angle), math.sin(angle)
    for _ in range(5):
        search.compare(train, valid)
    assert not any(frozen.any() for frozen in search.frozen)


def test_summed_compares_with_the_sum_of_both_gradients():
    search, plain = stepped("oles"), stepped("oles", summed=False)
    train = [torch.randn(weight.shape, dtype=torch.float64, generator=generator(1)) for weight in search.convolutions]
    valid = [torch.randn(weight.shape, dtype=torch.float64, generator=generator(2)) for weight in search.convolutions]
    search.compare(train, valid)
    plain.compare(train, [a + b for a, b in zip(train, valid, strict=True)])
    for one, other in zip(search.sums, plain.sums, strict=True):
        assert torch.equal(one, other)


def test_the_gradients_that_are_compared_are_those_of_the_two_batches():
    search = stepped("oles", layers="torch", clip=1e-3)
    seen = []
    search.compare = lambda training, validation: seen.append((training, validation))
    search.alpha_gradient(batch(0), batch(1), tally())
    assert not seen  # there is no step before the first
    w = search.weights().detach()
    trained = torch.autograd.grad(search.loss(batch(0), w)[0], search.parameters)
    norm = torch.cat([part.flatten() for part in trained]).norm()
    places = [next(i for i, p in enumerate(search.parameters) if p is weight) for weight in search.convolutions]
    search.weight_step(batch(0), tally())
    validated = torch.autograd.grad(search.loss(batch(1), w)[0], search.convolutions)
    search.alpha_gradient(batch(0), batch(1), tally())
    [(training, validation)] = seen
    for found, place in zip(training, places, strict=True):
        assert_close(found, trained[place] * 1e-3 / norm, rtol=1e-3, atol=1e-12)
    for found, expected in zip(validation, validated, strict=True):
        assert_close(found, expected)


def test_frozen_weights_stay_and_count_in_no_norm():
    search = stepped("oles", clip=1e9)
    search.weight_step(batch(0), tally())
    search.frozen[1][1] = True  # of the first cell the 3×3 convolution on the second edge that leaves node 0
    weight = search.convolutions[1]
    before = weight.detach().clone()
    search.weight_step(batch(1), tally())
    assert torch.equal(weight[4:8], before[4:8])
    assert (weight[:4] != before[:4]).all() and (weight[8:] != before[8:]).all()
    assert (weight.grad[4:8] == 0).all()
    assert (search.weight_optimiser.state[weight]["momentum_buffer"][4:8] == 0).all()


def test_oles_that_never_freezes_is_darts(build):
    settings = {"epochs": 3, "nesterov": False, "weight_decay": 3e-4, "clip_counts_alpha": False}
    settings |= {"skip_first_lr": True, "alpha_first": True}
    oles, darts = build("oles", threshold=-1.0, **settings), build("darts", **settings)
    for _ in range(2):
        one, other = oles.epoch(), darts.epoch()
        assert one.pop("frozen") == 0
        assert one == other
    assert torch.equal(oles.alpha, darts.alpha)


def test_a_search_that_freezes_goes_on_from_its_checkpoint(build, tmp_path):
    whole, stopped, resumed = (build("oles", interval=2, threshold=0.9, batch_size=8) for _ in range(3))
    expected = [whole.epoch() for _ in range(3)]
    assert expected[0]["frozen"] > 0
    begun = [stopped.epoch()]
    checkpoint.write(tmp_path / "c.safetensors", checkpoint.Checkpoint(stopped.state(), [], 0.0))
    resumed.load(checkpoint.read(tmp_path / "c.safetensors", [].append).state)
    assert begun + [resumed.epoch() for _ in range(2)] == expected


# SDARTS-ADV


def test_the_adversary_takes_the_steps_of_projected_gradient_ascent():
    search = stepped("sdarts-adv", layers="torch", attack_steps=3, epsilon_first=0.1, epsilon_last=0.1)
    images, labels = batch()
    start = search.weights().detach()
    limit = torch.tensor(0.1, dtype=torch.float64)
    noise = torch.rand(6, 5, generator=generator().set_state(search.perturbations.get_state()))
    at = proportions(start + 0.1 * (2 * noise - 1))
    for _ in range(3):
        at = at.clone().requires_grad_()
        F.cross_entropy(search.supernet(images, at), labels).backward()
        moved = at.detach() + 2 * 0.1 / 3 * torch.sign(at.grad)
        kept = torch.maximum(torch.minimum(moved - start, limit), -limit)
        at = (start + kept).clamp(0, 1)
        at = at / at.sum(1, keepdim=True)
    found = search.training_weights((images, labels)).detach()
    assert_close(found, at.detach(), rtol=1e-9, atol=1e-12)
    assert not torch.allclose(found, start)
    assert all(weight.requires_grad for weight in search.parameters)


def test_the_adversary_never_lowers_the_loss_and_leaves_decided_edges_alone():
    search = stepped("sdarts-adv")
    search.decided[4] = SKIP
    for seed in range(4):
        search.epochs_done = 30 * seed
        start = search.weights().detach()
        found = search.training_weights(batch(seed)).detach()
        assert search.loss(batch(seed), found)[0] >= search.loss(batch(seed), start)[0] - 1e-12
        assert torch.equal(found[4], start[4])
        assert_close(found.sum(1), torch.ones(6, dtype=torch.float64))


def test_what_would_lower_the_loss_is_dropped(monkeypatch):
    search = stepped("sdarts-adv")
    falling = iter(range(100, 0, -1))
    monkeypatch.setattr(search, "loss", lambda batch, p: (p.sum() * 0 + float(next(falling)), torch.tensor(0)))
    assert torch.equal(search.training_weights(batch()), search.weights())


# RF-DARTS


def test_only_scales_and_shifts_of_normalisations_train():
    search = stepped("rf-darts")
    names = {name for name, weight in search.supernet.named_parameters() if weight.requires_grad}
    convolutions = {"conv1", "conv3", "conv_a", "conv_b", "shortcut", "classifier", "stem.0"}
    assert all(not any(part in name for part in convolutions) for name in names)
    before = {name: weight.detach().clone() for name, weight in search.supernet.named_parameters()}
    for seed in range(2):
        search.both_steps(*batch(seed), *batch(seed + 5))
    changed = {name for name, weight in search.supernet.named_parameters() if not torch.equal(weight, before[name])}
    # What reaches no output through a later normalisation has no gradient.
    assert changed <= names
    assert any("scale3" in name for name in changed) and any("shift1" in name for name in changed)
    assert len(changed) > 0.8 * len(names)


def test_an_affine_cell_is_the_plain_one_with_scales_and_shifts():
    search = stepped("rf-darts")
    cell = search.supernet.cells[0]
    with torch.no_grad():
        for parts in (cell.scale1, cell.scale3, cell.shift1, cell.shift3):
            for part in parts:
                part.normal_(generator=generator(3))
    x = torch.randn(4, 4, 5, 5, dtype=torch.float64, generator=generator())
    weights = torch.rand(6, 5, dtype=torch.float64, generator=generator(1))
    nodes = [x, *[torch.zeros_like(x) for _ in range(3)]]
    edges = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    for edge, (source, target) in enumerate(edges):
        place = LEAVING[source].index(edge)
        for operation, name in enumerate(OPERATIONS):
            at = nodes[source]
            if name == "none":
                continue
            if name == "skip_connect":
                out = at
            elif name == "avg_pool_3x3":
                out = F.avg_pool2d(at, 3, 1, 1, count_include_pad=False)
            else:
                scale, shift = (
                    parts[source].chunk(len(LEAVING[source]))[place]
                    for parts in ((cell.scale1, cell.shift1) if "1x1" in name else (cell.scale3, cell.shift3))
                )
                convolved = F.conv2d(F.relu(at), cell.convolution(operation, edge), padding="same")
                out = F.batch_norm(convolved, None, None, scale, shift, training=True)
            nodes[target] = nodes[target] + weights[edge, operation] * out
    for given_x in (x, x.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2)):
        assert_close(cell(given_x, Mixture(weights, 4)), nodes[3])
