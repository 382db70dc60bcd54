"""Evolutionary search over the cells of a trained supernet (SPOS, Alg. 1, as RLNAS runs it on NAS-Bench-201)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from methods.gradient import Count
from spaces import EDGES, NONE, OPERATIONS, Cell

Operations = tuple[int, ...]

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
    seen: set[Operations] = set()

    def new_cells(wanted: int, attempts: int, draw: Callable[[], Operations]) -> list[Operations]:
        """Up to `wanted` drawn cells never seen before, in at most so many attempts."""
        found: list[Operations] = []
        for _ in range(attempts):
            if len(found) == wanted:
                break
            operations = draw()
            if operations not in seen:
                seen.add(operations)
                found.append(operations)
        return found

    def at_random() -> Operations:
        return tuple(random.integers(len(OPERATIONS), size=len(EDGES)).tolist())

    def parent() -> NDArray[np.int64]:
        return np.array(parents[random.integers(len(parents))])

    def mutated() -> Operations:
        redrawn = random.random(len(EDGES)) < settings.mutation_probability
        fresh = random.integers(NONE + 1, len(OPERATIONS), size=len(EDGES))
        return tuple(np.where(redrawn, fresh, parent()).tolist())

    def crossed() -> Operations:
        from_first = random.random(len(EDGES)) < 0.5
        return tuple(np.where(from_first, parent(), parent()).tolist())

    parents: list[Operations] = []
    candidates = new_cells(settings.population, ATTEMPTS, at_random)
    for _ in range(settings.generations):
        ranked = sorted(parents + candidates, key=lambda operations: -scores[Cell(operations).position])
        parents = ranked[: settings.parents]
        candidates = new_cells(settings.mutations, ATTEMPTS, mutated)
        candidates += new_cells(settings.crossovers, 10 * settings.crossovers, crossed)  # the program's own cap
        candidates += new_cells(settings.population - len(candidates), ATTEMPTS, at_random)
    return Cell(parents[0])
