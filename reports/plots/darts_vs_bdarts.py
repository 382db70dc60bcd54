"""DARTS beside β-DARTS: true accuracy, number of skip connections, largest softmax weight."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from reports.plots import marks
from reports.plots.layout import frame
from reports.plots.style import GREY, WIDTH, Plot, looks
from reports.results import Results

PAIR = ("darts", "bdarts")


def draw(results: Results) -> Plot:
    for method in PAIR:
        if method not in results.methods or not results.curves(method, results.metric).size:
            raise marks.NotDrawn(f"this folder has no finished run of {results.title(method)}")
    labels = {
        results.metric: marks.accuracy_label(results).replace(" accuracy", "\naccuracy"),
        "skip_connects": "edges with skip",
        "largest_weight": "largest softmax\nweight of α",
    }
    curves = {column: [results.curves(method, column) for method in PAIR] for column in labels}
    curves = {column: both for column, both in curves.items() if any(np.isfinite(one).any() for one in both)}
    figure = Figure(figsize=(WIDTH, 0.3 + 1.3 * len(curves)))
    panels = figure.subplots(len(curves), 2, sharex="col", sharey="row", squeeze=False)
    for row, (column, both) in zip(panels, curves.items(), strict=True):
        row[0].set_ylabel(labels[column])
        if column == results.metric:
            marks.accuracy_axes(row, results, np.concatenate([one.ravel() for one in both]), gap=0.1)
        for axes, method, values in zip(row, PAIR, both, strict=True):
            if column == results.metric:
                axes.set_title(results.title(method), loc="left")
            elif column == "skip_connects":
                marks.skips_axis(axes)
            else:
                axes.set_ylim(0, 1)
                marks.rule(axes, 1 / len(results.cells.operations), marks.DOTTED)
            if np.isfinite(values).any():
                marks.band(axes, values, looks(results.methods)[method].colour)
            else:
                axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=GREY)
    for axes in panels[-1]:
        axes.set_xlabel("epoch")
    keys = marks.band_keys(map(len, curves[results.metric])) + marks.level_keys()
    if "largest_weight" in curves:
        keys.append(marks.rule_key("equal weights", marks.DOTTED))
    frame(figure, "DARTS against β-DARTS", keys, marks.source(results, marks.SCALE_NOTE, PAIR))
    caption = (
        f"DARTS against β-DARTS, epoch by epoch: true accuracy ({results.truth_name}) of the cell the search would "
        "choose, its edges with skip_connect, and the largest softmax weight of α over all edges and operations "
        "(mean over seeds bold, every seed thin, range shaded)."
    )
    return Plot(figure, caption)
