"""DARTS, second order: Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, §2.3.

α descends the validation loss not of the present weights w but of those one training step ahead (Eq. 6),

    ∇_α L_val(w′, α)   with   w′ = w − ξ ∇_w L_train(w, α),

so that it sees how w will answer to it. The chain rule gives (Eq. 7)

    ∇_α L_val(w′, α) − ξ ∇²_{α,w} L_train(w, α) ∇_{w′} L_val(w′, α),

and the product of the matrix and the vector is a finite difference (Eq. 8)

    ∇²_{α,w} L_train(w, α) ∇_{w′} L_val(w′, α)  ≈  (∇_α L_train(w⁺, α) − ∇_α L_train(w⁻, α)) / 2ε,
    w^± = w ± ε ∇_{w′} L_val(w′, α),   ε = 0.01 / ‖∇_{w′} L_val(w′, α)‖.

As in the program, ξ is the present learning rate of w, and the step ahead is SGD's own, with weight decay and momentum
(never Nesterov's), but not clipped. Neither depends on α, so Eq. 7 stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from data.published import reported
from methods.batches import Batch
from methods.gradient import GradientSearch, GradientSettings, refuse_alignment
from methods.settings import Rate, setting
from methods.training import Tally, frozen
from spaces import Cell


@dataclass(frozen=True, kw_only=True)
class Darts2Settings(GradientSettings):
    alpha_first: bool = setting(True, "AutoDL-Projects, DARTS-V2.py: backward_step_unrolled before the weights' step")
    radius: Rate = setting(0.01, "DARTS §2.3, footnote; AutoDL-Projects, DARTS-V2.py: r=1e-2")
    """Length of the step in w to either side, from which the second derivative is a finite difference."""

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_alignment(self, "α looks one training step ahead, and that step knows nothing of Λ")


class Darts2(GradientSearch):
    """DARTS, second order: α descends the validation loss of the weights one training step ahead"""

    title = "DARTS, 2nd order"
    year = 2019
    published = reported(
        "Dong & Yang, NAS-Bench-201, ICLR 2020",
        {
            "cifar10_valid": (39.77, 0.00),
            "cifar10_test": (54.30, 0.00),
            "cifar100_valid": (15.03, 0.00),
            "cifar100_test": (15.61, 0.00),
            "imagenet16-120_valid": (16.43, 0.00),
            "imagenet16-120_test": (16.32, 0.00),
        },
        runs=3,
        note="second order",
    )
    published_cell = Cell.parse(
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
    )

    Settings: ClassVar[type] = Darts2Settings
    settings: Darts2Settings
    split = "cifar-split"
    split_source = "AutoDL-Projects, DARTS-V2.py: get_nas_search_loaders"
    source = 'Liu et al., "DARTS", ICLR 2019; program: AutoDL-Projects, DARTS-V2.py'

    def alpha_gradient(self, train: Batch, valid: Batch, tally: Tally) -> Tensor:
        """Eq. 7, shape (edges, operations), with the finite difference of Eq. 8."""
        w = [parameter.detach().clone() for parameter in self.parameters]
        xi = self.weight_optimiser.param_groups[0]["lr"]
        self.set_weights(w, -xi, self.direction(train))
        loss, right = self.loss(valid, self.sample())
        tally.add(loss, right, valid)
        gradient, *vector = torch.autograd.grad(self.alpha_loss(loss), [self.alpha, *self.parameters])
        epsilon: Tensor = self.settings.radius / torch.cat([part.flatten() for part in vector]).norm()
        above, below = (self.training_gradient(train, w, sign * epsilon, vector) for sign in (1, -1))
        self.set_weights(w)
        unrolled: Tensor = gradient - xi * (above - below) / (2 * epsilon)
        return unrolled

    def direction(self, train: Batch) -> list[Tensor]:
        """What SGD would subtract from w, but for the learning rate: momentum, gradient and weight decay."""
        s = self.settings
        gradients = torch.autograd.grad(self.loss(train, self.sample().detach())[0], self.parameters)
        direction = []
        for w, gradient in zip(self.parameters, gradients, strict=True):
            momentum = self.weight_optimiser.state.get(w, {}).get("momentum_buffer", 0.0)  # none before the first step
            direction.append(gradient + s.weight_decay * w.detach() + s.momentum * momentum)
        return direction

    def training_gradient(self, train: Batch, w: Sequence[Tensor], step: Tensor, vector: Sequence[Tensor]) -> Tensor:
        """∇_α L_train(w + step · vector, α)."""
        self.set_weights(w, step, vector)
        with frozen(self.parameters):
            loss, _ = self.loss(train, self.sample())
        gradient: Tensor
        (gradient,) = torch.autograd.grad(loss, [self.alpha])
        return gradient

    @torch.no_grad()
    def set_weights(self, w: Sequence[Tensor], step: Tensor | float = 0.0, vector: Sequence[Tensor] = ()) -> None:
        """Make the supernet's weights w + step · vector; without a vector, w to the last bit."""
        for parameter, value in zip(self.parameters, w, strict=True):
            parameter.copy_(value)
        for parameter, part in zip(self.parameters, vector, strict=False):
            parameter.add_(step * part)
