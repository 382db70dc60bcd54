"""β-DARTS: Ye et al., "β-DARTS: Beta-Decay Regularization for Differentiable Architecture Search", CVPR 2022.

DARTS with one more term in the loss of α. Of β = softmax(α), the weights of the operations, it keeps both value and
variance small through the logsumexp of α,

    L_Beta = mean over edges of log Σ_o exp(α_o),        α descends L_val(w, α) + λ · L_Beta,

whose gradient is the softmax itself: ∂L_Beta/∂α = β / (number of edges). λ grows linearly over the search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from methods.batches import Batch
from methods.gradient import Count, GradientSearch, GradientSettings, NotNegative, Tally
from methods.search import Problem, Search


@dataclass(frozen=True, kw_only=True)
class BetaDartsSettings(GradientSettings):
    beta_decay: NotNegative
    """λ that the linear schedule reaches after `beta_decay_epochs`."""
    beta_decay_epochs: Count
    """Epochs in which λ grows from 0 to `beta_decay`; it goes on growing after them."""


class BetaDarts(GradientSearch):
    """β-DARTS: DARTS with β-decay, the logsumexp of α, in α's loss"""

    Settings: ClassVar[type] = BetaDartsSettings
    source = 'Ye et al., "β-DARTS", CVPR 2022; program: Beta-DARTS, nasbench201/train_search.py'

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        super().__init__(problem, settings, seed)
        self.beta_settings: BetaDartsSettings = settings

    def beta_loss(self) -> Tensor:
        """L_Beta = mean over the 6 edges of logsumexp(α_edge)."""
        loss: Tensor = self.alpha.logsumexp(1).mean()
        return loss

    def decay(self) -> float:
        """λ(e) = 50 · e/100 at epoch e = 0, 1, …, in the published setting."""
        return self.beta_settings.beta_decay * self.epochs_done / self.beta_settings.beta_decay_epochs

    def alpha_gradient(self, valid: Batch, tally: Tally) -> Tensor:
        """∇_α [L_val(w, α) + λ(e) · L_Beta(α)]."""
        loss, right = self.loss(valid, self.weights())
        tally.add(loss, right, valid)
        (gradient,) = torch.autograd.grad(loss + self.decay() * self.beta_loss(), [self.alpha])
        return gradient
