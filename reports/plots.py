"""The plots of a results folder. Each function draws one figure from the rows, or says why it can't."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from reports import style
from reports.marks import (
    SCALE_NOTE,
    NotDrawn,
    band,
    band_keys,
    epochs_label,
    joined,
    level_keys,
    levels,
    source,
    truth_name,
)
from reports.results import Results, method_name, metric_name
from reports.score_plot import scores
from reports.search_plots import alpha, cost, operations, profiles
from reports.statistics import paired, share_at_or_below, spread
from reports.style import FAINT, GREY, INK, WIDTH, Plot, Scale, frame
from spaces import NUM_CELLS, OPERATIONS, Cell
from spaces.drawing import STROKES, Dashes, draw_cell

__all__ = ["PLOTS", "NotDrawn"]


def accuracy(results: Results) -> Plot:
    """True accuracy of the cell the search would choose, against the epoch: one panel a method, one scale for all."""
    curves = {method: results.curves(method, results.metric) for method in results.methods}
    drawn = [method for method in results.methods if np.isfinite(curves[method]).any()]
    if not drawn:
        raise NotDrawn("history.csv holds no epochs of the finished runs")
    columns = min(len(drawn), 4)
    rows = -(-len(drawn) // columns)
    width = {1: 4.2, 2: 5.6}.get(columns, WIDTH)
    figure = Figure(figsize=(width, 0.1 + 2.0 * rows))
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    scale = Scale(results.best(results.metric))
    shown = np.concatenate([curves[method].ravel() for method in drawn])
    low, high = scale.limits([np.nanmin(shown), results.mean(results.metric)])
    looks = style.looks(results.methods)
    for axes, method in zip(panels, drawn, strict=False):
        axes.set_xlabel(epochs_label(axes, results, method))
        scale.apply(axes, "y", low, high)
        name = method_name(method)
        axes.set_title(name, loc="left", fontsize=8.5 * min(1, 16 / len(name)))
        levels(axes, results)
        band(axes, curves[method], looks[method].colour)
    for axes in panels[len(drawn) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        axes.set_ylabel(f"{metric_name(results.metric)} accuracy (%)")
    keys = band_keys(map(len, curves.values())) + level_keys()
    frame(figure, "True accuracy of the current cell", keys, source(results, SCALE_NOTE))
    caption = (
        f"True accuracy ({truth_name(results)}) of the cell each search would choose after each epoch: "
        "the mean over seeds (bold), every seed (thin) and the range from the worst to the best seed."
    )
    return Plot(figure, caption)


def darts_and_bdarts(results: Results) -> Plot:
    """DARTS beside β-DARTS: true accuracy, number of skip connections, largest softmax weight."""
    pair = ("darts", "bdarts")
    for method in pair:
        if method not in results.methods or not results.curves(method, results.metric).size:
            raise NotDrawn(f"this folder has no finished run of {method_name(method)}")
    measures = [
        (results.metric, f"{metric_name(results.metric)}\naccuracy (%)"),
        ("skip_connects", "edges with skip"),
        ("largest_weight", "largest softmax\nweight of α"),
    ]
    curves = {(method, column): results.curves(method, column) for method in pair for column, _ in measures}
    measures = [
        (column, label) for column, label in measures if any(np.isfinite(curves[m, column]).any() for m in pair)
    ]
    figure = Figure(figsize=(WIDTH, 0.3 + 1.3 * len(measures)))
    panels = figure.subplots(len(measures), 2, sharex="col", sharey="row", squeeze=False)
    looks = style.looks(results.methods)
    scale = Scale(results.best(results.metric))
    for row, (column, label) in enumerate(measures):
        for axes, method in zip(panels[row], pair, strict=True):
            if column == results.metric:
                shown = np.concatenate([curves[m, column].ravel() for m in pair])
                scale.apply(axes, "y", *scale.limits([np.nanmin(shown), results.mean(results.metric)]), gap=0.1)
                levels(axes, results)
                axes.set_title(method_name(method), loc="left")
            elif column == "skip_connects":
                axes.set_ylim(-0.3, 6.3)
                axes.set_yticks(range(0, 7, 2))
            else:
                axes.set_ylim(0, 1)
                axes.axhline(1 / len(OPERATIONS), color=GREY, linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1)
            if np.isfinite(curves[method, column]).any():
                band(axes, curves[method, column], looks[method].colour)
            else:
                axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=GREY)
        panels[row, 0].set_ylabel(label)
    for axes in panels[-1]:
        axes.set_xlabel("epoch")
    keys = band_keys(map(len, curves.values())) + level_keys()
    if measures[-1][0] == "largest_weight":
        keys = [*keys, Line2D([], [], color=GREY, linewidth=0.8, linestyle=(0, (1, 1.5)), label="equal weights")]
    frame(figure, "DARTS against β-DARTS", keys, source(results, SCALE_NOTE, pair))
    caption = (
        f"DARTS against β-DARTS, epoch by epoch: true accuracy ({truth_name(results)}) of the cell the search would "
        "choose, its edges with skip_connect, and the largest softmax weight of α over all edges and operations "
        "(mean over seeds bold, every seed thin, range shaded)."
    )
    return Plot(figure, caption)


def magnitude_and_perturbation(results: Results) -> Plot:
    """One line a seed from magnitude selection to the method's own, on the same supernet, beside the whole space."""
    other = f"other_{results.metric}"
    pairs: dict[str, pd.DataFrame] = {}
    if other in results.runs:
        for method in results.methods:
            runs = results.of(method)
            runs = runs[(runs["other_selection"] == "magnitude") & runs[other].notna()]
            if not runs.empty:
                pairs[method] = runs
    if not pairs:
        raise NotDrawn("no run of this folder compares a selection rule with magnitude on the same supernet")
    most = max(len(runs) for runs in pairs.values())
    height = max(2.7, 0.6 + 0.125 * most)
    figure = Figure(figsize=(min(WIDTH, 2.1 + 3.2 * len(pairs)), height))
    *panels, strip = figure.subplots(1, len(pairs) + 1, sharey=True, width_ratios=[3.2] * len(pairs) + [1])
    scale = Scale(results.best(results.metric))
    values = np.concatenate(
        [runs[[other, results.metric]].to_numpy(dtype=np.float64).ravel() for runs in pairs.values()]
    )
    low, high = scale.limits([values.min(), results.mean(results.metric)])
    for axes, (method, runs) in zip(panels, pairs.items(), strict=True):
        scale.apply(axes, "y", low, high)
        levels(axes, results)
        _slopes(axes, scale, height - 0.5, runs, other, results.metric)
        both = paired(runs[other], runs[results.metric])
        title = f"{method_name(method)}: better {both.won}, worse {both.lost}, equal {both.tied}"
        axes.set_title(title, loc="left", fontsize=8.5 * min(1, 36 / len(title)))
        axes.set_xticks([0, 1], ["magnitude (argmax α)", method_name(method)])
    panels[0].set_ylabel(f"{metric_name(results.metric)} accuracy (%)")
    scale.apply(strip, "y", low, high)
    below = _histogram(strip, scale, results, low, high, vertical=True)
    strip.set_title("all cells", loc="left", fontweight="normal", fontsize=7.5)
    levels(strip, results)
    note = f"The worst {below:.1%} of the cells lie below the axis. " if below > 0 else ""
    note = source(results, note + SCALE_NOTE, tuple(pairs))
    keys = [
        Line2D([], [], color=colour, linewidth=1.2, linestyle=dashes, label=name)
        for colour, dashes, name in _SLOPES.values()
    ]
    frame(figure, "One supernet, two selection rules", [*keys, *level_keys()], note)
    caption = (
        f"True accuracy ({truth_name(results)}) of the cell that the largest α would choose (left) and that the method "
        "chooses (right), one line for each seed's supernet, beside the distribution of all cells."
    )
    return Plot(figure, caption)


