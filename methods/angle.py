"""The angle between the initial and the trained weights of every cell in a supernet (RLNAS, §3.2.2; ABS, Alg. 1).

A cell's weight vector joins the stem, the reduction blocks and the head with, for each of the four paths from input to
output without a `none`, the weights on it in every search cell. `skip_connect` adds nothing; `avg_pool_3x3` adds
a constant C × 3 × 3 block of 1/9, the same before and after training. So every inner product of two such vectors is
a sum of terms that belong to one edge and one operation, and those 30 terms give the angles of all 15,625 cells.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.search import ALL_OPERATIONS
from spaces import CONV1, CONV3, EDGES, NONE, OPERATIONS, POOL
from spaces.supernet import Supernet

PATHS = ((3,), (1, 5), (0, 2, 5), (0, 4))
"""The edges of the paths 0→3, 0→2→3, 0→1→2→3 and 0→1→3."""


@torch.no_grad()
def angles(initial: Supernet, trained: Supernet) -> NDArray[np.float64]:
    """The angle of every cell in radians, shape (15625,) by `Cell.position`; 0 where all four paths hold a `none`."""
    before, across, after = (
        _inner_product_of_all_cells(first, second)
        for first, second in ((initial, initial), (initial, trained), (trained, trained))
    )
    cosine = np.clip(across / np.sqrt(before * after), -1, 1)
    # Python's arccosine, since NumPy's is rounded as the processor has it.
    return np.where(_paths_alive().any(1), [math.acos(value) for value in cosine.tolist()], 0.0)


def _inner_product_of_all_cells(first: Supernet, second: Supernet) -> NDArray[np.float64]:
    """⟨V(cell, first), V(cell, second)⟩ for every cell, shape (15625,)."""
    terms = np.zeros((len(EDGES), len(OPERATIONS)))
    for one, other in zip(first.cells, second.cells, strict=True):
        terms[:, POOL] += one.channels * 9 * (1 / 9) ** 2
        for operation in (CONV1, CONV3):
            for edge in range(len(EDGES)):
                terms[edge, operation] += _dot(one.convolution(operation, edge), other.convolution(operation, edge))
    in_search_cells = {
        id(weight) for network in (first, second) for cell in network.cells for weight in cell.parameters()
    }
    fixed = sum(
        _dot(one, other)
        for one, other in zip(first.parameters(), second.parameters(), strict=True)
        if id(one) not in in_search_cells
    )
    of_edges = terms[np.arange(len(EDGES)), ALL_OPERATIONS]  # (15625, 6)
    of_paths = np.stack([of_edges[:, list(path)].sum(1) for path in PATHS], 1)  # an edge counts in each of its paths
    total: NDArray[np.float64] = fixed + (of_paths * _paths_alive()).sum(1)
    return total


def _paths_alive() -> NDArray[np.bool_]:
    """(15625, 4): which paths of each cell hold no `none`."""
    return np.stack([(ALL_OPERATIONS[:, list(path)] != NONE).all(1) for path in PATHS], 1)


def _dot(first: Tensor, second: Tensor) -> float:
    """⟨first, second⟩ by NumPy, whose sums, other than a dot product's, have one order on every processor."""
    one, other = (tensor.detach().double().cpu().numpy().ravel() for tensor in (first, second))
    return float((one * other).sum())
