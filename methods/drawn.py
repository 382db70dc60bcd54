"""What a step that draws single operations leaves alone: the convolutions that no step has drawn yet.

In the programs of RLNAS and GDAS, with the PyTorch of their time (before 2.0), a weight has no gradient until a step
has computed one, and SGD passes it over: no weight decay, no momentum. From then on its gradient is set to zeros before
each step, so that it has both in every step, drawn or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from methods.state import Stateful
from spaces import CONV1, CONV3, EDGES, OPERATIONS, Cell
from spaces.supernet import LEAVING, Supernet


@dataclass(frozen=True, kw_only=True)
class DrawnSettings:
    decay_undrawn: bool = True
    """Whether weight decay acts on a convolution before any step has drawn it; in the programs it does not."""


class Drawn(Stateful):
    """Which convolutions of a supernet have been drawn.

    Args:
        settings: where undrawn ones decay, all count as drawn from the start.
    """

    saved = ("drawn",)

    def __init__(self, supernet: Supernet, settings: DrawnSettings) -> None:
        self.cells = supernet.cells
        self.drawn = np.ones((len(self.cells), len(EDGES), len(OPERATIONS)), dtype=bool)
        """(cells, 6, 5), whether each operation has been drawn."""
        if not settings.decay_undrawn:
            self.drawn[:, :, [CONV1, CONV3]] = False

        self.all = bool(self.drawn.all())
        """Whether none is left, as soon after the start; from then on steps are plain ones."""

    def add(self, path: Sequence[Cell]) -> None:
        """A step has drawn `path[i]` in search cell i; where that leads nowhere, it was computed all the same."""
        if self.all:
            return
        for drawn, cell in zip(self.drawn, path, strict=True):
            drawn[np.arange(len(EDGES)), cell.operations] = True
        self.all = bool(self.drawn.all())

    @contextmanager
    def spared(self, optimiser: torch.optim.Optimizer) -> Iterator[None]:
        """Within it a step of the optimiser leaves what is undrawn in the end as it is, and its momentum at zero."""
        before = {place: self._part(place, self._weights(place)).clone() for place in self._undrawn()}
        yield
        for place in self._undrawn():
            weights = self._weights(place)
            self._part(place, weights).copy_(before[place])
            if (momentum := optimiser.state.get(weights, {}).get("momentum_buffer")) is not None:
                self._part(place, momentum).zero_()

    def _undrawn(self) -> list[tuple[int, int, int]]:
        """(search cell, edge, operation) of every undrawn convolution."""
        if self.all:
            return []
        return [(cell, edge, operation) for cell, edge, operation in np.argwhere(~self.drawn).tolist()]

    def _weights(self, place: tuple[int, int, int]) -> Tensor:
        """The parameter that holds an undrawn convolution's weights beside those of others."""
        cell, edge, operation = place
        return self.cells[cell].merged(operation, EDGES[edge][0])

    def _part(self, place: tuple[int, int, int], of_parameter: Tensor) -> Tensor:
        """The convolution's own part of such a parameter, or of its momentum; a view."""
        leaving = LEAVING[EDGES[place[1]][0]]
        return of_parameter.detach().chunk(len(leaving))[leaving.index(place[1])]

    def resume(self) -> None:
        self.all = bool(self.drawn.all())
