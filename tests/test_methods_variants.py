"""The methods that grew out of DARTS: what each changes in it, and nothing else."""

import torch
import torch.nn.functional as F
from torch.func import functional_call
from torch.testing import assert_close

from methods.gradient import Tally


def in_float64(search):
    """The same search in double precision, its α spread out, after one training step."""
    search.weight_step(next(search.train.drawn(16, 1)), Tally())
    search.supernet.double()
    for state in search.weight_optimiser.state.values():
        state["momentum_buffer"] = state["momentum_buffer"].double()
    search.alpha = torch.randn(6, 5, dtype=torch.double, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return search


def batch_of(half, size=16):
    images, labels = next(half.drawn(size, 1))
    return images.double(), labels


def test_second_order_gradient_is_that_of_the_unrolled_step(build):
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

    found = search.alpha_gradient(train, valid, Tally())
    assert_close(found, expected, rtol=1e-5, atol=1e-9)
    assert (expected - first_order).abs().max() > 1e-3 * expected.abs().max()
    assert all(map(torch.equal, w, before))


def test_second_order_without_a_learning_rate_is_first_order(build):
    search = build("darts2")
    search.weight_optimiser.param_groups[0]["lr"] = 0.0
    train, valid = next(search.train.drawn(16, 1)), next(search.valid.drawn(16, 1))
    (expected,) = torch.autograd.grad(search.loss(valid, search.weights())[0], [search.alpha])
    assert_close(search.alpha_gradient(train, valid, Tally()), expected)
