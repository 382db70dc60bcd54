"""The least time a step can take on a machine, from what it must compute and move: the roofline.

    floor = max(FLOP / rate of a matrix product, bytes / rate of a copy)

Both rates are measured on the machine itself. Counted is float32 and the direct computation, layer by layer: whoever
saves multiplications by other algorithms, as Winograd's, can go below.

**FLOP**: two for each multiply-add of the convolutions and the classifier, once forward, once for the gradient of the
weights and once for that of the input, in so far as they are needed. A step of α needs no gradient of weights, and
nothing below the first α: neither the stem's gradient nor that of the first cell's input.

**Bytes**: feature maps. One has to exist as a whole where a batch normalisation needs its statistics, which is the
output of every convolution, and where convolutions read it, which is every node and every normalised map between two
convolutions. Pooled maps, ReLUs and weighted terms can be made while their results are summed up. Such a map is written
once and read once forward. Backward it is read once for its own gradient's statistics and once for that gradient, which
is written once and read once. Weights, images and logits, a few percent of it, do not count.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch

from spaces.nasbench201.cell import CONV1, CONV3, EDGES, NONE, SKIP, Cell
from spaces.nasbench201.cost import macs

FORWARD_MOVES, BACKWARD_MOVES = 2, 4
"""How often a feature map is written or read."""

LARGEST_COPY = 256 * 2**20
"""Bytes; larger than the caches, so that a yet larger copy is no slower."""


class InCell(NamedTuple):
    """What a search cell computes: its convolutions of each size, and the feature maps that have to exist."""

    conv1: float
    conv3: float
    maps: float


MIXTURE = InCell(len(EDGES), len(EDGES), 2 * len(EDGES) + 3)
"""Two convolutions on every edge, and three nodes."""


@dataclass(frozen=True)
class Network:
    """The size of a supernet and of its batches."""

    channels: int
    cells_per_stage: int
    classes: int
    resolution: int
    batch_size: int


class Work(NamedTuple):
    """What a step must do at least."""

    flop: float
    bytes: float
    working_set: float
    """Bytes of the feature maps that exist at once, which decides what cache they fit in."""


class Passes(NamedTuple):
    """The passes over one batch that a step consists of."""

    cell: InCell
    weights: int = 0
    """With the gradient of the weights."""
    alpha: int = 0
    """With the gradient of α alone."""
    forward: int = 0
    """Without any."""


def passes(step: str) -> Passes:
    """The passes of a step, by its name in `benchmark.speed_rows.STEPS`."""
    return {
        "darts": Passes(MIXTURE, weights=1, alpha=1),
        # The step ahead, the gradient there, and the weights' own step; two ends of a finite difference.
        "darts2": Passes(MIXTURE, weights=3, alpha=2),
        "single-path": Passes(mean_path(), weights=1),
        "pt-eval": Passes(MIXTURE, forward=1),
    }[step]


def work(step: Passes, network: Network) -> Work:
    """FLOP and bytes of one step; of single paths the mean over all paths."""
    n = network
    widths = [(n.channels * 2**stage, (n.resolution // 2**stage) ** 2) for stage in range(3)]  # channels, pixels
    first_edges = 3 * 10 * n.channels**2 * n.resolution**2  # of the first cell's input
    stem = 3 * 9 * n.channels * n.resolution**2

    def count(operation: int) -> int:
        return macs(Cell((operation,) * len(EDGES)), n.channels, n.cells_per_stage, n.classes, n.resolution)

    fixed = count(NONE)
    conv1, conv3 = ((count(operation) - fixed) / len(EDGES) for operation in (CONV1, CONV3))
    forward = fixed - n.classes + step.cell.conv1 * conv1 + step.cell.conv3 * conv3  # `macs` counts the biases
    multiply_adds = (
        step.weights * (3 * forward - stem) + step.alpha * (2 * forward - stem - first_edges) + step.forward * forward
    )
    areas = [channels * pixels for channels, pixels in widths]
    # Stem: convolution and its normalisation. Reduction: two convolutions, the map between them, and the sum.
    maps = 4 * n.batch_size * (2 * areas[0] + n.cells_per_stage * step.cell.maps * sum(areas) + 4 * sum(areas[1:]))
    both = FORWARD_MOVES + BACKWARD_MOVES
    moved = maps * ((step.weights + step.alpha) * both + step.forward * FORWARD_MOVES)
    return Work(2.0 * n.batch_size * multiply_adds, moved, maps)


@functools.cache
def mean_path() -> InCell:
    """The mean over the cells that single-path training draws: any, but with an operation other than `none` into
    every node."""
    cells = [in_path(cell) for cell in Cell.all() if all(set(into(cell, node)) != {NONE} for node in (1, 2, 3))]
    return InCell(*(sum(values) / len(cells) for values in zip(*cells, strict=True)))


def in_path(cell: Cell) -> InCell:
    """What a discrete cell computes. What leads nowhere is not computed, and a node that only skips is no new map."""
    live = {3}
    for edge in reversed(range(len(EDGES))):  # from the output back
        source, target = EDGES[edge]
        if target in live and cell.operations[edge] != NONE:
            live.add(source)
    operations = [[op for op in into(cell, node) if op != NONE] for node in (1, 2, 3) if node in live]
    conv1, conv3 = (sum(ops.count(size) for ops in operations) for size in (CONV1, CONV3))
    return InCell(conv1, conv3, conv1 + conv3 + sum(ops != [SKIP] for ops in operations))


def into(cell: Cell, node: int) -> list[int]:
    """The operations of the edges that enter a node."""
    return [operation for operation, (_, target) in zip(cell.operations, EDGES, strict=True) if target == node]


class Probe:
    """Measures nothing itself, but is what to time for the two rates."""

    def __init__(self, device: torch.device, working_set: float) -> None:
        side = 1024 if device.type == "cpu" else 8192  # large enough for the full rate
        self.factors = [torch.ones(side, side, device=device) for _ in range(3)]
        self.flop = 2.0 * side**3
        half = int(min(working_set, LARGEST_COPY)) // 8  # source and target, of four bytes each
        self.source, self.target = (torch.ones(half, device=device) for _ in range(2))
        self.repeats = max(1, LARGEST_COPY // 4 // (8 * half))  # a single small copy is too short to be timed
        self.bytes = 8.0 * half * self.repeats

    def multiply(self) -> None:
        """A matrix product, of `flop`."""
        torch.mm(self.factors[0], self.factors[1], out=self.factors[2])

    def copy(self) -> None:
        """A copy that reads and writes `bytes`."""
        for _ in range(self.repeats):
            self.target.copy_(self.source)

    def floor(self, work: Work, multiplied: float, copied: float) -> float:
        """Seconds that the work takes at least, where `multiply` and `copy` took so many."""
        return max(work.flop * multiplied / self.flop, work.bytes * copied / self.bytes)

    @property
    def tasks(self) -> dict[str, Callable[[], None]]:
        """The two, by name."""
        return {"multiply": self.multiply, "copy": self.copy}
