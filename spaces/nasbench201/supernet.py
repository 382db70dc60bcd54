"""The supernet: every cell of the space at once, in one network of shared weights."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spaces import native
from spaces.layers import BatchNorm, Head, ReductionBlock, Stem, average_pool, convolve, initialise, normalise
from spaces.nasbench201 import compiled_cell
from spaces.nasbench201.cell import CONV1, CONV3, EDGES, NONE, OPERATIONS, POOL, SKIP, Cell
from spaces.space import Precision
from spaces.supernet import MixedCell, Place
from spaces.supernet import Supernet as AnySupernet

LEAVING = tuple(tuple(e for e, (source, _) in enumerate(EDGES) if source == node) for node in range(3))
"""The edges that leave nodes 0, 1 and 2, by target: (0, 1, 3), (2, 4), (5,)."""

ENTERING = tuple(tuple(e for e, (_, target) in enumerate(EDGES) if target == node) for node in range(1, 4))
"""The edges that enter nodes 1, 2 and 3, by source: (0,), (1, 2), (3, 4, 5)."""


ALL = tuple(range(len(OPERATIONS)))
"""The numbers of all operations."""


class Mixture:
    """The (6, 5) weights of the operations, and how the cells of one stage, of C channels, need them laid out.

    `skip` and `pool` hold a number for each edge; `conv1` and `conv3` for each source node the factors of the merged
    convolutions' channels. Laid out once for a whole stage, since small tensors cost as much time as large ones.
    A sixth column, where there is one, is `bypass`: the weights of the channels that bypass the operations.
    """

    def __init__(self, weights: Tensor, channels: int) -> None:
        self.weights, self.channels = weights, channels

    @cached_property
    def columns(self) -> tuple[Tensor, ...]:
        return self.weights.unbind(1)

    @cached_property
    def skip(self) -> tuple[Tensor, ...]:
        return self.columns[SKIP].unbind()

    @cached_property
    def pool(self) -> tuple[Tensor, ...]:
        return self.columns[POOL].unbind()

    @cached_property
    def bypass(self) -> tuple[Tensor, ...]:
        return self.columns[len(OPERATIONS)].unbind()

    @cached_property
    def conv1(self) -> list[Tensor]:
        return self._of_channels(CONV1)

    @cached_property
    def conv3(self) -> list[Tensor]:
        return self._of_channels(CONV3)

    def _of_channels(self, operation: int) -> list[Tensor]:
        of_edges = self.columns[operation].unbind()
        return [torch.stack([of_edges[e] for e in edges]).repeat_interleave(self.channels) for edges in LEAVING]


def add_scaled(total: Tensor, factors: Sequence[Tensor], terms: Sequence[Tensor], like: Tensor) -> Tensor:
    """total + Σ factors[t] · terms[t], maps of the shape of `like`; factors are numbers, and `total` may be one."""
    if native.is_batch_last(like):
        is_map = total.dim() > 0
        one = torch.ones((), dtype=like.dtype) if is_map else total
        return native.weighted_sum(torch.stack([one, *factors]), [total if is_map else None, *terms], like)
    for factor, term in zip(factors, terms, strict=True):
        total = torch.addcmul(total, factor, term)
    return total.expand_as(like)


class SearchCell(MixedCell):
    """A cell with all five operations on all six edges: B × C × H × W in and out.

    What the edges leaving one node share is computed once: its ReLU, its average pool, and, as one convolution with
    three, two or one times C outputs, their convolutions of one size: `conv3[node]` holds the weights of the edges
    in `LEAVING[node]`, one after the other. `none` is never computed.

    Args:
        numbers: of the operations that the cell has; the others have no weights, and are not computed.
    """

    def __init__(self, channels: int, numbers: tuple[int, ...] = ALL) -> None:
        super().__init__()
        self.channels, self.numbers = channels, numbers
        self.conv1, self.conv3 = (
            nn.ParameterList(
                nn.Parameter(torch.empty(len(edges) * channels, channels, k, k))
                for edges in LEAVING
                if operation in numbers
            )
            for operation, k in ((CONV1, 1), (CONV3, 3))
        )

    def place(self, edge: int, operation: int) -> Place | None:
        """Of the weights (C, C, k, k) of a convolution."""
        kernels = {CONV1: self.conv1, CONV3: self.conv3}.get(self.numbers[operation])
        leaving = LEAVING[EDGES[edge][0]]
        return None if kernels is None else Place(kernels[EDGES[edge][0]], leaving.index(edge), len(leaving))

    def convolution(self, operation: int, edge: int) -> Tensor:
        """Weights of the one convolution `operation` on `edge`, (C, C, k, k), a view."""
        place = self.place(edge, self.numbers.index(operation))
        assert place is not None
        return place.of(place.parameter)

    def forward(self, x: Tensor, mixture: Mixture) -> Tensor:
        """Each node is Σ over its incoming edges and their operations of weight × operation(source)."""
        if native.is_batch_last(x):
            return compiled_cell.search_cell(x, mixture.weights, self.conv1, self.conv3, self.numbers)
        return self.node_by_node(x, mixture)

    def node_by_node(self, x: Tensor, mixture: Mixture) -> Tensor:
        """The same, of what leaves each node in turn."""
        nodes: list[Tensor | None] = [x, None, None, None]
        for node, edges in enumerate(LEAVING):
            source = nodes[node]
            assert source is not None
            for edge, mixed in zip(edges, self.leaving(node, source, mixture), strict=True):
                target = EDGES[edge][1]
                sum_so_far = nodes[target]
                nodes[target] = mixed if sum_so_far is None else sum_so_far + mixed
        output = nodes[3]
        assert output is not None
        return output

    def leaving(self, node: int, source: Tensor, mixture: Mixture) -> Iterator[Tensor]:
        """Σ over the operations of weight × operation(source), for each edge that leaves a node.

        The weight of a convolution scales its batch normalisation, which makes its gradient a reduction that the
        normalisation computes anyway.
        """
        edges, active = LEAVING[node], F.relu(source)
        convolved = [
            self.normalised(convolve(active, kernels[node]), factors[node], operation, node)
            for operation, kernels, factors in ((CONV3, self.conv3, mixture.conv3), (CONV1, self.conv1, mixture.conv1))
            if operation in self.numbers
        ]
        nothing = torch.zeros((), dtype=source.dtype, device=source.device)
        mixed = functools.reduce(torch.add, convolved).chunk(len(edges), 1) if convolved else [nothing] * len(edges)
        others = [(mixture.skip, source)] if SKIP in self.numbers else []
        if POOL in self.numbers:
            others.append((mixture.pool, average_pool(source)))
        terms = [term for _, term in others]
        for edge, total in zip(edges, mixed, strict=True):
            yield add_scaled(total, [factors[edge] for factors, _ in others], terms, source)

    def normalised(self, convolved: Tensor, factors: Tensor, operation: int, node: int) -> Tensor:
        """What the merged convolutions of a node gave, normalised and times the factors of their channels."""
        return normalise(convolved, factors)

    def forward_path(self, x: Tensor, cell: Cell) -> Tensor:
        """The same sum for a discrete cell, of which only the chosen operations are computed."""
        if native.is_batch_last(x):
            return compiled_cell.search_path(x, cell, self.conv1, self.conv3)
        nodes: list[Tensor | None] = [x, None, None, None]  # None is a node of zeros
        for edge, (operation, (source_node, target)) in enumerate(zip(cell.operations, EDGES, strict=True)):
            source = nodes[source_node]
            if operation == NONE or source is None:
                continue
            term, sum_so_far = self.output(operation, edge, source), nodes[target]
            nodes[target] = term if sum_so_far is None else sum_so_far + term
        return torch.zeros_like(x) if nodes[3] is None else nodes[3]

    def forward_sampled(self, x: Tensor, cell: Cell, chosen: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
        """As `forward_path`, but for every edge times the number `chosen[edge]` plus the number `others[edge]`."""
        nodes = [x]
        for edges in ENTERING:
            computed = [edge for edge in edges if cell.operations[edge] != NONE]
            factors = [chosen[edge] for edge in computed]
            terms = [self.output(cell.operations[edge], edge, nodes[EDGES[edge][0]]) for edge in computed]
            total = torch.stack([others[edge] for edge in edges]).sum()
            nodes.append(add_scaled(total, factors, terms, x))
        return nodes[3]

    def output(self, operation: int, edge: int, source: Tensor) -> Tensor:
        """What an operation other than `none` makes of an edge's source."""
        if operation == SKIP:
            return source
        if operation == POOL:
            return average_pool(source)
        return normalise(convolve(F.relu(source), self.convolution(operation, edge)))