def seeds(results: Results) -> Plot:
    """Every run's true accuracy, one strip a method, under the distribution of the whole space."""
    scale = Scale(results.best(results.metric))
    low, high = scale.limits(results.quantiles(results.metric)[1], margin=0.025)
    start, end = scale.place([low, high])
    length = WIDTH - 2.1  # inches of the accuracy axis, beside the names and numbers
    dot = 0.085  # inches
    offsets = {}
    for method in results.methods:
        places = scale.place(results.of(method)[results.metric]) * length / (end - start)
        offsets[method] = style.swarm(places, dot)
    heights = [max(0.34, 0.16 + 2 * float(np.abs(offsets[method]).max())) for method in results.methods]
    figure = Figure(figsize=(WIDTH, 1.4 + sum(heights)))
    top, strips = figure.subplots(2, 1, sharex=True, height_ratios=[0.9, sum(heights)])
    scale.apply(strips, "x", low, high, gap=0.045)
    _histogram(top, scale, results, low, high, vertical=False)
    _quantile_marks(top, results)
    looks = style.looks(results.methods)
    middle = 0.0
    for method, height in zip(results.methods, heights, strict=True):
        values = results.of(method)[results.metric]
        middle -= height / 2
        strips.plot(
            values,
            middle + offsets[method],
            linestyle="none",
            marker=looks[method].marker,
            markersize=dot * 72 * 0.86,
            markerfacecolor=looks[method].colour,
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
    strips.set_yticks(centres, [method_name(method) for method in results.methods])
    strips.tick_params(axis="y", length=0)
    strips.set_ylim(middle, 0)
    strips.grid(False)
    strips.grid(True, axis="x")
    for axes in (top, strips):
        axes.axvline(results.best(results.metric), color=INK, linewidth=0.8, zorder=1)
        axes.axvline(results.mean(results.metric), color=GREY, linewidth=0.8, linestyle=(0, (5, 2)), zorder=1)
    strips.set_xlabel(f"{metric_name(results.metric)} accuracy (%)")
    keys: list[Line2D | Patch] = [
        Line2D([], [], linestyle="none", marker="o", markersize=5, color=GREY, label="one seed"),
        Line2D(
            [], [], linestyle="none", marker="|", markersize=8, markeredgewidth=1.4, color=INK, label="mean of seeds"
        ),
    ]
    frame(figure, "Every seed against the whole space", keys + level_keys(), source(results, SCALE_NOTE))
    caption = (
        f"True accuracy ({truth_name(results)}) of every seed's cell, under the distribution of all {NUM_CELLS:,} "
        "cells; dots that would overlap stand side by side."
    )
    return Plot(figure, caption)


def cells(results: Results) -> Plot:
    """The chosen cells of each method drawn as graphs: those of most seeds first, up to 5 a method."""
    across = 5
    chosen = {method: _distinct(results.of(method), results.metric) for method in results.methods}
    columns = min(across, max(len(found) for found in chosen.values()))
    figure = Figure(figsize=(max(1.4 * columns, 4.2), 1.34 * len(chosen)))
    panels = figure.subplots(len(chosen), max(columns, 1), squeeze=False)
    for row, (method, found) in zip(panels, chosen.items(), strict=True):
        for axes in row[len(found) :]:
            axes.set_axis_off()
        for axes, (genotype, value, of_seeds) in zip(row, found, strict=False):
            draw_cell(Cell.parse(genotype), axes)
            for text in axes.texts:  # arrows too; they stay inside, and to measure them all takes long
                text.set_in_layout(False)
            listed = ", ".join(str(seed) for seed in of_seeds)
            listed = f"{len(of_seeds)} seeds" if len(listed) > 14 else f"seed{'s' * (len(of_seeds) > 1)} {listed}"
            axes.set_title(f"{value:.2f} %  {listed}", fontsize=7, pad=1.5, loc="left", fontweight="normal")
        rest = len(found) - columns
        name = method_name(method) + (f"   (and {rest} more)" if rest > 0 else "")
        row[0].annotate(name, (0, 1.17), xycoords="axes fraction", fontsize=8, fontweight="bold")
    drawn = [(OPERATIONS[operation], stroke) for operation, stroke in STROKES.items()]
    keys = [
        Line2D([], [], color=stroke.colour, linewidth=stroke.width, linestyle=stroke.dashes, label=name)
        for name, stroke in drawn
    ]
    note = source(results, f"Above each cell its {metric_name(results.metric)} accuracy and the seeds that chose it.")
    frame(figure, "Chosen cells", keys, note)
    caption = (
        f"The cells that the searches chose, with their true accuracy ({truth_name(results)}) and seeds; "
        "node 0 is the input, node 3 the output."
    )
    return Plot(figure, caption)


PLOTS: dict[str, Callable[[Results], Plot]] = {
    "accuracy": accuracy,
    "operations": operations,
    "alpha": alpha,
    "darts-vs-bdarts": darts_and_bdarts,
    "magnitude-vs-pt": magnitude_and_perturbation,
    "seeds": seeds,
    "profiles": profiles,
    "cost": cost,
    "scores": scores,
    "cells": cells,
}
"""Every plot by its name in `reports.PLOTS`."""


_SLOPES: dict[int, tuple[str, Dashes, str]] = {  # sign of the change: colour, dashes, name
    1: ("#0072b2", "solid", "better"),
    -1: ("#d55e00", (0, (4, 1.6)), "worse"),
    0: (INK, (0, (1, 1.2)), "equal"),
}
_LABEL_BOX = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}


