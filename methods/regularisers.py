"""Terms that any gradient method may add to the loss of α (`--set darts.regulariser=NAME`).

A term is a function of α, (6, 5), to a scalar, registered under its name in the entry-point group
`benchmark.regularisers` by whoever has it: β-decay stands in β-DARTS' own file.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points

from torch import Tensor

GROUP = "benchmark.regularisers"

Regulariser = Callable[[Tensor], Tensor]


@cache
def load(name: str) -> Regulariser:
    """The term called `name`.

    Raises:
        ValueError: where there is none, or its module cannot be imported.
    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise ValueError(f"there is no regulariser {name[:60]!r}; choose from {', '.join(['none', *sorted(points)])}")
    try:
        term: Regulariser = points[name].load()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the regulariser {name!r} ({points[name].value}) cannot be loaded: {error}") from error
    return term


def l2(alpha: Tensor) -> Tensor:
    """Half the squared norm of α's row for each edge, averaged over the edges; its gradient is α / 6."""
    return alpha.square().sum(1).mean() / 2
