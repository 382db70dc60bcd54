"""GAEA: Li et al., "Geometry-Aware Gradient Algorithms for Neural Architecture Search", ICLR 2021; here with DARTS.

The weights of an edge's operations lie on the simplex, and a softmax is a detour there. GAEA has no α: θ is itself the
weights, and descends by exponentiated gradients (Alg. 1), a mirror descent whose geometry is the simplex' own,

    θ ← θ ⊙ exp(−η ∇_θ L_val),   θ ← max(θ, 1e-5),   θ ← θ / Σ θ,

with all operations equal at the start. It goes to sparse weights quickly: a factor for each step, not a summand.

The program adds the entropic term ρ · Σ θ log(θ · |O|) to the loss, with ρ = 0 for this method. Its run for
NAS-Bench-201 has no `none` among the operations (a flag in its README) and a supernet of 24 channels, for which say
`--set problem.channels=24`; and it stops after 25 epochs of a cosine over 50. Of the two ways of its paper this is the
bilevel one, θ on images that w does not see; the other has θ on all training images.

β-decay and L2, where asked for, are of θ as they are of α elsewhere: both pull its operations together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from methods.gdas import log
from methods.gradient import GradientSearch, GradientSettings
from methods.settings import Count, NotNegative, Rate, setting
from methods.training import cosine


@dataclass(frozen=True, kw_only=True)
class GAEASettings(GradientSettings):
    epochs: Count = setting(25, "gaea_release, README: half of a cosine over 50")
    nesterov: bool = setting(False, "gaea_release, train_search.py: torch.optim.SGD without it")
    weight_decay: NotNegative = setting(3e-4, "gaea_release, search_nasbench201.yaml: weight_decay")
    clip_counts_alpha: bool | Literal["softmax"] = setting(
        False, "gaea_release, architect_edarts.py: θ is no parameter of the model"
    )
    alpha_lr: Rate = setting(0.1, "gaea_release, method_edarts_space_nasbench201.yaml: arch_learning_rate")
    """η, the learning rate of θ."""
    alpha_weight_decay: NotNegative = setting(0.0, "gaea_release, method_edarts_space_nasbench201.yaml")
    """ρ, the factor of the entropic term."""
    alpha_first: bool = setting(True, "gaea_release, train_search.py: architect.step before the weights' step")
    least: NotNegative = setting(1e-5, "gaea_release, architect_edarts.py: normalize, min_v")
    """What no weight falls below before they are scaled to a sum of 1."""
    cosine_length: Count = setting(2, "gaea_release, README: 25 epochs of a cosine over 50")
    """The epochs of the cosine that the learning rate of w falls on, in multiples of the epochs that are run."""
    exclude_none: bool = setting(True, "gaea_release, README: search.exclude_zero=true")
    """Whether `none` is no candidate: it has the weight 0, and no cell with it is found."""


class GAEA(GradientSearch):
    """GAEA: the weights of the operations themselves descend on the simplex, by exponentiated gradients"""

    title = "GAEA"
    year = 2021

    Settings: ClassVar[type] = GAEASettings
    settings: GAEASettings
    split = "cifar-split"
    split_source = "gaea_release, train_utils.py: AutoDL-Projects' split for NAS-Bench-201"
    source = 'Li et al., "Geometry-Aware Gradient Algorithms", ICLR 2021; program: gaea_release, architect_edarts.py'

    def initial_alpha(self, generator: torch.Generator) -> Tensor:
        """θ at the start: all candidates of an edge alike."""
        return self.on_simplex(torch.ones_like(super().initial_alpha(generator)))

    def on_simplex(self, weights: Tensor) -> Tensor:
        """Weights of the candidates, scaled to a sum of 1 on every edge."""
        if self.settings.exclude_none and self.space.none is not None:
            weights[:, self.space.none].fill_(0)
        return weights / weights.sum(1, keepdim=True)

    def relax(self, alpha: Tensor) -> Tensor:
        """θ, as it is."""
        return alpha

    def alpha_loss(self, valid_loss: Tensor) -> Tensor:
        """The validation loss, and ρ times the entropic term."""
        loss, rho = super().alpha_loss(valid_loss), self.settings.alpha_weight_decay
        if not rho:
            return loss
        theta, candidates = self.alpha.double(), self.alpha > 0
        logs = log(torch.where(candidates, theta * candidates.sum(1, keepdim=True), 1.0))
        return loss + rho * (theta * logs).sum()

    @torch.no_grad()
    def update_alpha(self, gradient: Tensor) -> None:
        """The exponentiated gradient step (Alg. 1)."""
        # exp(x) as expm1(x) + 1: PyTorch's own is rounded as the processor has it.
        factor = torch.expm1(-self.settings.alpha_lr * gradient.double()) + 1
        self.alpha.copy_(self.on_simplex((self.alpha * factor).clamp(min=self.settings.least)))

    def learning_rate(self) -> float:
        """Of w: on a cosine that is longer than the search."""
        s = self.settings
        return cosine(replace(s, epochs=s.cosine_length * s.epochs), self.epochs_done + s.skip_first_lr)
