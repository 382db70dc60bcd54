"""PC-DARTS: Xu et al., "PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search", ICLR 2020.

Partial channels: of an edge's input only the channels that a fixed mask S selects, 1/K of them, go through the mixed
operation; the others pass it by (Eq. 2),

    f(x; S) = Σ_o softmax(α)_o · o(S ∗ x) + (1 − S) ∗ x.

That takes a K-th of the memory, and blurs the advantage that operations without weights have. S selects the first
channels, and a channel shuffle behind every edge makes them others in the next. Edge normalisation: as partial
channels make α noisy, so does each node weigh its incoming edges by a softmax of parameters γ of their own (Eq. 3),

    x_j = Σ_i softmax(γ)_ij · f(x_i),

which train together with α. In the first epochs neither does, until the weights w are worth a choice.

In NAS-Bench-201 every edge stays in the cell, so γ takes part in the search and not in the choice: each edge keeps its
largest α, whatever its γ. K = 4 where the channels can be divided so, else the largest divisor below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from msgspec import Meta
from torch import Tensor

from data.published import reported
from methods.batches import Batch
from methods.gradient import GradientSearch, GradientSettings
from methods.search import Problem, Search, seeded
from methods.settings import Count, NotNegative, setting
from methods.training import Tally, frozen
from spaces.supernet import Supernet


@dataclass(frozen=True, kw_only=True)
class PCDartsSettings(GradientSettings):
    epochs: Count = setting(100, "DrNAS, 201-space/train_search.py: --epochs; PC-DARTS has 50, for DARTS' own space")
    nesterov: bool = setting(False, "PC-DARTS, train_search.py: torch.optim.SGD without it")
    weight_decay: NotNegative = setting(3e-4, "PC-DARTS, train_search.py: --weight_decay")
    clip_counts_alpha: bool | Literal["softmax"] = setting(
        False, "PC-DARTS, train_search.py: α is no parameter of the model"
    )
    alpha_first: bool = setting(True, "PC-DARTS, train_search.py: architect.step before the weights' step")
    warmup_epochs: Annotated[int, Meta(ge=0)] = setting(15, "PC-DARTS, train_search.py: if epoch >= 15", unit="epochs")
    """Epochs in the beginning in which only w trains."""
    part: Count = setting(4, "PC-DARTS, model_search.py: k = 4")
    """K; a K-th of the channels goes through the mixed operation."""
    edge_normalisation: bool = setting(True, "PC-DARTS, model_search.py: weights2")
    """Whether the edges that enter a node are weighed by a softmax of γ, or each by 1."""


class PCDarts(GradientSearch):
    """PC-DARTS: DARTS on a part of the channels, with weights for the edges that enter a node"""

    title = "PC-DARTS"
    year = 2020
    published = reported(
        "as quoted in the tables of β-DARTS and DrNAS",
        {
            "cifar10_valid": (89.96, 0.15),
            "cifar10_test": (93.41, 0.30),
        },
    )

    Settings: ClassVar[type] = PCDartsSettings
    settings: PCDartsSettings
    saved = ("gamma",)
    split_source = "DrNAS, 201-space/train_search.py: indices[:split], indices[split:num_train]"
    source = 'Xu et al., "PC-DARTS", ICLR 2020; programs: PC-DARTS, train_search.py; DrNAS, 201-space'

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        super().__init__(problem, settings, seed, start)
        initial = torch.Generator().manual_seed(seeded(seed, 3))
        gamma = settings.alpha_init * torch.randn(len(self.space.edges), generator=initial)
        self.gamma = gamma.to(problem.device).requires_grad_()
        if settings.edge_normalisation:
            self.alpha_optimiser.add_param_group({"params": [self.gamma]})

    def new_supernet(self, problem: Problem, generator: torch.Generator) -> Supernet:
        return problem.supernet(generator, part=self.settings.part)

    def edge_weights(self) -> Tensor:
        """(edges,): the weights of the edges, with sum 1 over those that enter a node (Eq. 3)."""
        if not self.settings.edge_normalisation:
            return torch.ones_like(self.gamma)
        return torch.cat([gamma.softmax(0) for gamma in self.gamma.split(self.space.entering)])

    def loss(self, batch: Batch, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The loss where every edge's operations, and its channels that pass them by, are weighed by the edge's."""
        edges = self.edge_weights()[:, None]
        bypass = edges.expand(*weights.shape[:-1], 1)
        return super().loss(batch, torch.cat([weights * edges, bypass], -1))

    def alpha_step(self, train: Batch, valid: Batch, tally: Tally) -> None:
        if self.epochs_done >= self.settings.warmup_epochs:
            super().alpha_step(train, valid, tally)

    def alpha_gradient(self, train: Batch, valid: Batch, tally: Tally) -> Tensor:
        """DARTS's first-order gradient; that of γ is laid down beside it."""
        with frozen(self.parameters):
            loss, right = self.loss(valid, self.sample())
        tally.add(loss, right, valid)
        inputs = [self.alpha, self.gamma]
        gradient, self.gamma.grad = torch.autograd.grad(self.alpha_loss(loss), inputs, allow_unused=True)
        return gradient
