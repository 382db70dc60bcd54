"""SmoothDARTS by an adversary: Chen & Hsieh, "Stabilizing DARTS via Perturbation-based Regularization", ICML 2020.

Where random smoothing (`methods.sdarts_rs`) trains w at weights of the operations drawn around the present ones, an
adversary chooses the worst of them here (§4),

    min_α L_val(w̄(α), α)   with   w̄(α) = argmin_w max_{‖δ‖_∞ ≤ ε} L_train(w, A(α) + δ),

anew for each batch, by projected gradient ascent: from a random start, 7 steps

    δ ← P( δ + (2ε / 7) · sign ∇_δ L_train(w, A + δ) ),

where P cuts δ to [−ε, ε]. As there, the program perturbs not α but its softmax A, and after each step cuts A + δ to
[0, 1] and scales each edge's weights to sum to 1 again; ε grows from 0.03 with the epochs. If the loss is lower in the
end than where it started, there is no perturbation in this step.

The program's adversary computes with running statistics (`model.eval()`), this one with the batch's own, as w then
trains with. It has no published number on NAS-Bench-201.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from methods.batches import Batch
from methods.sdarts_rs import SDartsRS, SDartsRSSettings, proportions
from methods.settings import Count, setting
from methods.training import frozen


@dataclass(frozen=True, kw_only=True)
class SDartsADVSettings(SDartsRSSettings):
    attack_steps: Count = setting(7, "SmoothDARTS, attacker/perturb.py: Linf_PGD_alpha, steps=7")
    """Steps of the adversary for each batch, each of 2ε over their number."""


class SDartsADV(SDartsRS):
    """SmoothDARTS (adversarial): the supernet trains at the worst of the weights around those of the operations"""

    title = "SDARTS-ADV"
    year = 2020

    Settings: ClassVar[type] = SDartsADVSettings
    settings: SDartsADVSettings
    source = 'Chen & Hsieh, "Stabilizing DARTS", ICML 2020; program: SmoothDARTS, nasbench201, --perturb_alpha pgd_linf'

    def training_weights(self, train: Batch) -> Tensor:
        """The weights that w trains with: undecided edges where the adversary has them."""
        start = self.weights()
        with frozen(self.parameters):
            perturbed = self.attacked(start.detach(), train)
        # Its gradient is that of the weights it started from.
        return self.where_undecided(start + (perturbed - start).detach())

    def attacked(self, start: Tensor, train: Batch) -> Tensor:
        """The weights, (edges, operations), that the adversary comes to from `start`."""
        epsilon, steps = self.epsilon(), self.settings.attack_steps
        weights = proportions(start + self.delta())
        for _ in range(steps):
            weights = self.where_undecided(weights).requires_grad_()
            (gradient,) = torch.autograd.grad(self.loss(train, weights)[0], [weights])
            delta = (weights.detach() + 2 * epsilon / steps * gradient.sign() - start).clamp(-epsilon, epsilon)
            weights = proportions(start + delta)
        with torch.no_grad():
            before, after = (self.loss(train, self.where_undecided(at))[0] for at in (start, weights))
        return torch.where(before > after, start, weights)
