"""The methods that grew out of DARTS: what each changes in it, and nothing else."""

import dataclasses

import oracle
import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call
from torch.testing import assert_close

from benchmark import checkpoint
from benchmark.describe import field_docs
from benchmark.errors import SettingsError
from benchmark.plan import plan
from benchmark.settings import read_preset
from methods import registry
from methods.gradient import GradientSettings
from methods.sdarts_rs import proportions
from methods.training import Tally
from spaces import NASBENCH201, Cell
from spaces.layers import initialise
from spaces.nasbench201.cell import CONV3, EDGES, NONE, SKIP
from spaces.nasbench201.partial import PartialSearchCell
from spaces.nasbench201.supernet import Mixture, SearchCell, Supernet


def in_float64(search):
    """The same search in double precision, its α spread out, after one training step."""
    search.weight_step(next(search.train.drawn(16, 1)), Tally(torch.device("cpu")))
    search.supernet.double()
    for state in search.weight_optimiser.state.values():
        state["momentum_buffer"] = state["momentum_buffer"].double()
    search.alpha = torch.randn(6, 5, dtype=torch.double, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return search


def batch_of(half, size=16):
    images, labels = next(half.drawn(size, 1))
    return images.double(), labels


def test_second_order_gradient_is_that_of_the_unrolled_step(build, pytorch_layers):
    """Against autograd through the virtual step, in double precision, where a tiny radius is exact enough."""
    search = in_float64(build("darts2", radius=1e-6))
    train, valid = batch_of(search.train), batch_of(search.valid)
    s, names = search.settings, [name for name, _ in search.supernet.named_parameters()]

    def loss(w, batch):
        logits = functional_call(search.supernet, dict(zip(names, w, strict=True)), (batch[0], search.alpha.softmax(1)))
        return F.cross_entropy(logits, batch[1])

    w = search.parameters
    before = [parameter.detach().clone() for parameter in w]
    xi = search.weight_optimiser.param_groups[0]["lr"]
    ahead = [
        w_ - xi * (s.momentum * search.weight_optimiser.state[w_]["momentum_buffer"] + g + s.weight_decay * w_)
        for w_, g in zip(w, torch.autograd.grad(loss(w, train), w, create_graph=True), strict=True)
    ]
    (expected,) = torch.autograd.grad(loss(ahead, valid), [search.alpha])
    (first_order,) = torch.autograd.grad(loss([w_.detach() for w_ in ahead], valid), [search.alpha])

    found = search.alpha_gradient(train, valid, Tally(torch.device("cpu")))
    assert_close(found, expected, rtol=1e-5, atol=1e-9)
    assert (expected - first_order).abs().max() > 1e-3 * expected.abs().max()
    assert all(map(torch.equal, w, before))


def test_second_order_without_a_learning_rate_is_first_order(build):
    search = build("darts2")
    search.weight_optimiser.param_groups[0]["lr"] = 0.0
    train, valid = next(search.train.drawn(16, 1)), next(search.valid.drawn(16, 1))
    (expected,) = torch.autograd.grad(search.loss(valid, search.weights())[0], [search.alpha])
    assert_close(search.alpha_gradient(train, valid, Tally(torch.device("cpu"))), expected)


def test_smoothing_noise_lies_within_epsilon_which_grows_linearly(build):
    search = build("sdarts-rs", epochs=10)
    for epoch in range(10):
        search.epochs_done = epoch
        assert search.epsilon() == pytest.approx(0.03 + 0.27 * epoch / 10)
        noise = torch.stack([search.delta() for _ in range(100)])
        assert 0.95 * search.epsilon() < noise.abs().max() <= search.epsilon()
        assert abs(noise.mean()) < 0.1 * search.epsilon()


def test_smoothed_weights_are_proportions_and_leave_decided_edges_alone(build):
    search = build("sdarts-rs", epsilon_first=2.0)
    search.decided[2] = CONV3
    weights = torch.stack([search.training_weights(None) for _ in range(20)])
    assert (weights >= 0).all()
    assert_close(weights.sum(2), torch.ones(20, 6))
    assert torch.equal(weights[:, 2], torch.eye(5)[CONV3].expand(20, 5))
    assert not torch.equal(weights[0, 0], weights[1, 0])


def test_proportions_worked_out_by_hand():
    rows = [[0.2, -0.1, 0.3, 0.0, 0.1], [-0.5, -0.1, -0.2, -0.3, -0.4], [3.0, 1.0, 0.0, 0.0, 0.0]]
    expected = [[1 / 3, 0, 0.5, 0, 1 / 6], [0, 1, 0, 0, 0], [0.5, 0.5, 0, 0, 0]]
    assert_close(proportions(torch.tensor(rows)), torch.tensor(expected))


def test_smoothing_is_absent_from_alphas_step(build):
    smooth, plain = build("sdarts-rs", alpha_init=1.0), build("darts", alpha_init=1.0)
    train, valid = next(plain.train.drawn(16, 1)), next(plain.valid.drawn(16, 1))
    before, tally = smooth.perturbations.get_state(), Tally(torch.device("cpu"))
    assert torch.equal(smooth.alpha_gradient(train, valid, tally), plain.alpha_gradient(train, valid, tally))
    assert torch.equal(smooth.perturbations.get_state(), before)


def same_as_darts(build, method, **changes):
    """Whether two epochs of the method and of DARTS with the same settings agree to the last bit."""
    variant = build(method, **changes)
    shared = {field.name: getattr(variant.settings, field.name) for field in dataclasses.fields(GradientSettings)}
    darts = build("darts", **shared)
    rows = [(variant.epoch(), darts.epoch()) for _ in range(2)]
    return all(one == other for one, other in rows) and torch.equal(variant.alpha, darts.alpha)


def test_darts_minus_without_its_auxiliary_skip_is_darts(build):
    assert same_as_darts(build, "darts-minus", beta=0.0)
    assert not same_as_darts(build, "darts-minus")


@pytest.mark.parametrize(("decay", "half"), [("linear", 0.5), ("cosine", 0.5), ("none", 1.0)])
def test_the_auxiliary_skip_decays_to_zero(build, decay, half):
    search = build("darts-minus", epochs=50, decay=decay)
    betas = []
    for epoch in range(51):
        search.epochs_done = epoch
        betas.append(search.beta())
    assert betas[0] == 1
    assert betas[25] == pytest.approx(half)
    assert betas[50] == pytest.approx(2 * half - 1)
    assert betas == sorted(betas, reverse=True)


def test_the_auxiliary_skip_is_part_of_the_mixture_and_not_of_the_choice(build):
    search = build("darts-minus", alpha_init=0.1)
    search.epochs_done = 1  # of 3
    batch = next(search.train.drawn(16, 1))
    weights = search.weights()
    mixed = weights.detach().clone()
    mixed[:, SKIP] += 2 / 3
    expected = F.cross_entropy(search.supernet(batch[0], mixed), batch[1])
    assert_close(search.loss(batch, weights)[0], expected)
    assert_close(weights, search.alpha.softmax(1))
    assert search.cell().operations == tuple(search.alpha.argmax(1).tolist())


def test_sgas_decides_one_edge_at_a_time_on_its_schedule(build):
    search = build("sgas", epochs=20, warmup_epochs=5, interval=2)
    counts, seen = [], []
    for _ in range(20):
        search.epoch()
        edges = [edge for edge in range(6) if search.decided[edge] >= 0]
        assert [edge for edge in seen if edge not in edges] == []
        seen = edges
        counts.append(len(edges))
    assert counts == [0] * 4 + [1, 1, 2, 2, 3, 3, 4, 4, 5, 5] + [6] * 6
    assert search.cell().operations == tuple(search.decided.tolist())
    assert NONE not in search.cell().operations


def test_sgas_decides_what_is_still_open_in_the_end(build):
    search = build("sgas", epochs=3, warmup_epochs=2, interval=5)
    for _ in range(3):
        search.epoch()
    assert (search.decided >= 0).all()


def test_sgas_decides_in_the_order_of_its_criterion_and_never_for_none(build):
    search = build("sgas")
    table = torch.zeros(6, 5)
    table[:, CONV3] = torch.tensor([1.0, 3.0, 2.0, 5.0, 4.0, 6.0])  # both importance and certainty grow with it
    table[1, NONE] = 9.0  # edge 1 is of no importance
    with torch.no_grad():
        search.alpha.copy_(table)
    order = []
    for _ in range(6):
        search.decide(search.proportions())
        order += [edge for edge in range(6) if search.decided[edge] >= 0 and edge not in order]
    assert order[:4] == [5, 3, 4, 2]
    assert search.cell() == Cell((CONV3,) * 6)


def test_sgas_scores_worked_out_by_hand(build):
    search = build("sgas", criterion=2)
    p = torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0], [1.0, 0, 0, 0]])[[0, 1, 2, 0, 1, 2]]
    share = torch.tensor([0.5, 0.75, 0.9, 0.9, 0.5, 0.75])
    weights = torch.cat([1 - share[:, None], share[:, None] * p], 1)
    with torch.no_grad():
        search.alpha.copy_(weights.clamp(min=1e-30).log())
    assert_close(search.proportions(), p)
    importance = torch.tensor([0, 0.625, 1, 1, 0, 0.625])
    certainty = torch.tensor([0, 0.5, 1, 0, 0.5, 1])
    assert_close(search.edge_scores(p), torch.zeros(6))  # no epoch to compare with yet
    now, other = p.clone(), p.clone()
    other[2] = torch.tensor([0, 1.0, 0, 0])  # overlap 0 in one epoch of two
    search.recent = [now, other]
    stability = torch.tensor([1, 1, 0, 1, 1, 1.0])
    assert_close(search.edge_scores(p), importance * certainty * stability)


