"""Edges of the current cell with each operation, stacked, against the epoch: one panel a method."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import Patch

from reports.plots.layout import frame, panel_grid
from reports.plots.marks import NotDrawn, epoch_axis, method_title, source
from reports.plots.style import Plot
from reports.results import Results
from reports.statistics import Floats

FROM_BELOW = ("nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3", "skip_connect", "none")
"""With parameters, without, nothing; operations that are not listed come last."""


def draw(results: Results) -> Plot:
    counts = {method: _operation_counts(results, method) for method in results.methods}
    drawn = [method for method in results.methods if np.isfinite(counts[method]).any()]
    if not drawn:
        raise NotDrawn("history.csv holds no epochs of the finished runs")
    figure, panels = panel_grid(len(drawn), 4, 2.1, "edges of the cell")
    space = results.cells
    order = [operation for operation in FROM_BELOW if operation in space.operations]
    order += [operation for operation in space.operations if operation not in order]
    numbers = [space.operations.index(operation) for operation in order]
    for axes, method in zip(panels, drawn, strict=True):
        method_title(axes, results.title(method), 16)
        mean = counts[method].mean(axis=0)
        mean = mean[np.isfinite(mean).all(axis=1)]  # as far as all seeds came
        ends = np.arange(len(mean) + 1) + 0.5
        axes.stackplot(
            np.repeat(ends, 2)[1:-1],
            *(np.repeat(mean[:, operation], 2) for operation in numbers),
            colors=[space.strokes[operation].colour for operation in numbers],
            edgecolor="white",
            linewidth=0.4,
        )
        axes.set_ylim(0, len(space.edges))
        axes.set_yticks(range(0, len(space.edges) + 1, 2))
        axes.grid(False)
        epoch_axis(axes, results, method, len(mean))
    keys = [
        Patch(color=space.strokes[number].colour, linewidth=0, label=operation)
        for operation, number in zip(order, numbers, strict=True)
    ]
    frame(figure, "Operations of the current cell", keys, source(results, "Mean over the seeds.", drawn))
    caption = (
        f"How many of its {len(space.edges)} edges each operation has in the cell that the search would choose "
        "after each epoch: the mean over seeds."
    )
    return Plot(figure, caption)


def _operation_counts(results: Results, method: str) -> Floats:
    """Edges with each operation in the current cell, shape (n, epochs, operations)."""
    rows = results.history[results.history["method"] == method]
    space = results.cells
    counts = [
        [space.count(cell, number) for number in range(len(space.operations))]
        for cell in map(space.parse, rows["genotype"].astype(str))
    ]
    values = np.array(counts, dtype=np.float64).reshape(len(rows), len(space.operations))
    return results.by_epoch(method, rows, values)
