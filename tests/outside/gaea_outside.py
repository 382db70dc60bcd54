"""GAEA: Li et al., "Geometry-Aware Gradient Algorithms for Neural Architecture Search", ICLR 2021 (with DARTS).

θ on the simplex is itself the weights of the operations, without a softmax, and descends by exponentiated gradients
(Alg. 1),

    θ ← θ ⊙ exp(−η ∇_θ L_val),   θ ← max(θ, 1e-5),   θ ← θ / Σ θ.
"""

import dataclasses
from dataclasses import dataclass

import torch

from methods.gradient import GradientSearch, GradientSettings
from methods.settings import Count, NotNegative, Rate, setting
from methods.training import cosine


@dataclass(frozen=True, kw_only=True)
class Settings(GradientSettings):
    epochs: Count = setting(25, "gaea_release, train_search.py: half of a cosine over 50")
    nesterov: bool = setting(False, "gaea_release, train_search.py: torch.optim.SGD without it")
    weight_decay: NotNegative = setting(3e-4, "gaea_release, configs")
    alpha_lr: Rate = setting(0.1, "gaea_release, architect_edarts.py: η")
    alpha_first: bool = setting(True, "gaea_release, train_search.py: architect.step before the weights' step")


class GAEA(GradientSearch):
    """GAEA DARTS: the weights of the operations descend on the simplex by exponentiated gradients"""

    Settings = Settings
    source = 'Li et al., "GAEA", ICLR 2021; program: gaea_release'

    def initial_alpha(self, generator):
        return torch.full((6, 5), 1 / 5)

    def relax(self, alpha):
        return alpha

    @torch.no_grad()
    def update_alpha(self, gradient):
        theta = (self.alpha * torch.exp(-self.settings.alpha_lr * gradient)).clamp(min=1e-5)
        self.alpha.copy_(theta / theta.sum(1, keepdim=True))

    def learning_rate(self):
        return cosine(dataclasses.replace(self.settings, epochs=2 * self.settings.epochs), self.epochs_done)