def test_alpha_of_a_decided_edge_is_frozen(build):
    search = build("sgas")
    search.epoch()
    decided = search.decided >= 0
    assert decided.sum() == 1
    before = search.alpha.detach().clone()
    search.alternate("shuffled")
    assert torch.equal(search.alpha[decided], before[decided])
    assert not torch.equal(search.alpha[~decided], before[~decided])


def test_batches_of_sgas_grow_with_every_decision(build):
    search = build("sgas", batch_size=10, batch_increase=8)
    assert search.batch_size() == 10
    search.decided[:2] = CONV3
    assert search.batch_size() == 26


def test_pt_takes_the_place_of_sgas_before_its_first_decision(build):
    """Also where SGAS has been through a checkpoint."""
    sgas, until_then = build("sgas"), build("sgas")
    for _ in range(sgas.epochs):
        sgas.epoch()
    until_then.epoch()
    until_then.undo_decisions()
    pt = build("sgas+pt")
    assert (pt.trained.decided < 0).all()
    assert torch.equal(pt.trained.alpha, until_then.alpha)
    for one, other in zip(pt.trained.parameters, until_then.parameters, strict=True):
        assert torch.equal(one, other)
    # Magnitude chooses from the very supernet that PT starts from, not from SGAS's last.
    assert pt.alternative_cell() == ("magnitude", until_then.cell())
    loaded = build("sgas")
    loaded.load(sgas.state())
    loaded.undo_decisions()
    assert torch.equal(loaded.alpha, until_then.alpha)


