"""Search cells of which only a part of the channels goes through the operations (PC-DARTS, §3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

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
        self.part = divisor(width, part)
        super().__init__(width // self.part, numbers)

    def widen(self, part: int, generator: torch.Generator) -> Iterator[tuple[nn.Parameter, Callable[[Tensor], Tensor]]]:
        """Each convolution reads and writes all its channels and, to make up the number, some of them again (DrNAS,
        net2wider.py)."""
        width, before = self.channels * self.part, self.channels
        self.part = divisor(width, part)
        self.channels = width // self.part
        for of_nodes in (self.conv1, self.conv3):
            for edges, weight in zip(LEAVING, of_nodes, strict=False):  # there is none of an operation left out
                more = (len(edges), 2, self.channels - before)
                again = torch.randint(before, more, generator=generator, device=generator.device)
                yield weight, partial(_widened, before, again)

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


def divisor(width: int, part: int) -> int:
    """The largest divisor of the width up to `part`."""
    return max(number for number in range(1, part + 1) if width % number == 0)


def _widened(before: int, again: Tensor, of_node: Tensor) -> Tensor:
    """Of convolutions (edges · C, C, k, k) those that read and write the channels `again`, (edges, 2, more), twice."""
    kept = torch.arange(before, device=again.device)
    wider = []
    for weight, (read, written) in zip(of_node.chunk(len(again)), again, strict=True):
        wider.append(weight[:, torch.cat([kept, read])][torch.cat([kept, written])])
    return torch.cat(wider)


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
