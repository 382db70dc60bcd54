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

from methods.state import Stateful
from spaces import Cell, Space
from spaces.supernet import Place, Supernet


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

    def __init__(self, supernet: Supernet, space: Space, settings: DrawnSettings) -> None:
        self.cells, self.space = supernet.cells, space
        self.drawn = np.ones((len(self.cells), *space.shape), dtype=bool)
        """(search cells, edges, operations), whether each operation has been drawn."""
        if not settings.decay_undrawn:
            for place in np.ndindex(self.drawn.shape):
                self.drawn[place] = self._place(place) is None

        self.all = bool(self.drawn.all())
        """Whether none is left, as soon after the start; from then on steps are plain ones."""

    def add(self, path: Sequence[Cell]) -> None:
        """A step has drawn `path[i]` in search cell i; where that leads nowhere, it was computed all the same."""
        if self.all:
            return
        for drawn, cell in zip(self.drawn, path, strict=True):
            drawn[np.arange(len(drawn)), self.space.choices_of(cell)] = True
        self.all = bool(self.drawn.all())

    @contextmanager
    def spared(self, optimiser: torch.optim.Optimizer) -> Iterator[None]:
        """Within it a step of the optimiser leaves what is undrawn in the end as it is, and its momentum at zero."""
        before = {place: place.of(place.parameter).detach().clone() for place in self._undrawn()}
        yield
        for place in self._undrawn():
            place.of(place.parameter.detach()).copy_(before[place])
            if (momentum := optimiser.state.get(place.parameter, {}).get("momentum_buffer")) is not None:
                place.of(momentum).zero_()

    def _undrawn(self) -> list[Place]:
        """Where the weights of every undrawn convolution are."""
        if self.all:
            return []
        places = map(self._place, np.argwhere(~self.drawn).tolist())
        return [place for place in places if place is not None]

    def _place(self, of: Sequence[int]) -> Place | None:
        """Where the weights of a (search cell, edge, operation) are."""
        cell, edge, operation = of
        return self.cells[cell].place(edge, operation)

    def resume(self) -> None:
        self.all = bool(self.drawn.all())
