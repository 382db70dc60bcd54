"""The share of seeds whose cell reaches an accuracy, against the accuracy: one line a method."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reports.plots.layout import frame
from reports.plots.marks import SCALE_NOTE, Key, NotDrawn, accuracy_label, key, level_keys, rule, source
from reports.plots.scale import AccuracyScale
from reports.plots.style import INK, WIDTH, Plot, looks
from reports.results import Results
from reports.statistics import share_at_or_below
from spaces.drawing import Dashes

DASHES: tuple[Dashes, ...] = ("solid", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.2, 1, 1.2)), (0, (2.5, 1)))


def draw(results: Results) -> Plot:
    if max(len(results.of(method)) for method in results.methods) < 2:
        raise NotDrawn("a share of the seeds needs more than one seed")
    scale = AccuracyScale(results.best(results.metric))
    lowest = float(results.runs[results.metric].min())
    low, high = scale.limits([lowest, results.mean(results.metric)])
    figure = Figure(figsize=(WIDTH, 2.3))
    axes = figure.subplots()
    scale.apply(axes, "x", low, high, gap=0.06)
    places = np.linspace(scale.place(low), scale.place(high), 200)
    points = scale.accuracy(places)
    space = 1 - share_at_or_below(*results.quantiles(results.metric), points)
    axes.fill_between(points, 100 * space, color="#d0d0d0", linewidth=0)
    keys: list[Key] = []
    for index, method in enumerate(results.methods):
        values = np.sort(results.of(method)[results.metric].to_numpy(dtype=np.float64))
        share = 100 * (1 - np.arange(len(values) + 1) / len(values))
        dashes = DASHES[index % len(DASHES)]
        colour = looks(results.methods)[method].colour
        axes.step([low, *values], share, where="post", color=colour, linestyle=dashes, linewidth=1.5)
        keys.append(key(results.title(method), color=colour, linestyle=dashes, linewidth=1.5))
    rule(axes, results.best(results.metric), "solid", "x", INK)
    axes.set_ylim(-2, 103)
    axes.set_ylabel("seeds that reach it (%)")
    axes.set_xlabel(accuracy_label(results))
    keys += [Patch(color="#d0d0d0", linewidth=0, label="all cells"), level_keys()[0]]
    frame(figure, "How many seeds reach an accuracy", keys, source(results, SCALE_NOTE))
    caption = (
        f"The share of seeds whose chosen cell has at least an accuracy ({results.truth_name}), and the share of all "
        "cells that have it: the further right a line falls, the more can be relied on its method."
    )
    return Plot(figure, caption)
