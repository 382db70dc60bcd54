"""Local search on the table: White, Nolen & Savani, "Exploring the Loss Landscape in NAS", UAI 2021.

Hill climbing, "local search is state of the art for NAS benchmarks" in its first title (Alg. 1). The neighbours N(a)
of a cell are those that differ from it on one edge, 24 of them. Begin at the best of some random cells; then

    ask for the neighbours of the present cell in random order; go to the first that is better, and again,

until none is: a local optimum. What is left of the budget goes into further climbs, from new random cells. A cell is
asked for once. As in the program a neighbour that an earlier climb has asked for is passed over, so that only the
first climb is sure to end in an optimum.

The paper asks for the validation accuracy after 200 epochs (`trained_epochs = 200`), for at most 150 cells (`budget =
150`); the default here is the budget of the other searches on the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from methods.on_table import Questions, TableSearch, TimeSettings
from methods.search import uniform_cell
from methods.settings import Count, setting
from spaces import Cell, Space


@dataclass(frozen=True, kw_only=True)
class LocalSearchSettings(TimeSettings):
    starts: Count = setting(10, "naszilla, nas_algorithms.py: DEFAULT_NUM_INIT")
    """Random cells of which a climb begins at the best."""


class LocalSearch(TableSearch):
    """Local search on the table: climb to a better neighbour until there is none, then begin anew"""

    title = "Local search"
    year = 2021

    Settings: ClassVar[type] = LocalSearchSettings
    settings: LocalSearchSettings
    source = 'White et al., "Exploring the Loss Landscape in NAS", UAI 2021; program: naszilla, nas_algorithms.py'

    def questions(self, random: np.random.Generator) -> Questions:
        found: dict[Cell, float] = {}
        while len(found) < len(self.space):
            starts: list[Cell] = []
            while len(starts) < self.settings.starts and len(found) < len(self.space):
                if (cell := uniform_cell(self.space, random)) not in found:
                    found[cell] = yield cell
                    starts.append(cell)
            present, climbing = max(starts, key=lambda cell: found[cell]), True
            while climbing:
                climbing = False
                around = list(neighbours(self.space, present))
                for place in random.permutation(len(around)):
                    neighbour = around[place]
                    if neighbour in found:
                        continue
                    found[neighbour] = yield neighbour
                    if found[neighbour] > found[present]:
                        present, climbing = neighbour, True
                        break


def neighbours(space: Space, cell: Cell) -> Iterator[Cell]:
    """N(a): the cells with another operation on one edge."""
    choices = space.choices_of(cell)
    for edge, present in enumerate(choices):
        for operation in range(len(space.operations)):
            if operation != present:
                yield space.cell((*choices[:edge], operation, *choices[edge + 1 :]))
