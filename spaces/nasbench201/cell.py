"""The cell of NAS-Bench-201: a directed acyclic graph on 4 nodes whose 6 edges each hold one of 5 operations.

Source: Dong & Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR 2020, §2.1.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from spaces.space import CellError

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The operations in the benchmark's order; the index of a name here is its number everywhere."""

NONE, SKIP, CONV1, CONV3, POOL = range(len(OPERATIONS))

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source node, target node) of each edge, in the order of the cell string."""

NUM_CELLS = len(OPERATIONS) ** len(EDGES)  # 15,625


def _shown(text: str) -> str:
    """As much of a wrong text as a message can hold."""
    return repr(text) if len(text) <= 200 else f"{text[:200]!r}…"


@dataclass(frozen=True, order=True)
class Cell:
    """One cell: the number of the operation on each of the 6 edges, in the order of `EDGES`."""

    operations: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.operations) != len(EDGES):
            raise CellError(f"a cell has {len(EDGES)} operations, one an edge, but {len(self.operations)} were given")
        for operation in self.operations:
            if operation not in range(len(OPERATIONS)):
                raise CellError(f"operation {operation!r} is not one of 0 to {len(OPERATIONS) - 1}")

    @classmethod
    def parse(cls, text: str) -> Cell:
        """The cell written as `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, the benchmark's own form.

        Raises:
            CellError: naming the first token that is wrong and what was expected there.
        """
        nodes = text.strip().split("+")
        if len(nodes) != 3:
            raise CellError(
                f"{_shown(text)} is no cell: expected 3 nodes joined by '+', found {len(nodes)}; "
                "a cell looks like |skip_connect~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"
            )
        operations = []
        for target, node in enumerate(nodes, start=1):
            if not (len(node) > 1 and node.startswith("|") and node.endswith("|")):
                raise CellError(f"{_shown(node)} is no node: expected {target} operation(s) between '|' bars")
            tokens = node[1:-1].split("|")
            if len(tokens) != target:
                raise CellError(f"{_shown(node)}: node {target} takes {target} operation(s), found {len(tokens)}")
            for source, token in enumerate(tokens):
                name, _, number = token.partition("~")
                if name not in OPERATIONS:
                    known = ", ".join(OPERATIONS)
                    raise CellError(f"{_shown(token)}: {_shown(name)} is not an operation; they are {known}")
                if number != str(source):
                    raise CellError(f"{_shown(token)}: expected '{name}~{source}', the operation from node {source}")
                operations.append(OPERATIONS.index(name))
        return cls(tuple(operations))

    def __str__(self) -> str:
        """The benchmark's own form, which `parse` reads."""
        tokens = iter(f"{OPERATIONS[op]}~{source}|" for op, (source, _) in zip(self.operations, EDGES, strict=True))
        return "+".join("|" + "".join(itertools.islice(tokens, target)) for target in (1, 2, 3))

    @property
    def position(self) -> int:
        """Place of the cell in 0…15,624: its operations read as a number in base 5, first edge most significant.

        This is not the benchmark's official index, whose order is that of its release and follows no rule.
        """
        position = 0
        for operation in self.operations:
            position = position * len(OPERATIONS) + operation
        return position

    @classmethod
    def at(cls, position: int) -> Cell:
        """The cell at a place in 0…15,624, the inverse of `position`.

        Raises:
            CellError: for a number outside that range.
        """
        if not 0 <= position < NUM_CELLS:
            raise CellError(f"position {position} is outside 0 to {NUM_CELLS - 1}")
        digits = []
        for _ in EDGES:
            position, digit = divmod(position, len(OPERATIONS))
            digits.append(digit)
        return cls(tuple(reversed(digits)))

    @classmethod
    def all(cls) -> Iterator[Cell]:
        """Every cell, by position."""
        for operations in itertools.product(range(len(OPERATIONS)), repeat=len(EDGES)):
            yield cls(operations)

    def count(self, operation: int) -> int:
        """On how many of the 6 edges `operation` stands."""
        return self.operations.count(operation)

    def canonical(self) -> str:
        """A text shared exactly by the cells whose output is the same sum of the same terms.

        `none` adds no term, `skip_connect` hands the terms of its source on, and sums are flattened and sorted; so
        `x` is the cell's input and `3(x)+x` a 3×3 convolution of it beside a skip. The empty text is the cell whose
        output is always zero. The 15,625 cells fall into 4,930 classes, against 6,466 of the benchmark's own
        string form, which keeps zero terms and so tells `x` from `x+0`.

        A convolution of an all-zero node is taken for zero. In a search network that is exact, since the batch
        normalisation of zeros without affine parameters is zero; a trained network's has a learned bias, and telling
        that constant apart from zero would make 5,155 classes. Equal convolutions
        of equal inputs count as the same term whether one edge computes them or two do: members of a class agree
        numerically wherever such edges hold the same weights. Pooling is not distributed over sums: it is
        linear, so that would join a few more classes (4,660 would be left), but not ones the benchmark trains alike.
        """
        nodes: list[list[str]] = [["x"]]
        operations = iter(self.operations)
        for target in (1, 2, 3):
            terms: list[str] = []
            for source in range(target):
                operation = next(operations)
                if operation == NONE or not nodes[source]:
                    continue
                if operation == SKIP:
                    terms += nodes[source]
                else:
                    terms.append(f"{_SYMBOLS[operation]}({'+'.join(nodes[source])})")
            nodes.append(sorted(terms))
        return "+".join(nodes[3])


_SYMBOLS = {CONV1: "1", CONV3: "3", POOL: "p"}
