"""Evolutionary search over the cells of a trained supernet (SPOS, Alg. 1, as RLNAS runs it on NAS-Bench-201)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from methods.settings import Count, setting
from methods.state import Stateful
from spaces import Cell, Space

Cells = NDArray[np.int64]
"""(n, edges): the operations of n cells."""

BATCH = 50
"""Cells drawn at a time."""

ATTEMPTS = 10_000
"""Draws before a search for unseen cells gives up; the program has no such end and could go on for ever."""


@dataclass(frozen=True, kw_only=True)
class EvolutionSettings:
    """By default as in the program of RLNAS."""

    population: Count = setting(100, "RLNAS, rlnas_evolution_search_with_angle.py: population_num")
    """Cells scored in every generation."""
    parents: Count = setting(30, "RLNAS, rlnas_evolution_search_with_angle.py: select_num")
    """The best cells so far, from which the next generation descends."""
    generations: Count = setting(20, "RLNAS, rlnas_evolution_search_with_angle.py: max_epochs")
    """Generations, the random first one included."""
    mutations: Count = setting(50, "RLNAS, rlnas_evolution_search_with_angle.py: mutation_num")
    """Mutated cells of a generation."""
    crossovers: Count = setting(50, "RLNAS, rlnas_evolution_search_with_angle.py: crossover_num")
    """Crossed cells of a generation; random cells fill it up to the population."""
    mutation_probability: Annotated[float, Meta(ge=0, le=1)] = setting(
        0.1, "RLNAS, rlnas_evolution_search_with_angle.py: m_prob"
    )
    """Probability that a mutation redraws an edge, uniformly among all operations but `none`."""


class Evolution(Stateful):
    """An evolution in progress: `generation` scores the candidates, keeps the parents and breeds the next candidates.

    Args:
        space: whose cells are bred.
        random: where every draw comes from.
    """

    saved = ("random", "seen", "parents", "scores", "candidates")

    def __init__(self, settings: EvolutionSettings, space: Space, random: np.random.Generator) -> None:
        self.settings, self.space = settings, space
        self.random = random
        self.seen = np.zeros(len(space), dtype=bool)
        self.parents: Cells = np.empty((0, len(space.edges)), dtype=np.int64)
        self.scores: NDArray[np.float64] = np.empty(0)
        """Of the parents, best first."""
        self.candidates = self.unseen(settings.population, ATTEMPTS, self.at_random)

    def generation(self, score: Callable[[Cell], float]) -> None:
        """Score the candidates, larger is better; the best cells so far become the parents of the next candidates."""
        s = self.settings
        pool = np.concatenate([self.parents, self.candidates])
        scores = np.array([*self.scores, *(score(self.space.cell(cell)) for cell in self.candidates.tolist())])
        ranked = np.argsort(-scores, kind="stable")[: s.parents]  # of equals the earlier
        self.parents, self.scores = pool[ranked], scores[ranked]
        mutated = self.unseen(s.mutations, ATTEMPTS, self.mutated)
        crossed = self.unseen(s.crossovers, 10 * s.crossovers, self.crossed)  # the program's own cap
        filling = self.unseen(s.population - len(mutated) - len(crossed), ATTEMPTS, self.at_random)
        self.candidates = np.concatenate([mutated, crossed, filling])

    def best(self) -> Cell:
        """The best cell scored so far."""
        return self.space.cell(self.parents[0].tolist())

    def at_random(self, count: int) -> Cells:
        edges, operations = self.space.shape
        return self.random.integers(operations, size=(count, edges))

    def some_parents(self, count: int) -> Cells:
        return self.parents[self.random.integers(len(self.parents), size=count)]

    def mutated(self, count: int) -> Cells:
        edges, operations = self.space.shape
        some = 0 if self.space.none is None else self.space.none + 1  # the operations from here on
        redrawn = self.random.random((count, edges)) < self.settings.mutation_probability
        fresh = self.random.integers(some, operations, size=(count, edges))
        return np.where(redrawn, fresh, self.some_parents(count))

    def crossed(self, count: int) -> Cells:
        from_first = self.random.random((count, len(self.space.edges))) < 0.5
        return np.where(from_first, self.some_parents(count), self.some_parents(count))

    def unseen(self, wanted: int, attempts: int, draw: Callable[[int], Cells]) -> Cells:
        """Up to `wanted` cells never seen before, the first among so many drawn."""
        found: list[Cells] = []
        while len(found) < wanted and attempts > 0:
            for cell in draw(min(BATCH, attempts)):
                index = self.space.indices(cell)
                if not self.seen[index] and len(found) < wanted:
                    self.seen[index] = True
                    found.append(cell)
            attempts -= BATCH
        return np.array(found, dtype=np.int64).reshape(-1, len(self.space.edges))


def evolve(scores: NDArray[np.float64], settings: EvolutionSettings, space: Space, random: np.random.Generator) -> Cell:
    """The best cell that a whole evolution finds; `scores` is (cells,) by index."""
    evolution = Evolution(settings, space, random)
    for _ in range(settings.generations):
        evolution.generation(lambda cell: float(scores[space.index(cell)]))
    return evolution.best()
