"""The softmax weights of α, a row an operation on an edge, against the epoch: one panel a method."""

from __future__ import annotations

import math

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import TwoSlopeNorm
from matplotlib.patches import Patch

from reports import RowsError
from reports.plots.layout import frame, panel_grid
from reports.plots.marks import NotDrawn, epoch_axis, method_title, source
from reports.plots.style import Plot
from reports.results import Results
from reports.statistics import Floats

WEIGHTS = colormaps["YlGnBu"]
"""Light to dark evenly, also in grey print and to the colour-blind."""


def draw(results: Results) -> Plot:
    weights = {method: _weights(results, method).mean(axis=0) for method in results.methods}
    drawn = [method for method in results.methods if np.isfinite(weights[method]).any()]
    if not drawn:
        raise NotDrawn("history.csv holds no weights of α")
    figure, panels = panel_grid(len(drawn), 4, 3.3)
    space = results.cells
    edges, operations = space.shape
    names = [stroke.label or name for stroke, name in zip(space.strokes, space.operations, strict=True)]
    equal = 1 / operations
    most = max(2 * equal, *(float(np.nanmax(weights[method])) for method in drawn))
    norm = TwoSlopeNorm(equal, 0, most)  # as many shades below equal weights as above, however large one grows
    rows = edges * operations
    for axes, method in zip(panels, drawn, strict=True):
        method_title(axes, results.title(method), 16)
        image = weights[method].T
        axes.imshow(
            image,
            cmap=WEIGHTS,
            norm=norm,
            aspect="auto",
            interpolation="nearest",
            extent=(0.5, image.shape[1] + 0.5, rows, 0),
        )
        for edge in range(1, edges):
            axes.axhline(edge * operations, color="white", linewidth=1.5)
        axes.set_yticks([])
        axes.grid(False)
        epoch_axis(axes, results, method, image.shape[1])
    for axes in panels[::4]:
        axes.set_ylabel("edge and operation", labelpad=42)
        beside = axes.get_yaxis_transform()
        for row in range(rows):  # texts, since as many ticks would take longer to draw
            name = names[row % operations]
            label = axes.text(-0.01, row + 0.5, name, fontsize=4.8, ha="right", va="center", transform=beside)
            label.set_in_layout(False)
        for edge, (start, end) in enumerate(space.edges):
            place = (0, (edge + 0.5) * operations)
            label = axes.annotate(f"{start}→{end}", place, (-21, 0), beside, "offset points", ha="right", va="center")
            label.set_in_layout(False)
    steps = [0, equal / 2, *np.arange(equal, most + 1e-9, 0.1 if most < 0.5 else 0.2)]
    keys = [
        Patch(
            facecolor=WEIGHTS(norm(value)),
            label=f"{value:.1f}" + " (all equal)" * bool(abs(value - equal) < 1e-9),
        )
        for value in steps
    ]
    note = "Mean over the seeds. Rows: operations, edge by edge; 0 is the cell's input, the last node its output."
    frame(figure, "Softmax weights of α", keys, source(results, note, drawn))
    caption = (
        "The softmax weights of α after each epoch, by edge and operation: the mean over seeds. Dark rows are what the "
        "search leans to on every seed."
    )
    return Plot(figure, caption)


def _weights(results: Results, method: str) -> Floats:
    """The softmax weights of α, shape (n, epochs, edges · operations), edge by edge; nan where a search has none.

    Raises:
        RowsError: where they are not so many numbers.
    """
    rows = results.history[results.history["method"] == method]
    rows = rows[rows["weights"].notna()] if "weights" in rows else rows.head(0)
    try:
        values = np.array(" ".join(rows["weights"]).split() if len(rows) else [], dtype=np.float64)
        return results.by_epoch(method, rows, values.reshape(len(rows), math.prod(results.cells.shape)))
    except (TypeError, ValueError):
        raise RowsError(
            f"history.csv: the `weights` of {method} are not {math.prod(results.cells.shape)} numbers an epoch: the "
            "file was edited"
        ) from None
