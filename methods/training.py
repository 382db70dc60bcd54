"""How the weights of any supernet train: SGD whose learning rate falls as a cosine from epoch to epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from methods.batches import Batch
from methods.search import EpochLog
from methods.settings import Count, NotNegative, Rate


@dataclass(frozen=True, kw_only=True)
class WeightSettings:
    epochs: Count
    """Epochs of the supernet; one epoch is one pass over the training half."""
    batch_size: Count
    """Images in a batch."""
    lr: Rate
    """Learning rate of the weights at the start (SGD, cosine per epoch)."""
    lr_min: NotNegative
    """Learning rate of the weights that the cosine ends at."""
    momentum: NotNegative
    """Momentum of the weights."""
    nesterov: bool
    """Whether that momentum is Nesterov's."""
    weight_decay: NotNegative
    """Weight decay of every weight in every step, drawn or not; where steps draw, see `decay_undrawn`."""

    def __post_init__(self) -> None:
        if self.nesterov and not self.momentum:
            raise ValueError("Nesterov's momentum needs a momentum above 0; set nesterov = false")


@contextmanager
def frozen(weights: Iterable[nn.Parameter]) -> Iterator[None]:
    """Within it the weights are constants, whose gradients are never computed: what a step of α alone needs."""
    weights = list(weights)
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)


def sgd(weights: Iterable[nn.Parameter], settings: WeightSettings, lr: float) -> torch.optim.SGD:
    """A new optimiser of the weights, its momentum at zero."""
    s = settings
    return torch.optim.SGD(weights, lr, s.momentum, weight_decay=s.weight_decay, nesterov=s.nesterov, fused=True)


def descend(
    loss: Tensor, parameters: Sequence[Tensor], optimiser: torch.optim.Optimizer, clip: float | Literal["off"]
) -> None:
    """A step of the optimiser down the loss, the gradient of all `parameters` together scaled down to norm `clip`."""
    step_down(gradients_of(loss, parameters), parameters, optimiser, clip)


def gradients_of(loss: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """∇ of the loss by each of the parameters; zeros by one that it does not depend on."""
    return torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)


def step_down(
    gradients: Iterable[Tensor],
    parameters: Sequence[Tensor],
    optimiser: torch.optim.Optimizer,
    clip: float | Literal["off"],
) -> None:
    """A step of the optimiser down these gradients of `parameters`, all together scaled down to norm `clip`."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    if clip != "off":
        torch.nn.utils.clip_grad_norm_(parameters, clip, foreach=True)
    optimiser.step()


def cosine(settings: WeightSettings, epoch: int) -> float:
    """The learning rate of epoch 0, 1, …: from `lr` at 0 to `lr_min` at `epochs`, constant within an epoch."""
    s = settings
    return s.lr_min + (s.lr - s.lr_min) * (1 + math.cos(math.pi * epoch / s.epochs)) / 2


class Tally:
    """Mean loss and accuracy over the batches of an epoch, summed in place on the device until it ends."""

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(3, dtype=torch.float64, device=device)
        """Of loss × images, of images classified rightly, and of images."""

    def add(self, loss: Tensor, right: Tensor, batch: Batch) -> None:
        images = len(batch[1])
        self.sums += torch.stack([loss.detach() * images, right, torch.full_like(right, images)])

    def reset(self) -> None:
        self.sums.zero_()

    def measured(self, part: str) -> EpochLog:
        """`PART_loss`, and `PART_accuracy` in percent; nothing where no batch was seen."""
        loss, right, images = self.sums.tolist()
        if not images:
            return {}
        return {f"{part}_loss": loss / images, f"{part}_accuracy": 100 * right / images}
