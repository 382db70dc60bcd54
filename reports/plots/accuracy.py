"""True accuracy of the cell that the search would choose, against the epoch: one panel a method, one scale for all."""

from __future__ import annotations

import numpy as np

from reports.plots import marks
from reports.plots.layout import frame, panel_grid
from reports.plots.style import Plot, looks
from reports.results import Results


def draw(results: Results) -> Plot:
    curves = {method: results.curves(method, results.metric) for method in results.methods}
    drawn = [method for method in results.methods if np.isfinite(curves[method]).any()]
    if not drawn:
        raise marks.NotDrawn("history.csv holds no epochs of the finished runs")
    figure, panels = panel_grid(len(drawn), 4, 2.0, marks.accuracy_label(results), extra=0.1)
    marks.accuracy_axes(panels, results, np.concatenate([curves[method].ravel() for method in drawn]))
    for axes, method in zip(panels, drawn, strict=True):
        axes.set_xlabel(marks.epochs_label(axes, results, method))
        marks.method_title(axes, results.title(method), 16)
        marks.band(axes, curves[method], looks(results.methods)[method].colour)
    keys = marks.band_keys(map(len, curves.values())) + marks.level_keys()
    frame(figure, "True accuracy of the current cell", keys, marks.source(results, marks.SCALE_NOTE))
    caption = (
        f"True accuracy ({results.truth_name}) of the cell each search would choose after each epoch: "
        "the mean over seeds (bold), every seed (thin) and the range from the worst to the best seed."
    )
    return Plot(figure, caption)
