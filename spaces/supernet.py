"""What a space's supernet has to be: every cell of the space at once, in one network of shared weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from spaces.nasbench201.cell import Cell
    from spaces.space import Precision

Layers = Literal["compiled", "torch"]


class Place(NamedTuple):
    """Where the weights of an operation on an edge are: in a part of a parameter."""

    parameter: nn.Parameter
    part: int
    parts: int

    def of(self, parameter: Tensor) -> Tensor:
        """That part of the parameter, or of what has its shape; a view."""
        return parameter.chunk(self.parts)[self.part]


class MixedCell(nn.Module, ABC):
    """A cell with all the space's operations on every edge."""

    channels: int
    """That its operations compute."""

    @abstractmethod
    def place(self, edge: int, operation: int) -> Place | None:
        """Where the weights of the space's operation of that number are on an edge; None where it has none."""

    def widen(self, part: int, generator: torch.Generator) -> Iterator[tuple[nn.Parameter, Callable[[Tensor], Tensor]]]:
        """Of a cell that mixes 1/K of the channels: mix as many as K = `part` says from now on, no fewer than before.

        Args:
            generator: from which the channels that are copied are drawn.

        Returns:
            Each parameter with what makes such a tensor, as itself or its momentum, a wider one.

        Raises:
            TypeError: for a cell that mixes all its channels.
        """
        raise TypeError(f"a {type(self).__name__} has all its channels mixed: make the supernet with a `part`")


class Supernet(nn.Module, ABC):
    """Images (B, 3, H, W) to logits (B, classes), through search cells that share their weights among all cells."""

    precision: Precision

    layers: Layers = "compiled"
    """Whether a CPU computes with the compiled layers, where they can be had, or with PyTorch's."""

    @property
    @abstractmethod
    def cells(self) -> Sequence[MixedCell]:
        """The search cells, from input to output."""

    @abstractmethod
    def forward(self, images: Tensor, weights: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W) where every edge mixes its operations by `weights`, (edges,
        operations).

        The weights may be soft (a softmax of α), masked (zeros without renormalisation) or one-hot; (cells, edges,
        operations) are each search cell's own.
        """

    @abstractmethod
    def forward_path(self, images: Tensor, choices: Sequence[Cell]) -> Tensor:
        """Logits (B, classes) of the single path that takes `choices[i]`, a discrete cell, in search cell i."""

    @abstractmethod
    def forward_sampled(self, images: Tensor, cell: Cell, weights: Tensor) -> Tensor:
        """Logits (B, classes) of one discrete cell in every search cell, differentiable in `weights`, (edges,
        operations) (GDAS).

        `weights` are one-hot at the cell's operations, so in value this is `forward_path`. Of the other operations,
        which are not computed, the bare weights are added to every pixel: zeros, but they have a gradient.
        """
