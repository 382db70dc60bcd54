"""The plots of a results folder: a file each, whose `draw(results)` makes the figure or raises `NotDrawn`.

What they share: `style` (colours and type), `scale` (the axis of accuracies), `layout` (panels, frame) and `marks`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # matplotlib is slow to import
    from reports.plots.style import Plot
    from reports.results import Results

PLOTS = (
    "accuracy",
    "operations",
    "alpha",
    "darts-vs-bdarts",
    "magnitude-vs-pt",
    "seeds",
    "profiles",
    "cost",
    "scores",
    "cells",
)
"""By the names of their images, in the order of the page."""


def draw(name: str, results: Results) -> Plot:
    """One of `PLOTS`.

    Raises:
        NotDrawn: where the rows lack what it shows.
    """
    plot: Plot = import_module(f"reports.plots.{name.replace('-', '_')}").draw(results)
    return plot
