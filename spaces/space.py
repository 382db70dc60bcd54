"""What a search chooses from: cells, each a graph whose edges hold one operation each.

`spaces.nasbench201` has the one space that is whole so far; `Space.restricted` makes a smaller one of some operations.
Outside this package nothing knows how many edges, operations or cells there are: it asks the space.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # not needed to look a cell up, which takes less time than importing them
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from spaces.drawing import Stroke
    from spaces.nasbench201.cell import Cell
    from spaces.supernet import Supernet

Precision = Literal["fp32", "tf32", "bf16"]
"""Number formats of a network: float32; on a GPU, convolutions of numbers with 10-bit mantissas (tf32); feature maps in
bfloat16, the rest in float32 (bf16)."""


class CellError(ValueError):
    """A text or number that is no cell of the space; the message says which part and why."""


class SpaceError(ValueError):
    """Operations or a name that make no space; the message says why and what there is."""


class Space(ABC):
    """The cells that a search may choose, and the networks made of them.

    Operations are numbered by their place in `operations`, cells by their `choices` in lexicographic order. A cell's
    `index` is its place among the space's own cells, a table's `Cell.position` that among all of the whole space.
    """

    name: str
    """As rows have it; equal names are equal spaces."""

    title: str
    """As it is called in print."""

    edges: tuple[tuple[int, int], ...]
    """(source node, target node) of each edge, by target; node 0 is the input, the last one the output."""

    operations: tuple[str, ...]
    """The names of the operations, one of which stands on each edge."""

    letters: tuple[str, ...]
    """A letter for each operation."""

    words: tuple[str, ...]
    """Each operation in a word or two."""

    nodes: tuple[tuple[float, float], ...]
    """Where the nodes stand in a drawing."""

    strokes: tuple[Stroke, ...]
    """How each operation is drawn."""

    @abstractmethod
    def restricted(self, operations: Sequence[str]) -> Space:
        """The cells of this space that have these operations only, in the space's own order.

        Raises:
            SpaceError: for unknown or repeated operations, or fewer than two.
        """

    @abstractmethod
    def cell(self, choices: Sequence[int]) -> Cell:
        """The cell with these operations, by their numbers, one an edge."""

    @abstractmethod
    def choices_of(self, cell: Cell) -> tuple[int, ...]:
        """The inverse of `cell`.

        Raises:
            CellError: for a cell of another space.
        """

    @abstractmethod
    def parse(self, text: str) -> Cell:
        """The cell that the text says; `str` of a cell is its inverse.

        Raises:
            CellError: for a text that is no cell of the space, saying which part and why.
        """

    @abstractmethod
    def is_parametric(self, cell: Cell) -> bool:
        """Whether an operation with weights is on a way from the input to the output."""

    @abstractmethod
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
        """A new supernet of all cells, its weights drawn from the CPU generator.

        Args:
            part: K of PC-DARTS: 1/K of a node's channels goes through the operations, and the edges' own weights are a
                last column beside the operations'; None is a plain supernet.
            moving: the share of a batch in the moving statistics of the layers outside the search cells, by which these
                normalise in evaluation; None: batch statistics everywhere and always.
            affine: whether the normalisations of the search cells have scales and shifts; not with a part.
        """

    @abstractmethod
    def subnetwork(self, supernet: Supernet, cell: Cell) -> nn.Module:
        """A cell's own network with a copy of the supernet's weights, on its device; no statistics are copied."""

    def __len__(self) -> int:
        return int(len(self.operations) ** len(self.edges))

    def __repr__(self) -> str:
        return f"<space {self.name}>"

    def __contains__(self, cell: Cell) -> bool:
        try:
            self.choices_of(cell)
        except ValueError:
            return False
        return True

    @property
    def shape(self) -> tuple[int, int]:
        """(edges, operations), the shape of α."""
        return len(self.edges), len(self.operations)

    @cached_property
    def choices(self) -> NDArray[np.int64]:
        """(cells, edges): the numbers of every cell's operations, by index."""
        import numpy as np

        edges, operations = self.shape
        return np.indices((operations,) * edges, dtype=np.int64).reshape(edges, -1).T

    @cached_property
    def positions(self) -> NDArray[np.int64]:
        """(cells,): where each cell stands in a table of the whole space, by index."""
        import numpy as np

        return np.array([self.at(index).position for index in range(len(self))])

    def number(self, operation: str) -> int | None:
        """The number of an operation; None where the space has none of that name."""
        return self.operations.index(operation) if operation in self.operations else None

    @cached_property
    def none(self) -> int | None:
        """The number of the operation that is no connection."""
        return self.number("none")

    @cached_property
    def skip(self) -> int | None:
        """The number of the operation that hands its input on."""
        return self.number("skip_connect")

    def compact(self, cell: Cell) -> str:
        """The cell by node, a letter an edge, as `s 3- 3ps`."""
        letters = iter(self.letters[choice] for choice in self.choices_of(cell))
        return " ".join("".join(itertools.islice(letters, entering)) for entering in self.entering)

    @property
    def legend(self) -> str:
        """What the letters of `compact` mean."""
        return ", ".join(f"{letter} {word}" for letter, word in zip(self.letters, self.words, strict=True))

    def count(self, cell: Cell, operation: int | None) -> int:
        """On how many edges of the cell an operation of the space stands."""
        return self.choices_of(cell).count(-1 if operation is None else operation)

    @cached_property
    def entering(self) -> list[int]:
        """How many edges enter each node but the input, by node."""
        return [sum(target == node for _, target in self.edges) for node in range(1, self.edges[-1][1] + 1)]

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """The edges of each path from input to output, the direct one first."""
        output = self.edges[-1][1]

        def onward(node: int) -> list[tuple[int, ...]]:
            if node == output:
                return [()]
            leaving = [(edge, target) for edge, (source, target) in enumerate(self.edges) if source == node]
            return [(edge, *rest) for edge, target in leaving for rest in onward(target)]

        return tuple(sorted(onward(0), key=lambda path: (-path[0], path)))

    def indices(self, choices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The indices, (n,), of cells by their operations, (n, edges)."""
        import numpy as np

        edges, operations = self.shape
        return choices @ operations ** np.arange(edges)[::-1]

    def index(self, cell: Cell) -> int:
        """The cell's place among the cells of the space.

        Raises:
            CellError: for a cell of another space.
        """
        index = 0
        for choice in self.choices_of(cell):
            index = index * len(self.operations) + choice
        return index

    def at(self, index: int) -> Cell:
        """The cell at a place among those of the space, the inverse of `index`.

        Raises:
            CellError: for a number outside them.
        """
        if not 0 <= index < len(self):
            raise CellError(f"{index} is no place among the {len(self):,} cells of {self.title}")
        choices = []
        for _ in self.edges:
            index, choice = divmod(index, len(self.operations))
            choices.append(choice)
        return self.cell(choices[::-1])

    def best(self, scores: Tensor) -> Cell:
        """The cell with the best-scored operation on every edge; `scores` is (edges, operations). Ties go to the lower
        number."""
        assert scores.shape == self.shape
        return self.cell(scores.detach().cpu().numpy().argmax(1).tolist())

    def one_hot(self, choices: Tensor) -> Tensor:
        """The (…, edges, operations) weights of discrete operations (…, edges), float32; made without asking for the
        operations' values."""
        import torch

        zeros = torch.zeros(*choices.shape, len(self.operations), device=choices.device)
        return zeros.scatter_(-1, choices[..., None], 1.0)
