"""DrNAS: Chen et al., "DrNAS: Dirichlet Neural Architecture Search", ICLR 2021.

The weights of an edge's operations are not a point that α fixes but a draw from a distribution that α describes, anew
in every step of w and of α,

    o ~ Dir(β)   with   β = ELU(α) + 1   on every edge,

and α descends the expected validation loss, through the draw (§2.2),

    min_α E_{o ~ Dir(β)} [ L_val(w*, o) ] + λ d(β, 1).

A small β explores: its draws lie near the corners; a large one stays at the mean, β / Σ β, whose largest operation an
edge keeps in the end. The draw has a gradient by its concentrations (pathwise; Jankowiak & Obermeyer 2018): where o_j
grows the others shrink in proportion,

    ∂o_i / ∂β_j = (δ_ij − o_i) · D(o_j, β_j, Σ β),   D = −(∂F/∂β_j) / (f · (1 − o_j)),   F, f of Beta(β_j, Σ β − β_j).

The paper's d is a distance to the anchor β = 1. In the program it is Adam's weight decay, which pulls α to 0 and so β
to 1. PT, which asks what the supernet loses without an operation, masks it in the mean.

The progressive search first trains a supernet of which a quarter of the channels goes through the operations (as in
PC-DARTS, without weights of edges), drops all but the three operations with the largest α of each edge, and goes on
with half of the channels. The wider convolutions are copies: of the old ones' channels, some drawn at random are there
twice, momentum and all. As in the program nothing is scaled to make up for it, so that the network computes something
else than before. In the first epochs of each stage α rests. The author's table is of the search without stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor

from methods.batches import Batch
from methods.gdas import log
from methods.gradient import GradientSearch, GradientSettings
from methods.search import EpochLog, Problem, Search, seeded
from methods.settings import Count, NotNegative, setting
from methods.state import State
from methods.training import Tally
from spaces.supernet import Supernet


@dataclass(frozen=True, kw_only=True)
class DrNASSettings(GradientSettings):
    epochs: Count = setting(100, "DrNAS, 201-space/train_search.py: --epochs")
    nesterov: bool = setting(False, "DrNAS, train_search.py: torch.optim.SGD without it")
    weight_decay: NotNegative = setting(3e-4, "DrNAS, train_search.py: --weight_decay")
    alpha_weight_decay: NotNegative = setting(1e-3, "DrNAS, train_search.py: --reg_type l2, --reg_scale")
    alpha_first: bool = setting(True, "DrNAS, train_search.py: architect.step before the weights' step")


class DrNAS(GradientSearch):
    """DrNAS: the weights of the operations are drawn from a Dirichlet distribution that α describes"""

    title = "DrNAS"
    year = 2021

    Settings: ClassVar[type] = DrNASSettings
    settings: DrNASSettings
    saved: ClassVar[tuple[str, ...]] = ("draws",)
    split_source = "DrNAS, 201-space/train_search.py: indices[:split], indices[split:num_train]"
    source = 'Chen et al., "DrNAS", ICLR 2021; program: DrNAS, 201-space/train_search.py'

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        self.draws = torch.Generator(problem.device).manual_seed(seeded(seed, 3))
        super().__init__(problem, settings, seed, start)

    def drawn_from(self) -> Sequence[torch.Generator]:
        return (self.draws,)

    def relax(self, alpha: Tensor) -> Tensor:
        """The mean of what is drawn, β / Σ β."""
        beta = concentration(alpha)
        return beta / beta.sum(1, keepdim=True)

    def sample(self) -> Tensor:
        """o, (edges, operations), a draw for each edge."""
        drawn: Tensor = _Dirichlet.apply(concentration(self.alpha.double()), self.draws)  # type: ignore[no-untyped-call]
        return self.where_undecided(drawn.to(self.alpha.dtype))


def concentration(alpha: Tensor) -> Tensor:
    """β = ELU(α) + 1, above 0."""
    return F.elu(alpha) + 1


class _Dirichlet(torch.autograd.Function):
    """A draw for each row of concentrations, float64."""

    @staticmethod
    def forward(ctx: Any, beta: Tensor, generator: torch.Generator) -> Tensor:
        # Proportions of Gamma(β), as logarithms, since for a small β they are too small for numbers: Gamma(β) is
        # Gamma(β + 1) · U^(1/β). With a β smaller than this all draws are corners, and nothing changes any more.
        beta = beta.clamp(min=1e-8)
        gammas = torch._standard_gamma(beta + 1, generator=generator)
        uniform = torch.rand(beta.shape, generator=generator, dtype=beta.dtype, device=beta.device)
        drawn = (log(gammas) + log(uniform) / beta).softmax(1)
        ctx.save_for_backward(drawn, beta)
        return drawn

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        drawn, beta = ctx.saved_tensors
        inside = drawn.clamp(torch.finfo(drawn.dtype).tiny, 1 - torch.finfo(drawn.dtype).eps)
        factor = torch._dirichlet_grad(inside, beta, beta.sum(1, keepdim=True).expand_as(beta).contiguous())
        return factor * (gradient - (drawn * gradient).sum(1, keepdim=True)), None


@dataclass(frozen=True, kw_only=True)
class ProgressiveSettings(DrNASSettings):
    stage_epochs: Count = setting(50, "DrNAS, train_search_progressive.py: train_epochs = [50, 50]", unit="epochs")
    """Epochs of the first stage; the others are of the second."""
    rest_epochs: Annotated[int, Meta(ge=0)] = setting(
        10, "DrNAS, train_search_progressive.py: if epoch >= 10, in either stage", unit="epochs"
    )
    """Epochs at the beginning of each stage in which only w trains."""
    parts: tuple[Count, Count] = setting((4, 2), "DrNAS, train_search_progressive.py: ks = [4, 2]")
    """K of either stage; a K-th of the channels goes through the operations."""
    keep: Count = setting(3, "DrNAS, train_search_progressive.py: num_keeps = [5, 3]")
    """Operations of an edge that the second stage goes on with."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.parts[1] > self.parts[0]:
            raise ValueError("the second stage has no fewer channels than the first: parts = [4, 2], not [2, 4]")


