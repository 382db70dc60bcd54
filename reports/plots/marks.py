"""What the plots share: the marks that mean the same in each of them, with their keys, and the line of sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from reports.plots.scale import AccuracyScale
from reports.plots.style import GREY, INK, Look, looks
from reports.results import Results, metric_name, seeds_text
from reports.statistics import Floats, seed_band
from spaces.drawing import Dashes

DASHED: Dashes = (0, (5, 2))
DOTTED: Dashes = (0, (1, 1.5))

Key = Line2D | Patch
"""An entry of a legend."""

SCALE_NOTE = "Accuracy axes: log distance to the best."


class NotDrawn(Exception):
    """The rows lack what a plot needs; the message says what, as the end of a sentence."""


def key(label: str, **style: Any) -> Line2D:
    return Line2D([], [], label=label, **style)


def rule(axes: Axes, place: float, dashes: Dashes = DASHED, axis: str = "y", colour: str = GREY) -> None:
    """A thin line across the panel at a value of `axis`, behind all else."""
    across = axes.axhline if axis == "y" else axes.axvline
    across(place, color=colour, linewidth=0.8, linestyle=dashes, zorder=1)


def rule_key(label: str, dashes: Dashes = DASHED, colour: str = GREY) -> Line2D:
    return key(label, color=colour, linewidth=0.8, linestyle=dashes)


def levels(axes: Axes, results: Results, axis: str = "y", metric: str | None = None) -> None:
    """Lines at the best cell of the space and at the mean of all cells."""
    rule(axes, results.best(metric or results.metric), "solid", axis, INK)
    rule(axes, results.mean(metric or results.metric), axis=axis)


def level_keys() -> list[Key]:
    return [rule_key("best cell of the space", "solid", INK), rule_key("mean of the space")]


def accuracy_axes(
    panels: Iterable[Axes], results: Results, shown: ArrayLike, gap: float = 0.07, metric: str | None = None
) -> tuple[float, float]:
    """Gives the panels one vertical axis of accuracies with its `levels`, which holds all of `shown`; returns its ends.

    Args:
        gap: the least distance of two ticks, as a share of the axis.
    """
    scale = AccuracyScale(results.best(metric or results.metric))
    low, high = scale.limits([float(np.nanmin(shown)), results.mean(metric or results.metric)])
    for axes in panels:
        scale.apply(axes, "y", low, high, gap)
        levels(axes, results, metric=metric)
    return low, high


def accuracy_label(results: Results) -> str:
    return f"{metric_name(results.metric)} accuracy (%)"


def skips_axis(axes: Axes) -> None:
    """Of the number of edges with skip_connect."""
    axes.set_ylim(-0.3, 6.3)
    axes.set_yticks(range(0, 7, 2))


def epoch_ticks(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))


def epoch_axis(axes: Axes, results: Results, method: str, epochs: int) -> None:
    axes.set_xlim(0.5, epochs + 0.5)
    epoch_ticks(axes)
    axes.set_xlabel(epochs_label(axes, results, method))


def method_title(axes: Axes, name: str, letters: int, **style: Any) -> None:
    """A method's name above its panel, smaller where it has more `letters` than fit."""
    axes.set_title(name, loc="left", fontsize=8.5 * min(1, letters / len(name)), **style)


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
    epoch_ticks(axes)


def band_keys(counts: Iterable[int]) -> list[Key]:
    if max(counts) == 1:
        return [key("the only seed", color=INK, linewidth=1.6)]
    return [
        key("mean of seeds", color=INK, linewidth=1.6),
        key("one seed", color=INK, linewidth=0.6, alpha=0.55),
        Patch(color=INK, alpha=0.14, linewidth=0, label="range of seeds"),
    ]


DASHES: tuple[Dashes, ...] = ((0, (5, 1.5)), (0, (1, 1)), (0, (4, 1)), "solid")
"""Of the trajectories in one panel, so that they differ in more than colour; the first is the reference."""


def trajectory(axes: Axes, curves: Floats, colour: str, dashes: Dashes, places: Floats | None = None) -> None:
    """The seeds' curves, shape (n, epochs), faint, and their mean, against the epoch if not at other places."""
    epochs = np.arange(1, curves.shape[1] + 1) if places is None else places
    if len(curves) > 1:
        axes.plot(epochs, curves.T, color=colour, linewidth=0.5, alpha=0.4)
    mean = seed_band(curves).mean
    axes.plot(epochs, mean, color=colour, linewidth=1.6, linestyle=dashes, marker="o" if len(mean) == 1 else "")


def trajectory_keys(counts: Iterable[int], colour: str, what: str = "") -> list[Key]:
    if max(counts) == 1:
        return [key(f"{what}the only seed", color=colour, linewidth=1.6)]
    return [
        key(f"{what}mean of seeds", color=colour, linewidth=1.6),
        key("one seed", color=colour, linewidth=0.5, alpha=0.4),
    ]


def joined(places: ArrayLike, lines: Floats) -> tuple[Floats, Floats]:
    """Many `lines`, shape (n, p), over `places`, shape (p,) or (n, p), as the x and y of one line with gaps: one of a
    hundred pieces is drawn several times faster than a hundred."""
    gap = np.full((len(lines), 1), np.nan)
    x = np.broadcast_to(np.asarray(places, dtype=np.float64), lines.shape)
    return np.hstack([x, gap]).ravel(), np.hstack([lines, gap]).ravel()


def strips(axes: Axes, places: Floats, values: Sequence[Floats], look: Look) -> None:
    """The seeds of several groups as dots, group i at place i."""
    for place, found in zip(places, values, strict=True):
        axes.plot(
            np.full(len(found), place),
            found,
            linestyle="none",
            marker=look.marker,
            markersize=4,
            markerfacecolor=look.colour,
            markeredgecolor="white",
            markeredgewidth=0.5,
            alpha=0.75,
        )


def method_keys(titles: Mapping[str, str]) -> list[Key]:
    """A key a method, of its title."""
    return [
        key(titles[method], color=look.colour, linewidth=1.4, marker=look.marker, markersize=4)
        for method, look in looks(list(titles)).items()
    ]


def epochs_label(axes: Axes, results: Results, method: str) -> str:
    """The label of the epochs; where one search hands over to the next, with both names and a dotted line between."""
    rows = results.history[results.history["method"] == method].drop_duplicates("epoch").sort_values("epoch")
    first = rows[rows["phase"] != rows["phase"].shift()]
    if len(first) < 2:
        return "epoch"
    for epoch in first["epoch"].iloc[1:]:
        rule(axes, epoch - 0.5, DOTTED, "x")
    return "epoch\n" + ", then ".join(results.title(str(phase)) for phase in first["phase"])


def source(results: Results, note: str, methods: Sequence[str] = ()) -> str:
    """The line under every figure: where its numbers come from."""
    counts = [len(results.of(method)) for method in methods or results.methods]
    return (
        f"Truth: {results.truth_name} · searched on {results.images} · preset {results.preset} · "
        f"n = {seeds_text(counts)}{' a method' if len(counts) > 1 else ''} · {note}"
    )