class Supernet(AnySupernet):
    """Stem, three stages of search cells joined by reduction blocks, and the classifier (NAS-Bench-201, §2.1).

    Batch normalisation uses batch statistics and, in the search cells, has no affine parameters.

    Args:
        channels: C of the first stage; the second and third have 2C and 4C.
        cells_per_stage: N, the number of search cells in a stage.
        classes: outputs of the classifier.
        generator: a CPU generator from which the weights are drawn.
        search_cell: what makes a search cell of so many channels.
        precision: "bf16" computes feature maps in bfloat16 (weights, statistics and logits stay in float32).
        numbers: of the operations that its cells have, ascending.
        moving: as of `Space.supernet`.
    """

    def __init__(
        self,
        channels: int,
        cells_per_stage: int,
        classes: int,
        generator: torch.Generator,
        search_cell: Callable[[int], SearchCell] = SearchCell,
        precision: Precision = "fp32",
        numbers: tuple[int, ...] = ALL,
        moving: float | None = None,
    ) -> None:
        super().__init__()
        self.precision, self.numbers = precision, numbers
        track = moving is not None
        self.stem = Stem(channels, track)
        self.body = nn.ModuleList()
        for width in (channels, 2 * channels, 4 * channels):
            if width > channels:
                self.body.append(ReductionBlock(width // 2, track))
            self.body.extend(search_cell(width) for _ in range(cells_per_stage))
        self.head = Head(4 * channels, classes, track)
        for layer in self.modules():
            if isinstance(layer, BatchNorm):
                layer.momentum = moving
        initialise(self, generator)

    @property
    def cells(self) -> list[SearchCell]:
        """The 3·N search cells, from input to output."""
        return [layer for layer in self.body if isinstance(layer, SearchCell)]

    def forward(self, images: Tensor, weights: Tensor) -> Tensor:
        weights = self._of_all(weights)
        if weights.dim() == 3:
            mixtures = iter([Mixture(own, cell.channels) for own, cell in zip(weights, self.cells, strict=True)])
            return self._through(images, lambda cell, x: cell(x, next(mixtures)))
        of_stage = {channels: Mixture(weights, channels) for channels in {cell.channels for cell in self.cells}}
        return self._through(images, lambda cell, x: cell(x, of_stage[cell.channels]))

    def _of_all(self, weights: Tensor) -> Tensor:
        """The weights of all of NAS-Bench-201's operations, 0 of those that are not the space's."""
        if self.numbers == ALL:
            return weights
        more = range(len(ALL), len(ALL) + weights.shape[-1] - len(self.numbers))  # columns that are no operation's
        columns = torch.tensor([*self.numbers, *more], device=weights.device)
        return weights.new_zeros(*weights.shape[:-1], len(ALL) + len(more)).index_copy(-1, columns, weights)

    def forward_path(self, images: Tensor, choices: Sequence[Cell]) -> Tensor:
        remaining = iter(choices)
        return self._through(images, lambda cell, x: cell.forward_path(x, next(remaining)))

    def forward_sampled(self, images: Tensor, cell: Cell, weights: Tensor) -> Tensor:
        choices = [self.numbers.index(operation) for operation in cell.operations]
        of_cell = torch.tensor(choices, device=weights.device)[:, None]
        chosen = weights.gather(1, of_cell).flatten().unbind()
        others = weights.scatter(1, of_cell, 0.0).sum(1).unbind()
        return self._through(images, lambda layer, x: layer.forward_sampled(x, cell, chosen, others))

    def _through(self, images: Tensor, search_cell: Callable[[SearchCell, Tensor], Tensor]) -> Tensor:
        """Logits of images that go through all layers, and through the search cells as `search_cell` has it."""
        bf16 = self.precision == "bf16"
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
            x = self.stem(images if bf16 or self.layers == "torch" else native.batch_last(images))
            for layer in self.body:
                x = search_cell(layer, x) if isinstance(layer, SearchCell) else layer(x)
            logits: Tensor = self.head(x)
        return logits.float() if bf16 else logits
