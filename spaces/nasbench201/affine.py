"""Search cells whose normalisations have scales and shifts, as those of the final networks have."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spaces.layers import normalise
from spaces.nasbench201.cell import CONV1, CONV3
from spaces.nasbench201.supernet import ALL, LEAVING, Mixture, SearchCell


class AffineSearchCell(SearchCell):
    """A search cell with a scale γ, 1 at the start, and a shift β, 0, for each output channel of its convolutions.

    `scale3[node]` holds those of `conv3[node]`, and so on. A single path has none of them: it is for mixtures.
    """

    def __init__(self, channels: int, numbers: tuple[int, ...] = ALL) -> None:
        super().__init__(channels, numbers)
        (self.scale1, self.shift1), (self.scale3, self.shift3) = (
            [
                nn.ParameterList(
                    nn.Parameter(torch.full((len(edges) * channels,), start))
                    for edges in LEAVING
                    if operation in numbers
                )
                for start in (1.0, 0.0)
            ]
            for operation in (CONV1, CONV3)
        )

    def forward(self, x: Tensor, mixture: Mixture) -> Tensor:
        return self.node_by_node(x, mixture)

    def normalised(self, convolved: Tensor, factors: Tensor, operation: int, node: int) -> Tensor:
        """factors · (γ · normalised + β)."""
        scale, shift = (self.scale1, self.shift1) if operation == CONV1 else (self.scale3, self.shift3)
        return normalise(convolved, factors * scale[node], factors * shift[node])
