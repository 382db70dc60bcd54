"""Search cells of which only a part of the channels goes through the operations (PC-DARTS, §3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spaces import native
from spaces.nasbench201.cell import EDGES
from spaces.nasbench201.supernet import ALL, LEAVING, Mixture, SearchCell, add_scaled


class PartialSearchCell(SearchCell):
    """A search cell whose edges mix 1/K of a node's channels and pass the others by, then shuffle them all.

    Args:
        width: channels in and out.
        part: K. Where K does not divide the width, the largest divisor of the width below K takes its place, so at
            least one channel is mixed.
        numbers: of the operations that the cell has.
    """

    def __init__(self, width: int, part: int, numbers: tuple[int, ...] = ALL) -> None:
        self.part = max(divisor for divisor in range(1, part + 1) if width % divisor == 0)
        super().__init__(width // self.part, numbers)

    def forward(self, x: Tensor, mixture: Mixture) -> Tensor:
        """Each node is Σ over its incoming edges of shuffle(mixed channels, bypass weight × other channels)."""
        nodes: list[Tensor | None] = [x, None, None, None]
        for node, edges in enumerate(LEAVING):
            source = nodes[node]
            assert source is not None
            mixing, passing = source[:, : self.channels], source[:, self.channels :]
            for edge, mixed in zip(edges, self.leaving(node, mixing, mixture), strict=True):
                joined = mixed
                if self.part > 1:
                    nothing = torch.zeros((), dtype=x.dtype, device=x.device)
                    passed = add_scaled(nothing, [mixture.bypass[edge]], [passing], passing)
                    joined = shuffled([mixed, passed], self.part)
                target = EDGES[edge][1]
                sum_so_far = nodes[target]
                nodes[target] = joined if sum_so_far is None else sum_so_far + joined
        output = nodes[3]
        assert output is not None
        return output


def shuffled(parts: Sequence[Tensor], groups: int) -> Tensor:
    """The channels of all parts (B, C, H, W) in another order (ShuffleNet), one of every group in turn: 0 1 2 | 3 4 5
    becomes 0 3 1 4 2 5.
    """
    if native.is_batch_last(parts[0]):
        maps = torch.cat([part.permute(1, 2, 3, 0) for part in parts])
        mixed = maps.view(groups, -1, *maps.shape[1:]).transpose(0, 1).reshape(maps.shape)
        return mixed.permute(3, 0, 1, 2)
    joined = torch.cat(list(parts), 1)
    batch, _, height, width = joined.shape
    return joined.view(batch, groups, -1, height, width).transpose(1, 2).reshape(joined.shape)
