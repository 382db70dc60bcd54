"""NAS-Bench-201's space: what its cells are, and the networks built of them.

Source: Dong & Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR 2020, §2.1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from spaces.nasbench201.cell import EDGES, OPERATIONS, Cell
from spaces.nasbench201.looks import LETTERS, NODES, STROKES, WORDS
from spaces.space import CellError, Precision, Space, SpaceError

if TYPE_CHECKING:
    import torch

    from spaces.nasbench201.network import CellNetwork
    from spaces.nasbench201.supernet import SearchCell
    from spaces.supernet import Supernet

NAME, TITLE = "nasbench201", "NAS-Bench-201"


class NASBench201(Space):
    """The 15,625 cells, or those of them that have some of the five operations only."""

    edges, nodes = EDGES, NODES

    def __init__(self, numbers: tuple[int, ...]) -> None:
        """
        Args:
            numbers: of the operations in the benchmark's own order, ascending.
        """
        self.numbers = numbers
        self.operations = tuple(OPERATIONS[number] for number in numbers)
        self.letters = tuple(LETTERS[number] for number in numbers)
        self.words = tuple(WORDS[number] for number in numbers)
        self.strokes = tuple(STROKES[number] for number in numbers)
        whole = len(numbers) == len(OPERATIONS)
        self.name = NAME if whole else f"{NAME}: {', '.join(self.operations)}"
        self.title = TITLE if whole else f"{TITLE} with {', '.join(self.operations)} only"

    def __reduce__(self) -> tuple[Callable[[str], Space], tuple[str]]:
        return named, (self.name,)  # so that every copy is the one space

    def restricted(self, operations: Sequence[str]) -> NASBench201:
        for operation in operations:
            if operation not in self.operations:
                raise SpaceError(
                    f"{operation!r} is none of the operations of {self.title}: {', '.join(self.operations)}"
                )
        if len(set(operations)) < len(operations):
            raise SpaceError("name each operation once")
        if len(operations) < 2:
            raise SpaceError("a search needs two operations at least to choose from")
        return _of(tuple(sorted(OPERATIONS.index(operation) for operation in operations)))

    def cell(self, choices: Sequence[int]) -> Cell:
        return Cell(tuple(self.numbers[choice] for choice in choices))

    def choices_of(self, cell: Cell) -> tuple[int, ...]:
        for operation in cell.operations:
            if operation not in self.numbers:
                raise CellError(f"{cell} has {OPERATIONS[operation]}, which {self.title} has not")
        return tuple(self.numbers.index(operation) for operation in cell.operations)

    def parse(self, text: str) -> Cell:
        cell = Cell.parse(text)
        self.choices_of(cell)
        return cell

    def is_parametric(self, cell: Cell) -> bool:
        return bool(set("13") & set(cell.canonical()))

    def supernet(
        self,
        channels: int,
        cells_per_stage: int,
        classes: int,
        generator: torch.Generator,
        precision: Precision = "fp32",
        part: int | None = None,
        moving: float | None = None,
        affine: bool = False,
    ) -> Supernet:
        from spaces.nasbench201.affine import AffineSearchCell
        from spaces.nasbench201.partial import PartialSearchCell
        from spaces.nasbench201.supernet import SearchCell, Supernet

        if affine and part is not None:
            raise ValueError("there is no supernet with a part of the channels and scales and shifts as well")

        def search_cell(width: int) -> SearchCell:
            if part is None:
                return (AffineSearchCell if affine else SearchCell)(width, self.numbers)
            return PartialSearchCell(width, part, self.numbers)

        return Supernet(channels, cells_per_stage, classes, generator, search_cell, precision, self.numbers, moving)

    def subnetwork(self, supernet: Supernet, cell: Cell) -> CellNetwork:
        from spaces.nasbench201.network import subnetwork
        from spaces.nasbench201.supernet import Supernet

        assert isinstance(supernet, Supernet)
        return subnetwork(supernet, cell)


@functools.cache
def _of(numbers: tuple[int, ...]) -> NASBench201:
    return NASBench201(numbers)


NASBENCH201 = _of(tuple(range(len(OPERATIONS))))
"""The whole space."""


def named(name: str) -> Space:
    """The space of that name, as rows have it.

    Raises:
        SpaceError: where there is none.
    """
    whole, colon, operations = name.partition(": ")
    if whole != NAME or (colon and not operations):
        raise SpaceError(f"there is no space {name[:100]!r}; there is {NAME}, and {NAME}: OPERATION, OPERATION, …")
    return NASBENCH201.restricted(operations.split(", ")) if colon else NASBENCH201
