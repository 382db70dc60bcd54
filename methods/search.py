"""The contract between the runner and every search method, ours or a third party's.

A method is a class that fulfils `Search`, registered under its name in the entry-point group `benchmark.methods`.
The runner owns everything else: the order of runs, progress, history, checkpoints, devices and truth queries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.published import Published
from methods.state import Stateful
from spaces import NASBENCH201, Cell, Precision, Space

if TYPE_CHECKING:
    from data.images import ImageSet
    from data.truth import TruthTable
    from spaces.supernet import Supernet

EpochLog = dict[str, float | str]
"""What one epoch measured, by the names of `history.csv`'s columns."""


@dataclass(frozen=True)
class Problem:
    """What every search is given: images on the device, the size of the networks, and the cells to choose from."""

    images: ImageSet
    """Of the training images the first half is to train on and the second to validate on, in the order of the method's
    split; the test images are never searched on."""
    channels: int
    """C, the channels of the first stage (16 in NAS-Bench-201)."""
    cells_per_stage: int
    """N, the search cells of a stage (5 in NAS-Bench-201)."""
    truth: TruthTable | None = None
    """The table of true accuracies, for a search that declares `needs_truth`; no other may know it."""
    precision: Precision = "fp32"
    """The number format of the supernets."""
    space: Space = NASBENCH201
    """The cells that may be chosen."""

    @property
    def device(self) -> torch.device:
        return self.images.images.device

    def supernet(
        self,
        generator: torch.Generator,
        classes: int | None = None,
        part: int | None = None,
        moving: float | None = None,
        affine: bool = False,
    ) -> Supernet:
        """A new supernet on the device, its weights drawn from the CPU generator.

        Args:
            classes: None is the images' own number.
            part, moving, affine: as of `Space.supernet`.
        """
        size = self.channels, self.cells_per_stage, classes or self.images.classes
        return self.space.supernet(*size, generator, self.precision, part, moving, affine).to(self.device)


class Search(Stateful, ABC):
    """A search in progress. The class doc's first line is the method's description in `benchmark methods`.

    Its state is what it names in `saved` (`methods.state`); one that has its own way overrides `state` and `load`.
    `title`, `year`, `published` and `published_cell` are of one method alone: a class derived from it has its own.
    """

    Settings: ClassVar[type]
    """A frozen dataclass of the method's settings, which are the published protocol by default (`methods.settings`); a
    string under a field documents it."""

    source: ClassVar[str]
    """The paper and the program that the defaults follow."""

    title: ClassVar[str] = ""
    """The name that its paper gives it, as tables and plots show it; without one they show the registered name."""

    family: ClassVar[str] = ""
    """What kind of search it is: `gradient`, `one-shot`, `selection`, `table`, `measurement`, or another word."""

    year: ClassVar[int | None] = None
    """When its paper was published."""

    score_name: ClassVar[str] = ""
    """What `scores` are, with their unit, as `angle (radians)`: the label of an axis."""

    published: ClassVar[tuple[Published, ...]] = ()
    """What its paper reports (`data.published.reported`); runs under the published conditions are held against it."""

    published_cell: ClassVar[Cell | None] = None
    """Where all those numbers are one cell's, and no other's: that cell, found in the table."""

    split: ClassVar[Literal["halves", "cifar-split"]] = "halves"
    """Which training images its program trains and validates on: the first and the second half, or by AutoDL-Projects'
    file."""

    split_source: ClassVar[str] = ""
    """Where that is written."""

    follows: ClassVar[str | None] = None
    """The method whose trained supernet this one, a selection rule, starts from; None where it trains its own. The
    name `OTHER+THIS` lets it start from another's."""

    start_settings: ClassVar[Mapping[str, tuple[Any, str]]] = {}
    """What its program trains that supernet by that is otherwise in `follows`: value and source of each setting."""

    start_needs: ClassVar[Mapping[str, tuple[Any, str]]] = {}
    """The same for what the method cannot do without, whatever the preset."""

    @classmethod
    def accepts(cls, start: type[Search]) -> str | None:
        """Of a selection rule: why it cannot start from such a search; None where it can."""
        return None

    needs_operations: ClassVar[tuple[str, ...]] = ()
    """What a space must have for this search to have a meaning."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, nothing in (("title", ""), ("year", None), ("published", ()), ("published_cell", None)):
            if name not in vars(cls):
                setattr(cls, name, nothing)

    needs_truth: ClassVar[bool] = False
    """Whether it searches on the table of true accuracies itself, and trains nothing. No other search is given it."""

    asks: str | None = None
    """Of a search on the table itself: the metric that it chooses by."""

    epochs: int
    """Epochs from start to end; of a search that follows another, its own only."""

    @abstractmethod
    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        """Set up; `start` is the finished search of `follows`, of the same problem and seed, which is used up."""

    @abstractmethod
    def epoch(self) -> EpochLog:
        """Advance by one epoch."""

    @abstractmethod
    def cell(self) -> Cell:
        """The cell the search would choose now, after one epoch at least. Calling it changes nothing."""

    def scores(self) -> NDArray[np.float64] | None:
        """A score of every cell, shape (cells,) by `Space.index`, by which the method would rank them now; NaN for a
        cell it has none for, None where it scores no cell. Calling it changes nothing."""
        return None

    def alternative_cell(self) -> tuple[str, Cell] | None:
        """Name and choice of a second selection rule on the same trained supernet, where there is one to compare."""
        return None


def seeded(seed: int, *stream: int) -> int:
    """A 63-bit seed for one of a run's independent random streams (weights, images, choices, …)."""
    low, high = np.random.SeedSequence((seed, *stream)).generate_state(2, np.uint32).tolist()
    return int(low | high >> 1 << 32)


def uniform_cell(space: Space, random: np.random.Generator) -> Cell:
    """A cell, uniformly among all."""
    return space.at(int(random.integers(len(space))))


def categorical(probabilities: Tensor, random: np.random.Generator) -> Tensor:
    """For each row of `probabilities`, (n, k) on the CPU, a number of 0 … k − 1 drawn by it: (n,)."""
    places = torch.from_numpy(random.random((len(probabilities), 1)))
    return (places >= probabilities.detach().double().cumsum(1)[:, :-1]).sum(1)
