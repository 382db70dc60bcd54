"""Terms that any gradient method may add to the loss of α (`--set darts.regulariser=NAME`), or to that of w.

A term is a function of α, (edges, operations), to a scalar, registered under its name in the entry-point group
`benchmark.regularisers` by whoever has it: β-decay stands in β-DARTS' own file. The alignment Λ is one of w's loss:
Movahedi et al., "Λ-DARTS: Mitigating Performance Collapse by Harmonizing Operation Selection among Cells", ICLR 2023.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points

import torch
from torch import Tensor

GROUP = "benchmark.regularisers"

ALIGNMENT = "lambda"
"""The name of Λ, which is a term of w's loss."""

Regulariser = Callable[[Tensor], Tensor]


@cache
def load(name: str) -> Regulariser:
    """The term called `name`.

    Raises:
        ValueError: where there is none, or its module cannot be imported.
    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise ValueError(
            f"there is no regulariser {name[:60]!r}; choose from {', '.join(['none', ALIGNMENT, *sorted(points)])}"
        )
    try:
        term: Regulariser = points[name].load()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the regulariser {name!r} ({points[name].value}) cannot be loaded: {error}") from error
    return term


def l2(alpha: Tensor) -> Tensor:
    """Half the squared norm of α's row for each edge, averaged over the edges; its gradient is α / 6."""
    return alpha.square().sum(1).mean() / 2


def alignment_gradient(gradients: Tensor) -> Tensor:
    """∂Λ/∂g of gradients g, (L, edges, operations); Λ is the mean over all pairs of L cells of their cosine u_l · u_l′.

    δ_l = 2 / (L (L − 1)) · (I − u_l u_lᵀ) · Σ_l′ u_l′ / ‖g_l‖, with u_l = g_l / ‖g_l‖; 0 where g_l is.
    """
    units, cells = _units(gradients), len(gradients)
    total = units.sum(0)
    across = total - units * (units * total).sum((1, 2), keepdim=True)
    return 2 / (cells * (cells - 1)) * _shortened(across, gradients)


def _units(gradients: Tensor) -> Tensor:
    """u_l = g_l / ‖g_l‖; 0 where g_l is, as of a cell behind which a decided one lets nothing pass."""
    return _shortened(gradients, gradients)


def _shortened(vectors: Tensor, by: Tensor) -> Tensor:
    """Each cell's of `vectors` divided by the norm of `by`; 0 where that is 0."""
    norms = torch.linalg.vector_norm(by, dim=(1, 2), keepdim=True)
    return torch.where(norms > 0, vectors / norms.where(norms > 0, 1.0), 0.0)