class ProgressiveDrNAS(DrNAS):
    """DrNAS, progressive: first a part of the channels, then more of them with three operations of each edge"""

    title = "DrNAS, progressive"
    year = 2021

    Settings: ClassVar[type] = ProgressiveSettings
    settings: ProgressiveSettings
    saved = ("kept", "stage")
    source = 'Chen et al., "DrNAS", ICLR 2021; program: DrNAS, 201-space/train_search_progressive.py'

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        super().__init__(problem, settings, seed, start)
        self.kept = torch.ones_like(self.alpha, dtype=torch.bool)
        """(edges, operations), which operations are left."""
        self.stage = 0

    def new_supernet(self, problem: Problem, generator: torch.Generator) -> Supernet:
        return problem.supernet(generator, part=self.settings.parts[0])

    def relax(self, alpha: Tensor) -> Tensor:
        return self.left(super().relax(alpha))

    def sample(self) -> Tensor:
        return self.left(super().sample())

    def left(self, weights: Tensor) -> Tensor:
        """The weights of the operations that are left, with sum 1: those of a Dirichlet draw are a Dirichlet draw."""
        left = weights * self.kept
        return left / left.sum(1, keepdim=True)

    def loss(self, batch: Batch, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The loss where the channels that bypass the operations have the weight 1."""
        return super().loss(batch, torch.cat([weights, weights.new_ones(*weights.shape[:-1], 1)], -1))

    def alpha_step(self, train: Batch, valid: Batch, tally: Tally) -> None:
        s = self.settings
        if self.epochs_done - self.stage * s.stage_epochs >= s.rest_epochs:
            super().alpha_step(train, valid, tally)

    def epoch(self) -> EpochLog:
        measured = super().epoch()
        if self.epochs_done == self.settings.stage_epochs < self.settings.epochs:
            self.prune()
            self.widen()
        return measured

    @torch.no_grad()
    def prune(self) -> None:
        """Keep the operations with the largest α of each edge, of equals the first; the others' α goes to 0."""
        order = self.alpha.argsort(dim=1, descending=True, stable=True)
        self.kept.fill_(False).scatter_(1, order[:, : self.settings.keep], True)
        self.alpha.mul_(self.kept)

    @torch.no_grad()
    def widen(self) -> None:
        """Go on with as many channels as the second stage has, in w and in its momentum."""
        self.stage = 1
        for cell in self.supernet.cells:
            for weight, widened in cell.widen(self.settings.parts[1], self.draws):
                momentum = self.weight_optimiser.state.get(weight, {}).get("momentum_buffer")
                weight.grad = None
                weight.data = widened(weight)
                if momentum is not None:
                    self.weight_optimiser.state[weight]["momentum_buffer"] = widened(momentum)

    def load(self, state: State) -> None:
        if state["stage"] > self.stage:
            self.widen()  # into the shapes of what is loaded
        super().load(state)
