"""OLES: Jiang et al., "Operation-level Early Stopping for Robustifying Differentiable NAS", NeurIPS 2023.

Operations with weights overfit the training half, α is judged on the other, and so `skip_connect`, which has none to
overfit, wins. OLES stops the training of an operation, and of no other, once it begins to overfit: when the directions
that the two halves want for its weights w_o agree too little, by the mean over the last M steps (§3.3),

    GM = mean of cos( ∇_{w_o} L_train , ∇_{w_o} L_val ) < ξ,

its weights are frozen for good. The gradients are there anyway. α trains on, as in DARTS.

What the program does otherwise, and this one too:

- a cosine is taken for each place of the kernel, over the output channels, and then their mean;
- the validation gradient is added to the training gradient of the step before (clipped, as it was used), so that it
  compares g_train + g_val with g_train; `summed = false` has the paper's cosine instead;
- of 21 steps the sum is divided by 20.

A frozen weight has neither weight decay nor momentum left. The program has DARTS' space alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from methods.batches import Batch
from methods.gradient import GradientSearch, GradientSettings
from methods.search import EpochLog, Problem, Search
from methods.settings import Count, NotNegative, setting
from methods.training import Tally


@dataclass(frozen=True, kw_only=True)
class OLESSettings(GradientSettings):
    nesterov: bool = setting(False, "oles, train_search.py: torch.optim.SGD without it")
    weight_decay: NotNegative = setting(3e-4, "oles, train_search.py: --weight_decay")
    clip_counts_alpha: bool | Literal["softmax"] = setting(False, "oles, model_search.py: α is no parameter")
    skip_first_lr: bool = setting(True, "oles, train_search.py: scheduler.step() before the first epoch")
    alpha_first: bool = setting(True, "oles, train_search.py: architect.step before the weights' step")
    interval: Count = setting(20, "oles, train_search.py: m.count == 20")
    """M; after M + 1 steps the sum of their cosines is divided by M, compared with ξ, and begun anew."""
    threshold: Annotated[float, Meta(ge=-1, le=1)] = setting(0.4, "oles, train_search.py: m.avg / m.count < 0.4")
    """ξ; an operation whose mean cosine is below it trains no longer."""
    summed: bool = setting(True, "oles, train_search.py: architect.step adds to the gradients of the step before")
    """Whether the training gradient is compared with its sum with the validation gradient, or with that alone."""


class OLES(GradientSearch):
    """OLES: DARTS that freezes each operation's weights once training and validation disagree about them"""

    title = "OLES"
    year = 2023

    Settings: ClassVar[type] = OLESSettings
    settings: OLESSettings
    saved = ("frozen", "sums", "compared", "before")
    split_source = "oles, train_search.py: indices[:split], indices[split:num_train]"
    source = 'Jiang et al., "Operation-level Early Stopping", NeurIPS 2023; program: oles, train_search.py'
    recordable = False  # the host counts the steps and decides what is frozen

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        super().__init__(problem, settings, seed, start)
        places = [
            place
            for cell in self.supernet.cells
            for edge, operation in np.ndindex(self.space.shape)
            if (place := cell.place(edge, operation)) is not None
        ]
        operations = {place.parameter: place.parts for place in places}
        self.convolutions: list[nn.Parameter] = list(operations)
        """What has the weights of operations, each those of several."""
        self.frozen = [torch.zeros(parts, dtype=torch.bool, device=problem.device) for parts in operations.values()]
        """Of each of them, by operation, whether its weights train no longer."""
        self.sums = [torch.zeros(parts, dtype=torch.float64, device=problem.device) for parts in operations.values()]
        """The same of the cosines since the last decision."""
        self.compared = 0
        """How many cosines are in each sum."""
        self.before: list[Tensor] = []
        """The training gradients of the step before; none at the start."""

    def alpha_gradient(self, train: Batch, valid: Batch, tally: Tally) -> Tensor:
        """DARTS's first-order gradient; those of the operations, which come with it, are compared."""
        loss, right = self.loss(valid, self.sample())
        tally.add(loss, right, valid)
        gradient, *of_operations = torch.autograd.grad(self.alpha_loss(loss), [self.alpha, *self.convolutions])
        if self.before:
            self.compare(self.before, of_operations)
        return gradient

    def compare(self, training: Sequence[Tensor], validation: Sequence[Tensor]) -> None:
        """Add up the cosines of a step; in time freeze where their mean is too small."""
        s = self.settings
        for total, of_train, of_valid in zip(self.sums, training, validation, strict=True):
            total += cosines(of_train, of_train + of_valid if s.summed else of_valid, len(total))
        self.compared += 1
        if self.compared == s.interval + 1:
            for frozen, total in zip(self.frozen, self.sums, strict=True):
                frozen |= total / s.interval < s.threshold
                total.zero_()
            self.compared = 0

    def weight_gradients(
        self, train: Batch, weights: Tensor, parameters: Sequence[Tensor], tally: Tally
    ) -> Sequence[Tensor]:
        """Those of the others; of frozen weights 0."""
        gradients = super().weight_gradients(train, weights, parameters, tally)
        trains = {id(weight): self.trains(place) for place, weight in enumerate(self.convolutions)}
        return [
            gradient * trains[id(parameter)] if id(parameter) in trains else gradient
            for gradient, parameter in zip(gradients, parameters, strict=True)
        ]

    def weight_step(self, train: Batch, tally: Tally) -> None:
        """DARTS's, but frozen weights stay as they are."""
        old = [weight.detach().clone() for weight in self.convolutions]
        super().weight_step(train, tally)
        with torch.no_grad():
            for place, weight in enumerate(self.convolutions):
                trains = self.trains(place)
                weight.copy_(torch.where(trains, weight, old[place]))
                self.weight_optimiser.state[weight]["momentum_buffer"].mul_(trains)
        self.before = [weight.grad.clone() for weight in self.convolutions if weight.grad is not None]

    def trains(self, place: int) -> Tensor:
        """Which output channels of the convolutions at a place train, (parts · C, 1, 1, 1)."""
        frozen = self.frozen[place]
        return ~frozen.repeat_interleave(len(self.convolutions[place]) // len(frozen))[:, None, None, None]

    def epoch(self) -> EpochLog:
        measured = super().epoch()
        return {**measured, "frozen": float(sum(int(frozen.sum()) for frozen in self.frozen))}

    def resume(self) -> None:
        device = self.alpha.device
        self.frozen, self.sums, self.before = (
            [part.to(device) for part in parts] for parts in (self.frozen, self.sums, self.before)
        )


def cosines(one: Tensor, other: Tensor, parts: int) -> Tensor:
    """(parts,): of gradients (parts · C, C, k, k) each part's cosine over output channels, the mean of all places."""
    of_one, of_other = (gradient.reshape(parts, -1, gradient[0].numel()) for gradient in (one, other))
    return F.cosine_similarity(of_one, of_other, dim=1).double().mean(1)
