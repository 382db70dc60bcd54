"""SmoothDARTS by random smoothing: Chen & Hsieh, "Stabilizing DARTS via Perturbation-based Regularization", ICML 2020.

α should lie where the validation loss is flat, for the final cell is a big step away from any α. So the weights w train
to do well not at the present weights of the operations but all around them (§4),

    min_α L_val(w̄(α), α)   with   w̄(α) = argmin_w E[ L_train(w, A(α) + δ) ],   δ ~ U[−ε, ε],

where each training step draws a new δ, and ε grows linearly with the epochs. α's own step is DARTS's, without δ.

The program perturbs not α but its softmax, cuts the result to [0, 1] and scales each edge's weights to sum to 1 again;
so does this one. ε(e) = 0.03 + (0.3 − 0.03) · e/epochs: it never quite arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from methods.batches import Batch
from methods.gradient import GradientSearch, GradientSettings
from methods.search import Problem, Search, seeded
from methods.settings import Count, NotNegative, setting


@dataclass(frozen=True, kw_only=True)
class SDartsRSSettings(GradientSettings):
    epochs: Count = setting(100, "SmoothDARTS, train_search.py: --epochs")
    nesterov: bool = setting(False, "SmoothDARTS, train_search.py: torch.optim.SGD without it")
    weight_decay: NotNegative = setting(3e-4, "SmoothDARTS, train_search.py: --weight_decay")
    clip_counts_alpha: bool | Literal["softmax"] = setting(
        "softmax", "SmoothDARTS, train_search.py: clip_grad_norm_ while alpha.data holds softmax(α) + δ"
    )
    skip_first_lr: bool = setting(True, "SmoothDARTS, train_search.py: scheduler.step() before the first epoch")
    alpha_first: bool = setting(True, "SmoothDARTS, train_search.py: architect.step before the weights' step")
    epsilon_first: NotNegative = setting(0.03, "SmoothDARTS, train_search.py: 0.03 + …")
    """ε of the first epoch, the largest perturbation of an operation's weight while w trains."""
    epsilon_last: NotNegative = setting(0.3, "SmoothDARTS, train_search.py: --epsilon_alpha")
    """ε after the last epoch; on the way it grows linearly."""


class SDartsRS(GradientSearch):
    """SmoothDARTS (random smoothing): the operations' weights are perturbed at random while the supernet trains"""

    title = "SDARTS-RS"
    year = 2020

    Settings: ClassVar[type] = SDartsRSSettings
    settings: SDartsRSSettings
    saved = ("perturbations",)
    split_source = "SmoothDARTS, train_search.py: indices[:split], indices[split:num_train]"
    source = 'Chen & Hsieh, "Stabilizing DARTS", ICML 2020; program: SmoothDARTS, nasbench201/train_search.py'

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        self.perturbations = torch.Generator(problem.device).manual_seed(seeded(seed, 3))
        super().__init__(problem, settings, seed, start)

    def drawn_from(self) -> Sequence[torch.Generator]:
        return (self.perturbations,)

    def training_weights(self, train: Batch) -> Tensor:
        """The weights that w trains with: undecided edges perturbed by a new δ."""
        return self.where_undecided(proportions(self.weights() + self.delta()))

    def delta(self) -> Tensor:
        """δ, (edges, operations), uniform in [−ε, ε]."""
        uniform = torch.rand(self.alpha.shape, generator=self.perturbations, device=self.alpha.device)
        return self.epsilon() * (2 * uniform - 1)

    def epsilon(self) -> float:
        """ε of the present epoch."""
        s = self.settings
        return s.epsilon_first + (s.epsilon_last - s.epsilon_first) * self.epochs_done / s.epochs


def proportions(weights: Tensor) -> Tensor:
    """Weights (edges, operations) cut to [0, 1] and scaled to sum 1 an edge; of nothing left, the largest has all."""
    cut = weights.clamp(0, 1)
    total = cut.sum(1, keepdim=True)
    largest = torch.zeros_like(weights).scatter(1, weights.argmax(1, keepdim=True), 1.0)
    return torch.where(total > 0, cut / total.where(total > 0, 1.0), largest)