def test_a_draw_is_one_hot_and_follows_the_softmax_of_alpha(build):
    search = build("gdas")
    with torch.no_grad():
        search.alpha.copy_(torch.tensor([0.0, 1.0, 2.0, -1.0, 0.5]).expand(6, 5))
    draws = torch.stack([search.draw(search.weights().detach()) for _ in range(2000)])
    assert_close(draws, NASBENCH201.one_hot(draws.argmax(2)))
    assert_close(draws.mean((0, 1)), search.weights()[0].detach(), rtol=0, atol=0.015)


def test_the_temperature_falls_linearly_from_ten_to_a_tenth(build):
    search = build("gdas", epochs=250)
    temperatures = []
    for epoch in range(250):
        search.epochs_done = epoch
        temperatures.append(search.temperature())
    assert temperatures[0] == 10
    assert temperatures[249] == pytest.approx(0.1)
    assert_close(torch.tensor(temperatures).diff(), torch.full((249,), -9.9 / 249), rtol=1e-3, atol=1e-5)


def test_a_draw_has_the_gradient_of_the_gumbel_softmax(build):
    search = build("gdas", alpha_init=1.0)
    factors = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    noise = search.draws.get_state()
    (gradient,) = torch.autograd.grad((search.draw(search.weights()) * factors).sum(), [search.alpha])
    search.draws.set_state(noise)
    uniform = torch.rand(6, 5, generator=search.draws, dtype=torch.double)
    soft = ((search.alpha.log_softmax(1) - (-uniform.log()).log()) / search.temperature()).softmax(1).float()
    (expected,) = torch.autograd.grad((soft * factors).sum(), [search.alpha])
    assert_close(gradient, expected)