def _histogram(axes: Axes, scale: Scale, results: Results, low: float, high: float, vertical: bool) -> float:
    """The share of cells in bins of equal length on the axis; returns the share that lies below `low`."""
    edges = scale.accuracy(np.linspace(scale.place(low), scale.place(high), 61))
    share = share_at_or_below(*results.quantiles(results.metric), edges)
    mass = np.diff(share)
    fill: dict[str, Any] = {"facecolor": "#d0d0d0", "edgecolor": "#8c8c8c", "linewidth": 0.6}
    axes.stairs(mass, edges, orientation="horizontal" if vertical else "vertical", fill=True, **fill)
    axes.grid(False)
    if vertical:
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.set_xlim(0, mass.max() * 1.08)
        axes.tick_params(axis="y", length=0)
    else:
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_ylim(0, mass.max() * 1.35)
        axes.tick_params(axis="x", length=0)
        axes.set_ylabel(f"all {NUM_CELLS:,}\ncells", rotation=0, ha="right", va="center", labelpad=4)
    return float(share[0])


def _quantile_marks(axes: Axes, results: Results) -> None:
    """Where the median cell and the top 10 % and 1 % begin."""
    levels, values = results.quantiles(results.metric)
    for level, text in ((0.5, "half of all cells"), (0.9, "top 10 %"), (0.99, "top 1 %")):
        value = float(np.interp(level, levels, values))
        axes.axvline(value, ymax=0.8, color=GREY, linewidth=0.6, linestyle=(0, (1, 1.5)))
        axes.annotate(text, (value, 0.82), xycoords=("data", "axes fraction"), ha="center", fontsize=6.3, color=GREY)


