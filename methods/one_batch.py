"""The choice that ends AutoDL-Projects' searches with shared weights: each of some cells on one batch, and the best.

The batches are of validation images and each cell has another one, so that luck has a part in the choice: of 512 images
an accuracy of 60 % is known to within 2 points. In the program the network is in evaluation mode then. With batch
statistics asked for (the scripts' BN = 0), its cells normalise by the batch, but the stem, the two reduction blocks and
the last normalisation by moving averages of what they have seen in training, of all cells together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from methods.batches import Batch, Loader
from methods.settings import Count, Share, setting
from methods.state import Stateful
from spaces import Cell, Space
from spaces.supernet import Supernet


@dataclass(frozen=True, kw_only=True)
class MovingSettings:
    moving: Share | Literal["off"] = setting(
        0.1, "AutoDL-Projects, search_model_*.py: BatchNorm2d of stem, blocks and lastact track, whatever BN is"
    )
    """Share of a batch in the statistics by which the layers outside the cells normalise when cells are measured; off:
    the statistics of the batch that is measured, as in the cells."""


@dataclass(frozen=True, kw_only=True)
class OneBatchSettings(MovingSettings):
    select_num: Count = setting(100, "AutoDL-Projects, RANDOM-NAS.sh and SETN.sh: --select_num 100")
    """Cells of which the one with the best accuracy is chosen."""
    select_batch_size: Count = setting(512, "AutoDL-Projects, RANDOM.config and SETN.config: test_batch_size")
    """Validation images on which each of them is measured."""
    select_interval: Count = setting(1, "AutoDL-Projects, RANDOM-NAS.py and SETN.py: after every epoch")
    """Epochs from one choice to the next; after the first and the last there is one, too. The last, which counts, does
    not depend on those before."""


def choice_is_due(settings: OneBatchSettings, done: int, epochs: int) -> bool:
    """Whether there is a choice after so many epochs of all."""
    return done in (1, epochs) or done % settings.select_interval == 0


def moving_share(settings: MovingSettings) -> float | None:
    """What a supernet is told of it."""
    return None if settings.moving == "off" else settings.moving


def endless(half: Loader, size: int) -> Iterator[Batch]:
    """Batches of one pass over the half after another, each in an order of its own."""
    while True:
        yield from half.shuffled(size)


@torch.no_grad()
def accuracies_of(cells: Iterable[Cell], supernet: Supernet, batches: Iterator[Batch]) -> list[float]:
    """Accuracy (%) of each cell, with the supernet's weights, on a batch of its own."""
    supernet.eval()
    found = []
    for cell in cells:
        images, labels = next(batches)
        logits = supernet.forward_path(images, [cell] * len(supernet.cells))
        found.append(100 * (logits.argmax(1) == labels).sum().item() / len(labels))
    supernet.train()
    return found


class Choice(Stateful):
    """The last choice among some cells, and what it was made by.

    Args:
        space: whose cells they are.
        half: the validation images, with a generator that is nobody else's.
    """

    saved = ("positions", "accuracies", "generator")

    def __init__(self, space: Space, half: Loader, batch_size: int) -> None:
        self.space, self.half, self.batch_size = space, half, batch_size
        self.generator = half.generator
        self.positions: list[int] = []
        """Of the cells, in the order in which they were measured."""
        self.accuracies: list[float] = []
        """Of the cells, in percent."""

    def among(self, cells: Iterable[Cell], supernet: Supernet, seed: int | None = None) -> None:
        """Measure the cells, on batches that the seed gives, or that the generator has next."""
        if seed is not None:
            self.generator.manual_seed(seed)
        cells = list(cells)
        self.positions = [self.space.index(cell) for cell in cells]
        self.accuracies = accuracies_of(cells, supernet, endless(self.half, self.batch_size))

    def cell(self) -> Cell:
        """The most accurate, of equals the first."""
        return self.space.at(self.positions[self.accuracies.index(max(self.accuracies))])

    def scores(self) -> NDArray[np.float64]:
        """(cells,): their accuracies, of a cell that was measured twice the better; NaN for all others."""
        scores = np.full(len(self.space), np.nan)
        for index, accuracy in zip(self.positions, self.accuracies, strict=True):
            scores[index] = np.fmax(scores[index], accuracy)
        return scores
