"""The network of one discrete cell, as NAS-Bench-201 trained all 15,625 of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spaces.cell import CONV1, CONV3, EDGES, NONE, POOL, SKIP, Cell
from spaces.layers import BatchNorm, Head, ReductionBlock, Stem, average_pool, initialise


class DiscreteCell(nn.Module):
    """The operations of one cell, edge by edge: B × C × H × W in and out. Only convolutions have a layer."""

    def __init__(self, cell: Cell, channels: int) -> None:
        super().__init__()
        self.cell = cell
        self.layers = nn.ModuleDict(
            {
                str(edge): nn.Sequential(
                    nn.ReLU(),
                    nn.Conv2d(channels, channels, size, padding=size // 2, bias=False),
                    BatchNorm(channels),
                )
                for edge, operation in enumerate(cell.operations)
                if (size := {CONV1: 1, CONV3: 3}.get(operation))
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x, *(torch.zeros_like(x) for _ in range(3))]
        for edge, (operation, (source, target)) in enumerate(zip(self.cell.operations, EDGES, strict=True)):
            if operation == SKIP:
                nodes[target] = nodes[target] + nodes[source]
            elif operation == POOL:
                nodes[target] = nodes[target] + average_pool(nodes[source])
            elif operation != NONE:
                nodes[target] = nodes[target] + self.layers[str(edge)](nodes[source])
        return nodes[3]


class CellNetwork(nn.Module):
    """Stem, three stages of `cells_per_stage` copies of `cell` joined by reduction blocks, and the classifier.

    With C = 16 and N = 5 this is the network whose accuracy the benchmark's table holds (NAS-Bench-201, §2.1).
    """

    def __init__(
        self, cell: Cell, channels: int, cells_per_stage: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [Stem(channels)]
        for width in (channels, 2 * channels, 4 * channels):
            if width > channels:
                layers.append(ReductionBlock(width // 2))
            layers += [DiscreteCell(cell, width) for _ in range(cells_per_stage)]
        self.body = nn.Sequential(*layers)
        self.head = Head(4 * channels, classes)
        initialise(self, generator)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W)."""
        logits: Tensor = self.head(self.body(images))
        return logits
