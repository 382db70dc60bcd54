"""The angle between the initial and the trained weights of every cell in a supernet (RLNAS, §3.2.2; ABS, Alg. 1).

A cell's weight vector joins the stem, the reduction blocks and the head with, for each of the four paths from input to
output without a `none`, the weights on it in every search cell. `skip_connect` adds nothing; `avg_pool_3x3` adds
a constant C × 3 × 3 block of 1/9, the same before and after training. So every inner product of two such vectors is
a sum of terms that belong to one edge and one operation, and those 30 terms give the angles of all cells.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spaces import Space
from spaces.supernet import Supernet


@torch.no_grad()
def angles(space: Space, initial: Supernet, trained: Supernet) -> NDArray[np.float64]:
    """The angle of every cell in radians, shape (cells,); 0 where all paths hold a `none`."""
    before, across, after = (
        _inner_product_of_all_cells(space, first, second)
        for first, second in ((initial, initial), (initial, trained), (trained, trained))
    )
    cosine = np.clip(across / np.sqrt(before * after), -1, 1)
    # Python's arccosine, since NumPy's is rounded as the processor has it.
    return np.where(_paths_alive(space).any(1), [math.acos(value) for value in cosine.tolist()], 0.0)


def _inner_product_of_all_cells(space: Space, first: Supernet, second: Supernet) -> NDArray[np.float64]:
    """⟨V(cell, first), V(cell, second)⟩ for every cell, shape (cells,)."""
    terms, pool = np.zeros(space.shape), space.number("avg_pool_3x3")
    for one, other in zip(first.cells, second.cells, strict=True):
        if pool is not None:
            terms[:, pool] += one.channels * 9 * (1 / 9) ** 2
        for edge, operation in np.ndindex(space.shape):
            its, others = one.place(edge, operation), other.place(edge, operation)
            if its is not None and others is not None:
                terms[edge, operation] += _dot(its.of(its.parameter), others.of(others.parameter))
    in_search_cells = {
        id(weight) for network in (first, second) for cell in network.cells for weight in cell.parameters()
    }
    fixed = sum(
        _dot(one, other)
        for one, other in zip(first.parameters(), second.parameters(), strict=True)
        if id(one) not in in_search_cells
    )
    of_edges = terms[np.arange(len(terms)), space.choices]  # (cells, edges)
    of_paths = np.stack([of_edges[:, list(path)].sum(1) for path in space.paths], 1)  # an edge counts in each of them
    total: NDArray[np.float64] = fixed + (of_paths * _paths_alive(space)).sum(1)
    return total


def _paths_alive(space: Space) -> NDArray[np.bool_]:
    """(cells, paths): which paths of each cell hold no `none`."""
    alive = space.choices != space.none if space.none is not None else np.ones(space.choices.shape, dtype=bool)
    return np.stack([alive[:, list(path)].all(1) for path in space.paths], 1)


def _dot(first: Tensor, second: Tensor) -> float:
    """⟨first, second⟩ by NumPy, whose sums, other than a dot product's, have one order on every processor."""
    one, other = (tensor.detach().double().cpu().numpy().ravel() for tensor in (first, second))
    return float((one * other).sum())
