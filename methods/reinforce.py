"""REINFORCE on the table: Williams, "Simple statistical gradient-following algorithms", Machine Learning, 1992.

Of each edge e a categorical distribution p_e = softmax(α_e) draws the operation a_e, so that log p(a) = Σ_e log
p_e(a_e). The reward r of a cell is its accuracy in percent, and the expected reward ascends along

    ∇_α E[r] = E[ (r − b) · ∇_α log p(a) ],

of which each cell gives one sample. The baseline b, which takes no part in the mean and makes the samples less noisy,
is a moving average of the rewards, the present one included, without the bias of its start at zero:

    m ← μ·m + (1 − μ)·r,      n ← μ·n + (1 − μ),      b = m / n.

So the first cell teaches nothing. In the program the result is the best cell that was ever drawn, not what the policy
has learned; this one's is the same. Where the program learns from the last cell, which overruns the budget, and may
choose it, this one does without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from data.published import reported
from methods.on_table import Questions, TableSearch, TimeSettings
from methods.search import categorical
from methods.settings import NotNegative, Rate, Share, setting


@dataclass(frozen=True, kw_only=True)
class ReinforceSettings(TimeSettings):
    alpha_init: NotNegative = setting(1e-3, "AutoDL-Projects, reinforce.py: 1e-3 * randn")
    """Standard deviation of the normal distribution that α starts from."""
    policy_lr: Rate = setting(
        0.01, "AutoDL-Projects, NATS-algos/reinforce.py: --learning_rate 0.01; NAS-Bench-201's script leaves it open"
    )
    """Learning rate of α (Adam)."""
    baseline_momentum: Share = setting(0.9, "AutoDL-Projects, REINFORCE.sh: --EMA_momentum 0.9")
    """μ, the share that the baseline keeps of its past."""


class Reinforce(TableSearch):
    """REINFORCE on the table: a categorical policy for each edge, taught by the accuracy of what it draws"""

    title = "REINFORCE"
    year = 1992
    published = reported(
        'NAS-Bench-201\'s table, as quoted in the RMI-NAS README, row "RL"',
        {"cifar10_test": (93.85, 0.37), "cifar100_test": (71.71, 1.09), "imagenet16-120_test": (45.24, 1.18)},
        runs=500,
        note="search on CIFAR-10, 12,000 simulated seconds",
    )

    Settings: ClassVar[type] = ReinforceSettings
    settings: ReinforceSettings
    source = 'Williams, "REINFORCE", 1992, as in NAS-Bench-201, §5; program: AutoDL-Projects, reinforce.py'

    def questions(self, random: np.random.Generator) -> Questions:
        s = self.settings
        initial = s.alpha_init * random.standard_normal(self.space.shape)
        alpha = torch.from_numpy(initial).requires_grad_()
        optimiser = torch.optim.Adam([alpha], s.policy_lr, fused=True)  # its roots are the same on every processor
        m = n = 0.0
        while True:
            choices = categorical(alpha.softmax(1), random)
            reward = yield self.space.cell(choices.tolist())
            m, n = (s.baseline_momentum * old + (1 - s.baseline_momentum) * new for old, new in ((m, reward), (n, 1.0)))
            (gradient,) = torch.autograd.grad(-log_probability(alpha, choices) * (reward - m / n), [alpha])
            alpha.grad = gradient
            optimiser.step()


def log_probability(alpha: Tensor, choices: Tensor) -> Tensor:
    """log p(a) of a cell of these operations, (edges,), where each edge follows the softmax of its row of α."""
    return alpha.log_softmax(1).gather(1, choices[:, None]).sum()
