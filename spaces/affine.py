"""Search cells whose normalisations have scales and shifts, as those of the final networks have."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spaces.cell import CONV1, CONV3
from spaces.layers import average_pool, convolve, normalise
from spaces.supernet import LEAVING, Mixture, SearchCell, add_scaled


class AffineSearchCell(SearchCell):
    """A search cell with a scale γ, 1 at the start, and a shift β, 0, for each output channel of its convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.scale1, self.scale3, self.shift1, self.shift3 = (
            nn.ParameterList(nn.Parameter(torch.full((len(edges) * channels,), start)) for edges in LEAVING)
            for start in (1.0, 1.0, 0.0, 0.0)
        )

    def forward(self, x: Tensor, mixture: Mixture) -> Tensor:
        """Each node is Σ over its incoming edges and their operations of weight × operation(source)."""
        return self.node_by_node(x, mixture)

    def leaving(self, node: int, source: Tensor, mixture: Mixture) -> Iterator[Tensor]:
        edges = LEAVING[node]
        active, pooled = F.relu(source), average_pool(source)
        weight1, weight3 = mixture.conv1[node], mixture.conv3[node]
        conv1, conv3 = (convolve(active, self.merged(operation, node)) for operation in (CONV1, CONV3))
        convolved = normalise(conv3, weight3 * self.scale3[node], weight3 * self.shift3[node])
        convolved = convolved + normalise(conv1, weight1 * self.scale1[node], weight1 * self.shift1[node])
        for edge, mixed in zip(edges, convolved.chunk(len(edges), 1), strict=True):
            yield add_scaled(mixed, (mixture.skip[edge], mixture.pool[edge]), (source, pooled), source)