def test_a_sampled_cell_is_computed_as_a_single_path_and_its_gradient_is_the_programs(build):
    """Operations that were not chosen count as if they gave ones."""
    search = build("gdas")
    images = next(search.train.drawn(8, 1))[0]
    for cell in (Cell((CONV3, SKIP, NONE, 4, 2, CONV3)), Cell((NONE, CONV3, SKIP, NONE, 2, 4)), Cell((NONE,) * 6)):
        weights = NASBENCH201.one_hot(torch.tensor(cell.operations)).requires_grad_()
        logits = search.supernet.forward_sampled(images, cell, weights)
        assert_close(logits, search.supernet.forward_path(images, [cell] * 3), rtol=1e-4, atol=1e-4)
        (gradient,) = torch.autograd.grad(logits[:, 0].sum(), [weights])

        x = search.supernet.stem(images)
        expected_weights = weights.detach().clone().requires_grad_()
        for layer in search.supernet.body:
            if not isinstance(layer, SearchCell):
                x = layer(x)
                continue
            nodes = [x]
            for target in (1, 2, 3):
                total = torch.zeros_like(x)
                for edge, (source, end) in enumerate(EDGES):
                    for operation in range(5) if end == target else ():
                        chosen = operation == cell.operations[edge]
                        output = oracle.operation_output(layer, operation, edge, nodes[source])
                        output = output if chosen else torch.ones_like(x)
                        total = total + expected_weights[edge, operation] * output
                nodes.append(total)
            x = nodes[3]
        (expected,) = torch.autograd.grad(search.supernet.head(x)[:, 0].sum(), [expected_weights])
        assert_close(gradient, expected, rtol=1e-2, atol=1e-3 * expected.abs().max().item())


@pytest.mark.parametrize("decay_undrawn", [False, True])
def test_gdas_leaves_what_it_has_not_drawn_as_it_is(build, monkeypatch, decay_undrawn):
    """By hand: SGD without a gradient is w − lr · decay · w. A step of α draws, too."""
    changes = {"lr": 0.1, "momentum": 0.0, "nesterov": False, "weight_decay": 0.01, "decay_undrawn": decay_undrawn}
    search = build("gdas", **changes)
    drawn = [Cell((SKIP,) * 6), Cell((SKIP, CONV3, SKIP, SKIP, SKIP, SKIP)), Cell((SKIP,) * 6)]
    draws = iter([NASBENCH201.one_hot(torch.tensor(cell.operations)) for cell in drawn])
    monkeypatch.setattr(search, "draw", lambda weights: next(draws) + 0 * weights)
    train, valid = next(search.train.drawn(16, 1)), next(search.valid.drawn(16, 1))
    convolutions = [search.supernet.cells[2].convolution(CONV3, edge) for edge in (1, 3)]
    before = [weights.detach().clone() for weights in convolutions]
    decay, tally = 1 - 0.1 * 0.01, Tally(torch.device("cpu"))

    search.weight_step(train, tally)
    for now, then in zip(convolutions, before, strict=True):
        assert_close(now.detach(), then * (decay if decay_undrawn else 1), rtol=1e-6 * decay_undrawn, atol=0)
    search.alpha_step(train, valid, tally)  # draws the first
    search.weight_step(train, tally)
    assert_close(convolutions[0].detach(), before[0] * decay ** (2 if decay_undrawn else 1), rtol=1e-6, atol=0)
    assert_close(convolutions[1].detach(), before[1] * (decay**2 if decay_undrawn else 1), rtol=1e-6, atol=0)


