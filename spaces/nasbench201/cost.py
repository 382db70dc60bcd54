"""What a cell's network costs, as NAS-Bench-201 counts it: parameters, and multiply-adds (its "FLOPs").

Both are linear in the numbers of 1×1 and of 3×3 convolutions in the cell, wherever they stand: the other operations
cost nothing, and a convolution costs the same on every edge. The counts are of
`spaces.nasbench201.network.CellNetwork`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spaces.nasbench201.cell import CONV1, CONV3, EDGES, OPERATIONS, Cell


def parameters(cell: Cell, channels: int, cells_per_stage: int, classes: int) -> int:
    """Weights of the cell's network: convolutions, batch normalisations and the classifier."""
    return _parameters(channels, cells_per_stage, classes).of(cell)


def macs(cell: Cell, channels: int, cells_per_stage: int, classes: int, resolution: int) -> int:
    """Multiply-adds of the cell's network for one image of `resolution` × `resolution` pixels.

    As in the benchmark, convolutions and the classifier count, with one for each bias; batch normalisation, ReLU,
    pooling and sums do not. The resolution is a multiple of 4, since the network halves it twice.
    """
    return _macs(channels, cells_per_stage, classes, resolution).of(cell)


def all_parameters(channels: int, cells_per_stage: int, classes: int) -> NDArray[np.int64]:
    """`parameters` of all 15,625 cells, by position."""
    return _parameters(channels, cells_per_stage, classes).of_all()


def all_macs(channels: int, cells_per_stage: int, classes: int, resolution: int) -> NDArray[np.int64]:
    """`macs` of all 15,625 cells, by position."""
    return _macs(channels, cells_per_stage, classes, resolution).of_all()


class _Cost(NamedTuple):
    """What the network costs without any convolution in its cells, and what one of either size adds."""

    fixed: int
    conv1: int
    conv3: int

    def of(self, cell: Cell) -> int:
        return self.fixed + self.conv1 * cell.count(CONV1) + self.conv3 * cell.count(CONV3)

    def of_all(self) -> NDArray[np.int64]:
        operations = np.indices((len(OPERATIONS),) * len(EDGES)).reshape(len(EDGES), -1)  # by position
        conv1, conv3 = ((operations == operation).sum(0, dtype=np.int64) for operation in (CONV1, CONV3))
        costs: NDArray[np.int64] = self.fixed + self.conv1 * conv1 + self.conv3 * conv3
        return costs


def _parameters(channels: int, cells_per_stage: int, classes: int) -> _Cost:
    widths = (channels, 2 * channels, 4 * channels)

    def normalised(inputs: int, outputs: int, size: int) -> int:
        """A convolution without bias, and the scale and shift of its batch normalisation."""
        return inputs * outputs * size**2 + 2 * outputs

    stem = normalised(3, channels, 3)
    # A reduction block: two 3×3 convolutions, and a 1×1 on the shortcut without batch normalisation.
    reductions = sum(normalised(w // 2, w, 3) + normalised(w, w, 3) + w // 2 * w for w in widths[1:])
    head = 2 * widths[2] + (widths[2] + 1) * classes
    conv1, conv3 = (cells_per_stage * sum(normalised(w, w, size) for w in widths) for size in (1, 3))
    return _Cost(stem + reductions + head, conv1, conv3)


def _macs(channels: int, cells_per_stage: int, classes: int, resolution: int) -> _Cost:
    if resolution % 4:
        raise ValueError(f"the network halves its images twice, so {resolution} pixels must be a multiple of 4")
    stages = [(channels * 2**stage, (resolution // 2**stage) ** 2) for stage in range(3)]  # width, pixels
    stem = 3 * channels * 9 * resolution**2
    # A reduction block computes all its three convolutions at the resolution of its output.
    reductions = sum((w // 2 * w * 9 + w * w * 9 + w // 2 * w) * pixels for w, pixels in stages[1:])
    head = (4 * channels + 1) * classes
    conv1, conv3 = (cells_per_stage * sum(w * w * size**2 * pixels for w, pixels in stages) for size in (1, 3))
    return _Cost(stem + reductions + head, conv1, conv3)
