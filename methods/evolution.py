"""Evolutionary search over the cells of a trained supernet (SPOS, Alg. 1, as RLNAS runs it on NAS-Bench-201)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from methods.gradient import Count
from spaces import EDGES, NONE, NUM_CELLS, OPERATIONS, Cell

Cells = NDArray[np.int64]
"""(n, 6): the operations of n cells."""

PLACES = len(OPERATIONS) ** np.arange(len(EDGES))[::-1]
"""`operations @ PLACES` is `Cell.position`."""

BATCH = 50
"""Cells drawn at a time."""

ATTEMPTS = 10_000
"""Draws before a search for unseen cells gives up; the program has no such end and could go on for ever."""


@dataclass(frozen=True, kw_only=True)
class EvolutionSettings:
    population: Count
    """Cells scored in every generation."""
    parents: Count
    """The best cells so far, from which the next generation descends."""
    generations: Count
    """Generations, the random first one included."""
    mutations: Count
    """Mutated cells of a generation."""
    crossovers: Count
    """Crossed cells of a generation; random cells fill it up to the population."""
    mutation_probability: Annotated[float, Meta(ge=0, le=1)]
    """Probability that a mutation redraws an edge, uniformly among all operations but `none`."""


def evolve(scores: NDArray[np.float64], settings: EvolutionSettings, random: np.random.Generator) -> Cell:
    """The best-scored cell that evolution finds; `scores` is (15625,) by `Cell.position`, larger is better."""
    seen = np.zeros(NUM_CELLS, dtype=bool)
    parents = np.empty((0, len(EDGES)), dtype=np.int64)

    def at_random(count: int) -> Cells:
        return random.integers(len(OPERATIONS), size=(count, len(EDGES)))

    def some_parents(count: int) -> Cells:
        return parents[random.integers(len(parents), size=count)]

    def mutated(count: int) -> Cells:
        redrawn = random.random((count, len(EDGES))) < settings.mutation_probability
        fresh = random.integers(NONE + 1, len(OPERATIONS), size=(count, len(EDGES)))
        return np.where(redrawn, fresh, some_parents(count))

    def crossed(count: int) -> Cells:
        from_first = random.random((count, len(EDGES))) < 0.5
        return np.where(from_first, some_parents(count), some_parents(count))

    def unseen(wanted: int, attempts: int, draw: Callable[[int], Cells]) -> Cells:
        """Up to `wanted` cells never seen before, the first among so many drawn."""
        found: list[Cells] = []
        while len(found) < wanted and attempts > 0:
            for cell in draw(min(BATCH, attempts)):
                position = cell @ PLACES
                if not seen[position] and len(found) < wanted:
                    seen[position] = True
                    found.append(cell)
            attempts -= BATCH
        return np.array(found, dtype=np.int64).reshape(-1, len(EDGES))

    candidates = unseen(settings.population, ATTEMPTS, at_random)
    for _ in range(settings.generations):
        pool = np.concatenate([parents, candidates])
        ranked = np.argsort(-scores[pool @ PLACES], kind="stable")  # of equals the earlier
        parents = pool[ranked[: settings.parents]]
        children = [
            unseen(settings.mutations, ATTEMPTS, mutated),
            unseen(settings.crossovers, 10 * settings.crossovers, crossed),  # the program's own cap
        ]
        missing = settings.population - sum(map(len, children))
        candidates = np.concatenate([*children, unseen(missing, ATTEMPTS, at_random)])
    return Cell(tuple(parents[0].tolist()))
