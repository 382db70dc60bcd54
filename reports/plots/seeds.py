"""Every run's true accuracy, one strip a method, under the distribution of the whole space."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.plots.layout import frame, swarm
from reports.plots.marks import DOTTED, SCALE_NOTE, accuracy_label, key, level_keys, levels, source
from reports.plots.scale import AccuracyScale, histogram
from reports.plots.style import GREY, INK, WIDTH, Plot, looks
from reports.results import Results
from reports.statistics import spread


def draw(results: Results) -> Plot:
    scale = AccuracyScale(results.best(results.metric))
    low, high = scale.limits(results.quantiles(results.metric)[1], margin=0.025)
    start, end = scale.place([low, high])
    length = WIDTH - 2.1  # inches of the accuracy axis, beside the names and numbers
    dot = 0.085  # inches
    offsets = {}
    for method in results.methods:
        places = scale.place(results.of(method)[results.metric]) * length / (end - start)
        offsets[method] = swarm(places, dot)
    heights = [max(0.34, 0.16 + 2 * float(np.abs(offsets[method]).max())) for method in results.methods]
    figure = Figure(figsize=(WIDTH, 1.4 + sum(heights)))
    top, strips = figure.subplots(2, 1, sharex=True, height_ratios=[0.9, sum(heights)])
    scale.apply(strips, "x", low, high, gap=0.045)
    histogram(top, scale, *results.quantiles(results.metric), low, high, vertical=False)
    top.set_ylabel(f"all {len(results.cells):,}\ncells", rotation=0, ha="right", va="center", labelpad=4)
    _quantile_marks(top, results)
    look_of = looks(results.methods)
    middle = 0.0
    for method, height in zip(results.methods, heights, strict=True):
        values = results.of(method)[results.metric]
        middle -= height / 2
        strips.plot(
            values,
            middle + offsets[method],
            linestyle="none",
            marker=look_of[method].marker,
            markersize=dot * 72 * 0.86,
            markerfacecolor=look_of[method].colour,
            markeredgecolor="white",
            markeredgewidth=0.5,
        )
        mean = spread(values)
        strips.plot(
            [mean.mean] * 2, [middle - height * 0.47, middle + height * 0.47], color=INK, linewidth=1.4, zorder=1
        )
        deviation = "–" if np.isnan(mean.std) else f"{mean.std:.2f}"
        strips.annotate(
            f"n = {len(values)}   {mean.mean:.2f} ± {deviation}",
            (1.01, middle),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=7,
        )
        middle -= height / 2
        if method != results.methods[-1]:
            strips.axhline(middle, color="#e6e6e6", linewidth=0.5, zorder=0)
    centres = -np.cumsum(heights) + np.array(heights) / 2
    strips.set_yticks(centres, [results.title(method) for method in results.methods])
    strips.tick_params(axis="y", length=0)
    strips.set_ylim(middle, 0)
    strips.grid(False)
    strips.grid(True, axis="x")
    for axes in (top, strips):
        levels(axes, results, "x")
    strips.set_xlabel(accuracy_label(results))
    keys = [
        key("one seed", linestyle="none", marker="o", markersize=5, color=GREY),
        key("mean of seeds", linestyle="none", marker="|", markersize=8, markeredgewidth=1.4, color=INK),
        *level_keys(),
    ]
    frame(figure, "Every seed against the whole space", keys, source(results, SCALE_NOTE))
    caption = (
        f"True accuracy ({results.truth_name}) of every seed's cell, under the distribution of all "
        f"{len(results.cells):,} cells; dots that would overlap stand side by side."
    )
    return Plot(figure, caption)


def _quantile_marks(axes: Axes, results: Results) -> None:
    """Where the median cell and the top 10 % and 1 % begin."""
    shares, values = results.quantiles(results.metric)
    for level, text in ((0.5, "half of all cells"), (0.9, "top 10 %"), (0.99, "top 1 %")):
        value = float(np.interp(level, shares, values))
        axes.axvline(value, ymax=0.8, color=GREY, linewidth=0.6, linestyle=DOTTED)
        axes.annotate(text, (value, 0.82), xycoords=("data", "axes fraction"), ha="center", fontsize=6.3, color=GREY)
