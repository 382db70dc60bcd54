"""The network of one discrete cell, as NAS-Bench-201 trained all 15,625 of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spaces import native
from spaces.layers import BatchNorm, Convolution, Head, ReductionBlock, Stem, average_pool, initialise
from spaces.nasbench201.cell import CONV1, CONV3, EDGES, NONE, POOL, SKIP, Cell
from spaces.nasbench201.supernet import SearchCell, Supernet


class DiscreteCell(nn.Module):
    """The operations of one cell, edge by edge: B × C × H × W in and out. Only convolutions have a layer."""

    def __init__(self, cell: Cell, channels: int, affine: bool) -> None:
        super().__init__()
        self.cell = cell
        self.layers = nn.ModuleDict(
            {
                str(edge): nn.Sequential(
                    nn.ReLU(),
                    Convolution(channels, channels, size),
                    BatchNorm(channels, track=True, affine=affine),
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

    With C = 16 and N = 5 this is the network whose accuracy the benchmark's table holds (NAS-Bench-201, §2.1). In
    evaluation its normalisation uses the mean of the statistics of all training batches it has seen.

    Args:
        cell, channels, cells_per_stage, classes: what the network is made of, as in `Supernet`.
        generator: a CPU generator from which the weights are drawn.
        affine: whether the normalisations of the cells have learned scale and shift, as the benchmark's networks do.
    """

    def __init__(
        self,
        cell: Cell,
        channels: int,
        cells_per_stage: int,
        classes: int,
        generator: torch.Generator,
        affine: bool = True,
    ) -> None:
        super().__init__()
        self.stem = Stem(channels, track=True)
        self.body = nn.ModuleList()
        for width in (channels, 2 * channels, 4 * channels):
            if width > channels:
                self.body.append(ReductionBlock(width // 2, track=True))
            self.body.extend(DiscreteCell(cell, width, affine) for _ in range(cells_per_stage))
        self.head = Head(4 * channels, classes, track=True)
        initialise(self, generator)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W)."""
        x = self.stem(native.batch_last(images))
        for layer in self.body:
            x = layer(x)
        logits: Tensor = self.head(x)
        return logits


@torch.no_grad()
def subnetwork(supernet: Supernet, cell: Cell) -> CellNetwork:
    """A cell's own network with a copy of the supernet's weights, on its device; no statistics are copied."""
    cells = supernet.cells
    classes = supernet.head.classifier.out_features
    size = (cells[0].channels, len(cells) // 3, classes)
    network = CellNetwork(cell, *size, torch.Generator(), affine=False).to(supernet.head.classifier.weight.device)
    network.stem.load_state_dict(supernet.stem.state_dict(), strict=False)  # all but the statistics
    network.head.load_state_dict(supernet.head.state_dict(), strict=False)
    for mine, theirs in zip(network.body, supernet.body, strict=True):
        if not isinstance(theirs, SearchCell):
            mine.load_state_dict(theirs.state_dict(), strict=False)
            continue
        assert isinstance(mine, DiscreteCell)
        for edge, layer in mine.layers.items():
            assert isinstance(layer, nn.Sequential)
            assert isinstance(layer[1], Convolution)
            layer[1].weight.copy_(theirs.convolution(cell.operations[int(edge)], int(edge)))
    return network