def test_pt_refuses_a_supernet_without_a_mixture():
    with pytest.raises(SettingsError, match=r"gdas\+pt is no method.* no mixture"):
        plan(read_preset("smoke"), ["gdas+pt"], [0])


def test_pc_darts_of_all_channels_and_equal_edges_is_darts(build, pytorch_layers):
    assert same_as_darts(build, "pc-darts", part=1, edge_normalisation=False, warmup_epochs=0)
    assert not same_as_darts(build, "pc-darts", part=2, edge_normalisation=False, warmup_epochs=0)


def test_edge_weights_sum_to_one_at_every_node_and_multiply_those_of_the_operations(build):
    search = build("pc-darts", part=1, alpha_init=1.0)
    edges = search.edge_weights().detach()
    assert_close(torch.stack([edges[:1].sum(), edges[1:3].sum(), edges[3:].sum()]), torch.ones(3))
    batch = next(search.train.drawn(16, 1))
    weights = search.weights().detach()
    plain = Supernet(4, 1, 10, torch.Generator())
    plain.load_state_dict(search.supernet.state_dict())
    expected = F.cross_entropy(plain(batch[0], weights * edges[:, None]), batch[1])
    assert_close(search.loss(batch, weights)[0], expected)


@pytest.mark.parametrize(
    ("width", "part", "mixed"), [(16, 4, 4), (4, 4, 1), (2, 4, 1), (6, 4, 2), (5, 4, 5), (8, 1, 8)]
)
def test_a_partial_cell_by_its_definition(width, part, mixed):
    cell = PartialSearchCell(width, part)
    initialise(cell, torch.Generator().manual_seed(0))
    assert cell.channels == mixed
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, width, 5, 5, generator=generator)
    weights, bypass = torch.rand(6, 5, generator=generator), torch.rand(6, generator=generator)
    nodes = [x]
    for target in (1, 2, 3):
        total = torch.zeros_like(x)
        for edge, (source, end) in enumerate(EDGES):
            if end == target:
                part_of_it = nodes[source][:, :mixed]
                joined = torch.zeros_like(x)
                for channel in range(width):
                    if channel >= mixed:
                        joined[:, channel] = bypass[edge] * nodes[source][:, channel]
                joined[:, :mixed] = sum(
                    weights[edge, operation] * oracle.operation_output(cell, operation, edge, part_of_it)
                    for operation in range(5)
                )
                order = [group * mixed + place for place in range(mixed) for group in range(width // mixed)]
                total = total + joined[:, order]
        nodes.append(total)
    mixture = Mixture(torch.cat([weights, bypass[:, None]], 1), mixed)
    assert_close(cell(x, mixture), nodes[3], rtol=1e-4, atol=1e-5)


def test_alpha_and_gamma_wait_for_the_warm_up_and_then_train(build):
    search = build("pc-darts", epochs=3, warmup_epochs=2)
    before = search.alpha.detach().clone(), search.gamma.detach().clone()
    for _ in range(2):
        assert "valid_loss" not in search.epoch()
    assert torch.equal(search.alpha, before[0])
    assert torch.equal(search.gamma, before[1])
    assert "valid_loss" in search.epoch()
    assert (search.alpha != before[0]).all()
    assert (search.gamma[1:] != before[1][1:]).all()


def test_gammas_gradient_is_that_of_the_validation_loss(build):
    search = in_float64(build("pc-darts"))
    search.gamma = torch.randn(6, dtype=torch.double, generator=torch.Generator().manual_seed(1)).requires_grad_()
    batch = batch_of(search.valid)
    search.alpha_gradient(batch, batch, Tally(torch.device("cpu")))
    losses = []
    for step in (1e-6, -1e-6):
        with torch.no_grad():
            search.gamma[3] += step
            losses.append(search.loss(batch, search.weights())[0].item())
            search.gamma[3] -= step
    assert search.gamma.grad[3].item() == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-4)
    assert search.gamma.grad[0].item() == pytest.approx(0, abs=1e-6)  # the only edge that enters node 1


MIXTURES = ["darts2", "sdarts-rs", "darts-minus", "sgas", "pc-darts"]


@pytest.mark.parametrize("method", [*MIXTURES, "gdas"])
def test_a_regulariser_pulls_alpha_by_its_own_gradient_alone(build, method):
    gradients = []
    for strength in (0.0, 6.0):
        search = build(method, regulariser="beta", strength=strength, schedule="constant", alpha_init=1.0)
        train, valid = next(search.train.drawn(16, 1)), next(search.valid.drawn(16, 1))
        gradients.append(search.alpha_gradient(train, valid, Tally(torch.device("cpu"))))
    assert_close(gradients[1] - gradients[0], search.alpha.detach().softmax(1), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", MIXTURES)
def test_pt_decides_every_edge_of_every_mixture_and_goes_on_from_a_checkpoint(build, method, tmp_path):
    whole, stopped, resumed = (build(f"{method}+pt") for _ in range(3))
    expected = [whole.epoch() for _ in range(whole.epochs)]
    begun = [stopped.epoch() for _ in range(2)]
    checkpoint.write(tmp_path / "c.safetensors", checkpoint.Checkpoint(stopped.state(), [], 0.0))
    resumed.load(checkpoint.read(tmp_path / "c.safetensors", [].append).state)
    assert begun + [resumed.epoch() for _ in range(whole.epochs - 2)] == expected
    assert whole.cell().operations == tuple(whole.trained.decided.tolist())
    assert resumed.cell() == whole.cell()


@pytest.mark.parametrize("method", [*MIXTURES, "gdas"])
def test_every_setting_is_described(method):
    settings = registry.load(method).Settings
    assert all(field_docs(settings)[field.name].endswith(".") for field in dataclasses.fields(settings))


@pytest.mark.parametrize("method", [*MIXTURES, "gdas"])
def test_the_best_scored_cell_is_the_one_chosen(build, method):
    search = build(method)
    for _ in range(3):
        search.epoch()
        assert Cell.at(int(search.scores().argmax())) == search.cell()


def test_the_paper_preset_holds_the_published_protocols():
    """The numbers that a reader would check first; each method's own page has them all."""
    tables = read_preset("paper")
    s = {method: plan(tables, [method], [0])[0].stages[0].settings for method in [*MIXTURES, "gdas"]}
    epochs = {"darts2": 50, "sdarts-rs": 100, "darts-minus": 50, "sgas": 40, "pc-darts": 100, "gdas": 250}
    assert {method: settings.epochs for method, settings in s.items()} == epochs
    assert [s[method].alpha_first for method in (*MIXTURES, "gdas")] == [True] * 5 + [False]
    assert [s[method].weight_decay for method in (*MIXTURES, "gdas")] == [5e-4] + [3e-4] * 4 + [5e-4]
    assert [s[method].nesterov for method in (*MIXTURES, "gdas")] == [True] + [False] * 4 + [True]
    assert (s["sdarts-rs"].epsilon_first, s["sdarts-rs"].epsilon_last) == (0.03, 0.3)
    assert (s["sgas"].warmup_epochs, s["sgas"].interval, s["sgas"].batch_increase) == (10, 5, 8)
    assert (s["pc-darts"].part, s["pc-darts"].warmup_epochs, s["pc-darts"].edge_normalisation) == (4, 15, True)
    assert (s["gdas"].temperature_first, s["gdas"].temperature_last) == (10, 0.1)
    assert (s["darts-minus"].beta, s["darts-minus"].decay) == (1, "linear")
