"""Plots of what the searches did, and of what it was worth: operations, α, reliability and cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from reports import RowsError, style
from reports.marks import SCALE_NOTE, NotDrawn, epochs_label, level_keys, levels, source, truth_name
from reports.results import Results, method_name, metric_name
from reports.statistics import Floats, share_at_or_below
from reports.style import INK, WIDTH, Plot, Scale, frame
from spaces import EDGES, OPERATIONS
from spaces.cell import CONV1, CONV3, NONE, POOL, SKIP
from spaces.drawing import STROKES, Dashes

SHORT = {operation: stroke.label or "none" for operation, stroke in STROKES.items()}
"""Names of the operations that fit beside a row."""

WEIGHTS = colormaps["YlGnBu"]
"""Light to dark evenly, also in grey print and to the colour-blind."""


_MEAN = "Mean over the seeds."


def operations(results: Results) -> Plot:
    """Edges of the current cell with each operation, stacked, against the epoch: one panel a method."""
    counts = {method: _operation_counts(results, method) for method in results.methods}
    drawn = [method for method in results.methods if np.isfinite(counts[method]).any()]
    if not drawn:
        raise NotDrawn("history.csv holds no epochs of the finished runs")
    figure, panels = _grid(drawn, 1.7)
    order = (CONV3, CONV1, POOL, SKIP, NONE)  # from below: with parameters, without, nothing
    for axes, method in zip(panels, drawn, strict=True):
        mean = counts[method].mean(axis=0)
        mean = mean[np.isfinite(mean).all(axis=1)]  # as far as all seeds came
        ends = np.arange(len(mean) + 1) + 0.5
        axes.stackplot(
            np.repeat(ends, 2)[1:-1],
            *(np.repeat(mean[:, operation], 2) for operation in order),
            colors=[STROKES[operation].colour for operation in order],
            edgecolor="white",
            linewidth=0.4,
        )
        axes.set_ylim(0, len(EDGES))
        axes.set_yticks(range(0, len(EDGES) + 1, 2))
        axes.grid(False)
        _epoch_axis(axes, results, method, len(mean))
    for axes in panels[::4]:
        axes.set_ylabel("edges of the cell")
    keys = [Patch(color=STROKES[operation].colour, linewidth=0, label=OPERATIONS[operation]) for operation in order]
    frame(figure, "Operations of the current cell", keys, source(results, _MEAN, tuple(drawn)))
    caption = (
        "How many of its 6 edges each operation has in the cell that the search would choose after each epoch: the "
        "mean over seeds."
    )
    return Plot(figure, caption)


def alpha(results: Results) -> Plot:
    """The softmax weights of α, a row an operation on an edge, against the epoch: one panel a method."""
    weights = {method: _weights(results, method).mean(axis=0) for method in results.methods}
    drawn = [method for method in results.methods if np.isfinite(weights[method]).any()]
    if not drawn:
        raise NotDrawn("history.csv holds no weights of α")
    figure, panels = _grid(drawn, 2.9)
    equal = 1 / len(OPERATIONS)
    most = max(2 * equal, *(float(np.nanmax(weights[method])) for method in drawn))
    norm = TwoSlopeNorm(equal, 0, most)  # as many shades below equal weights as above, however large one grows
    rows = len(EDGES) * len(OPERATIONS)
    for axes, method in zip(panels, drawn, strict=True):
        image = weights[method].T
        axes.imshow(
            image,
            cmap=WEIGHTS,
            norm=norm,
            aspect="auto",
            interpolation="nearest",
            extent=(0.5, image.shape[1] + 0.5, rows, 0),
        )
        for edge in range(1, len(EDGES)):
            axes.axhline(edge * len(OPERATIONS), color="white", linewidth=1.5)
        axes.set_yticks([])
        axes.grid(False)
        _epoch_axis(axes, results, method, image.shape[1])
    for axes in panels[::4]:
        axes.set_ylabel("edge and operation", labelpad=42)
        beside = axes.get_yaxis_transform()
        for row in range(rows):  # texts, since as many ticks would take longer to draw
            name = SHORT[row % len(OPERATIONS)]
            label = axes.text(-0.01, row + 0.5, name, fontsize=4.8, ha="right", va="center", transform=beside)
            label.set_in_layout(False)
        for edge, (start, end) in enumerate(EDGES):
            place = (0, (edge + 0.5) * len(OPERATIONS))
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
    note = f"{_MEAN} Rows: operations, edge by edge; 0 is the cell's input, 3 its output."
    frame(figure, "Softmax weights of α", keys, source(results, note, tuple(drawn)))
    caption = (
        "The softmax weights of α after each epoch, by edge and operation: the mean over seeds. Dark rows are what the "
        "search leans to on every seed."
    )
    return Plot(figure, caption)


_DASHES: tuple[Dashes, ...] = ("solid", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.2, 1, 1.2)), (0, (2.5, 1)))


def profiles(results: Results) -> Plot:
    """The share of seeds whose cell reaches an accuracy, against the accuracy: one line a method."""
    if max(len(results.of(method)) for method in results.methods) < 2:
        raise NotDrawn("a share of the seeds needs more than one seed")
    scale = Scale(results.best(results.metric))
    lowest = float(results.runs[results.metric].min())
    low, high = scale.limits([lowest, results.mean(results.metric)])
    figure = Figure(figsize=(WIDTH, 2.3))
    axes = figure.subplots()
    scale.apply(axes, "x", low, high, gap=0.06)
    places = np.linspace(scale.place(low), scale.place(high), 200)
    points = scale.accuracy(places)
    space = 1 - share_at_or_below(*results.quantiles(results.metric), points)
    axes.fill_between(points, 100 * space, color="#d0d0d0", linewidth=0)
    looks = style.looks(results.methods)
    keys: list[Line2D | Patch] = []
    for index, method in enumerate(results.methods):
        values = np.sort(results.of(method)[results.metric].to_numpy(dtype=np.float64))
        share = 100 * (1 - np.arange(len(values) + 1) / len(values))
        dashes = _DASHES[index % len(_DASHES)]
        colour = looks[method].colour
        axes.step([low, *values], share, where="post", color=colour, linestyle=dashes, linewidth=1.5)
        keys.append(Line2D([], [], color=colour, linestyle=dashes, linewidth=1.5, label=method_name(method)))
    axes.axvline(results.best(results.metric), color=INK, linewidth=0.8, zorder=1)
    axes.set_ylim(-2, 103)
    axes.set_ylabel("seeds that reach it (%)")
    axes.set_xlabel(f"{metric_name(results.metric)} accuracy (%)")
    keys += [Patch(color="#d0d0d0", linewidth=0, label="all cells"), level_keys()[0]]
    frame(figure, "How many seeds reach an accuracy", keys, source(results, SCALE_NOTE))
    caption = (
        f"The share of seeds whose chosen cell has at least an accuracy ({truth_name(results)}), and the share of all "
        "cells that have it: the further right a line falls, the more can be relied on its method."
    )
    return Plot(figure, caption)


def cost(results: Results) -> Plot:
    """True accuracy against the time of the search: every run, and the means of each method."""
    if len(results.methods) < 2:
        raise NotDrawn("one method alone has no other whose time stands beside its own")
    scale = Scale(results.best(results.metric))
    low, high = scale.limits([float(results.runs[results.metric].min()), results.mean(results.metric)])
    figure = Figure(figsize=(WIDTH, 2.5))
    axes = figure.subplots()
    scale.apply(axes, "y", low, high)
    levels(axes, results)
    looks = style.looks(results.methods)
    keys: list[Line2D | Patch] = []
    fastest, slowest = (float(found) for found in results.runs["search_seconds"].agg(["min", "max"]))
    least = max(slowest, 1.0) * _LEAST_SHARE
    for method in results.methods:
        runs = results.of(method)
        look = looks[method]
        seconds = runs["search_seconds"].clip(lower=least)
        plain: dict[str, Any] = {"color": look.colour, "marker": look.marker, "linestyle": "none"}
        if len(runs) > 1:
            axes.plot(seconds, runs[results.metric], **plain, markersize=3.2, alpha=0.5, markeredgewidth=0)
        edge: dict[str, Any] = {"markersize": 7.5, "markeredgecolor": INK, "markeredgewidth": 0.8}
        axes.plot(seconds.mean(), runs[results.metric].mean(), **plain, **edge)
        keys.append(Line2D([], [], **plain, markersize=5, label=method_name(method)))
    axes.set_xscale("log")
    start, end = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=_TICKS[int(end > 10 * start) + int(end > 300 * start)]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(True, axis="x")
    axes.set_xlabel("seconds of search")
    axes.set_ylabel(f"{metric_name(results.metric)} accuracy (%)")
    devices = " / ".join(results.values("device"))
    edge_text = f"{least:.0f} s" if least >= 10 else f"{least:.1g} s"
    shorter = f" Searches of less than {edge_text} stand at {edge_text}." if fastest < least else ""
    note = (
        f"Large: means; small: every seed. Times on {devices}, a shared supernet's counted for each user.{shorter} "
        f"{SCALE_NOTE}"
    )
    frame(figure, "Cost and accuracy", [*keys, *level_keys()], source(results, note))
    caption = (
        f"True accuracy of the chosen cells ({truth_name(results)}) against the time of the search, on a logarithmic "
        "axis: every run (small) and the mean of each method (large)."
    )
    return Plot(figure, caption)


_TICKS = ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,))
"""The labelled multiples of each power of ten, on axes of few, some and many."""

_LEAST_SHARE = 1 / 30
"""The shortest search drawn by its time, of the longest: searches on the table take next to none, and would leave the
others a corner of the axis."""


def _grid(methods: Sequence[str], height: float) -> tuple[Figure, list[Axes]]:
    """A panel of `height` inches for each method, up to 4 in a row, with its name."""
    columns = min(len(methods), 4)
    rows = -(-len(methods) // columns)
    figure = Figure(figsize=({1: 4.2, 2: 5.6}.get(columns, WIDTH), (height + 0.4) * rows))
    panels = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flatten())
    for axes in panels[len(methods) :]:
        axes.set_visible(False)
    for axes, method in zip(panels, methods, strict=False):
        name = method_name(method)
        axes.set_title(name, loc="left", fontsize=8.5 * min(1, 16 / len(name)))
    return figure, panels[: len(methods)]


def _epoch_axis(axes: Axes, results: Results, method: str, epochs: int) -> None:
    axes.set_xlim(0.5, epochs + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel(epochs_label(axes, results, method))


def _by_epoch(results: Results, method: str, rows: pd.DataFrame, values: Floats) -> Floats:
    """`values`, shape (rows, k), of rows of the history, as shape (n, epochs, k); nan where there is none."""
    place = {seed: row for row, seed in enumerate(results.of(method)["seed"])}
    epochs = int(rows["epoch"].max()) if len(rows) else 0
    found = np.full((len(place), epochs, values.shape[1]), np.nan)
    found[rows["seed"].map(place), rows["epoch"] - 1] = values
    return found


def _operation_counts(results: Results, method: str) -> Floats:
    """Edges with each operation in the current cell, shape (n, epochs, 5)."""
    rows = results.history[results.history["method"] == method]
    counts = [[cell.count(f"{name}~") for name in OPERATIONS] for cell in rows["genotype"].astype(str)]
    values = np.array(counts, dtype=np.float64).reshape(len(rows), len(OPERATIONS))
    return _by_epoch(results, method, rows, values)


def _weights(results: Results, method: str) -> Floats:
    """The softmax weights of α, shape (n, epochs, 30), edge by edge; nan where a search has none.

    Raises:
        RowsError: where they are not 30 numbers.
    """
    rows = results.history[results.history["method"] == method]
    rows = rows[rows["weights"].notna()] if "weights" in rows else rows.head(0)
    try:
        values = np.array(" ".join(rows["weights"]).split() if len(rows) else [], dtype=np.float64)
        return _by_epoch(results, method, rows, values.reshape(len(rows), len(EDGES) * len(OPERATIONS)))
    except (TypeError, ValueError):
        raise RowsError(
            f"history.csv: the `weights` of {method} are not {len(EDGES) * len(OPERATIONS)} numbers an epoch: the "
            "file was edited"
        ) from None