def _slopes(axes: Axes, scale: Scale, inches: float, runs: pd.DataFrame, left: str, right: str) -> None:
    """One line a seed; seeds whose ends coincide share one label that names them all."""
    low, high = (float(place) for place in scale.place(axes.get_ylim()))
    for before, after in zip(runs[left], runs[right], strict=True):
        colour, dashes, _ = _SLOPES[int(np.sign(after - before))]
        axes.plot([0, 1], [before, after], color=colour, linestyle=dashes, linewidth=1.2, marker="o", markersize=3.2)
    for side, column in ((0, left), (1, right)):
        ends = sorted((float(group[column].iloc[0]), list(group["seed"])) for _, group in runs.groupby(column))
        places = scale.place([value for value, _ in ends])
        room = (high - low) * 0.04
        shown = style.spaced(places, (high - low) * 0.125 / inches, low + room, high - room)
        heights = scale.accuracy(shown)
        leaders = np.column_stack([[value for value, _ in ends], heights])
        tips = [side + (0.02 if side else -0.02), side + (0.06 if side else -0.06)]
        axes.plot(*joined(tips, leaders), color=FAINT, linewidth=0.5)
        for (value, of_seeds), height in zip(ends, heights, strict=True):
            names = "seed" + "s" * (len(of_seeds) > 1) + " " + ", ".join(str(seed) for seed in of_seeds)
            text = f"{names}  {value:.2f}" if side == 0 else f"{value:.2f}  {names}"
            axes.text(
                side + (0.07 if side else -0.07),
                height,
                text,
                fontsize=6.5,
                va="center",
                ha="left" if side else "right",
                bbox=_LABEL_BOX,
            )
    axes.set_xlim(-0.75, 1.75)
    axes.tick_params(axis="x", length=0)


def _distinct(runs: pd.DataFrame, metric: str) -> list[tuple[str, float, list[int]]]:
    """The chosen cells with their accuracy and seeds: those of most seeds first, then the better."""
    found = [
        (str(genotype), float(rows[metric].iloc[0]), [int(seed) for seed in rows["seed"]])
        for genotype, rows in runs.groupby("genotype")
    ]
    return sorted(found, key=lambda cell: (-len(cell[2]), -cell[1], cell[0]))
