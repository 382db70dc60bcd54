"""What the plots of a results folder share: the marks that mean the same in each of them, and the line of sources."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from reports.results import Results, method_name, metric_name, seeds_text
from reports.statistics import Floats, seed_band
from reports.style import GREY, INK


class NotDrawn(Exception):
    """The rows lack what a plot needs; the message says what, as the end of a sentence."""


SCALE_NOTE = "Accuracy axes: log distance to the best."


def band_keys(counts: Iterable[int]) -> list[Line2D | Patch]:
    if max(counts) == 1:
        return [Line2D([], [], color=INK, linewidth=1.6, label="the only seed")]
    return [
        Line2D([], [], color=INK, linewidth=1.6, label="mean of seeds"),
        Line2D([], [], color=INK, linewidth=0.6, alpha=0.55, label="one seed"),
        Patch(color=INK, alpha=0.14, linewidth=0, label="range of seeds"),
    ]


def level_keys() -> list[Line2D | Patch]:
    return [
        Line2D([], [], color=INK, linewidth=0.8, label="best cell of the space"),
        Line2D([], [], color=GREY, linewidth=0.8, linestyle=(0, (5, 2)), label="mean of the space"),
    ]


def truth_name(results: Results) -> str:
    return f"{results.truth}, {metric_name(results.metric)}"


def source(results: Results, note: str, methods: tuple[str, ...] = ()) -> str:
    """The line under every figure: where its numbers come from."""
    counts = [len(results.of(method)) for method in methods or results.methods]
    return (
        f"Truth: {truth_name(results)} · searched on {results.images} · preset {results.preset} · "
        f"n = {seeds_text(counts)}{' a method' if len(counts) > 1 else ''} · {note}"
    )


def levels(axes: Axes, results: Results) -> None:
    axes.axhline(results.best(results.metric), color=INK, linewidth=0.8, zorder=1)
    axes.axhline(results.mean(results.metric), color=GREY, linewidth=0.8, linestyle=(0, (5, 2)), zorder=1)


def band(axes: Axes, curves: Floats, colour: str) -> None:
    """The seeds' curves, shape (n, epochs), thin, their mean bold and their range shaded."""
    epochs = np.arange(1, curves.shape[1] + 1)
    band = seed_band(curves)
    marker = "o" if curves.shape[1] == 1 else ""
    if len(curves) > 1:
        axes.fill_between(epochs, band.low, band.high, color=colour, alpha=0.14, linewidth=0)
        thin = joined(epochs, curves)
        axes.plot(*thin, color=colour, linewidth=0.6, alpha=0.55, marker=marker, markersize=2.5)
    axes.plot(epochs, band.mean, color=colour, linewidth=1.6, marker=marker, markersize=4)
    axes.set_xlim(0, max(2, curves.shape[1]) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))


def joined(places: ArrayLike, lines: Floats) -> tuple[Floats, Floats]:
    """Many `lines`, shape (n, p), over `places`, shape (p,) or (n, p), as the x and y of one line with gaps: one of a
    hundred pieces is drawn several times faster than a hundred."""
    gap = np.full((len(lines), 1), np.nan)
    x = np.broadcast_to(np.asarray(places, dtype=np.float64), lines.shape)
    return np.hstack([x, gap]).ravel(), np.hstack([lines, gap]).ravel()


def epochs_label(axes: Axes, results: Results, method: str) -> str:
    """The label of the epochs; where one search hands over to the next, with both names and a dotted line between."""
    rows = results.history[results.history["method"] == method].drop_duplicates("epoch").sort_values("epoch")
    first = rows[rows["phase"] != rows["phase"].shift()]
    if len(first) < 2:
        return "epoch"
    for epoch in first["epoch"].iloc[1:]:
        axes.axvline(epoch - 0.5, color=GREY, linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1)
    return "epoch\n" + ", then ".join(method_name(str(phase)) for phase in first["phase"])
