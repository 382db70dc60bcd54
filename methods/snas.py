"""SNAS: Xie et al., "SNAS: Stochastic Neural Architecture Search", ICLR 2019.

The weights of an edge's operations are a draw from a concrete distribution: a softmax at temperature λ of α and Gumbel
noise (§2.2),

    Z = softmax( (α + G) / λ ),   G = −log(−log U),   U ~ U(0, 1),

anew in every step of w and of α, which both descend through the draw. The higher λ, the more even are the weights; as
it falls, they go to single operations drawn from softmax(α). All operations are computed, other than in GDAS, which
computes the one that is drawn. In the end an edge keeps its largest α.

Its paper trains w and α together on all training images, and has no NAS-Bench-201. The rows that tables have of it
there presumably come from DrNAS's program (`--method snas`), which this one follows: w and α on a half each, as in
DARTS, and λ falls by 0.09 an epoch from 10 in the first of 100, so that the last has 1.09. PT masks operations in
softmax(α).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from methods.gdas import log
from methods.gradient import GradientSearch, GradientSettings
from methods.search import Problem, Search, seeded
from methods.settings import Count, NotNegative, Rate, setting


@dataclass(frozen=True, kw_only=True)
class SNASSettings(GradientSettings):
    epochs: Count = setting(100, "DrNAS, 201-space/train_search.py: --epochs")
    nesterov: bool = setting(False, "DrNAS, train_search.py: torch.optim.SGD without it")
    weight_decay: NotNegative = setting(3e-4, "DrNAS, train_search.py: --weight_decay")
    alpha_first: bool = setting(True, "DrNAS, train_search.py: architect.step before the weights' step")
    temperature_first: Rate = setting(10.0, "DrNAS, train_search.py: --tau_max")
    """λ of the first epoch."""
    temperature_last: Rate = setting(1.0, "DrNAS, train_search.py: --tau_min")
    """λ after the last epoch; on the way it falls on a straight line."""


class SNAS(GradientSearch):
    """SNAS: the weights of the operations are drawn by Gumbel-softmax from α at a falling temperature"""

    title = "SNAS"
    year = 2019

    Settings: ClassVar[type] = SNASSettings
    settings: SNASSettings
    saved = ("draws",)
    split_source = "DrNAS, 201-space/train_search.py: indices[:split], indices[split:num_train]"
    source = 'Xie et al., "SNAS", ICLR 2019; program: DrNAS, 201-space/train_search.py, --method snas'

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        self.draws = torch.Generator(problem.device).manual_seed(seeded(seed, 3))
        super().__init__(problem, settings, seed, start)

    def drawn_from(self) -> Sequence[torch.Generator]:
        return (self.draws,)

    def sample(self) -> Tensor:
        """Z, (edges, operations), a draw for each edge."""
        alpha = self.alpha.double()
        uniform = torch.rand(alpha.shape, generator=self.draws, device=alpha.device, dtype=alpha.dtype)
        gumbel = -log(-log(uniform))
        drawn = ((alpha + gumbel) / self.temperature()).softmax(1)
        return self.where_undecided(drawn.to(self.alpha.dtype))

    def temperature(self) -> float:
        """λ of the present epoch."""
        s = self.settings
        return s.temperature_first + (s.temperature_last - s.temperature_first) * self.epochs_done / s.epochs
