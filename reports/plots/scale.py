"""The axis of all accuracies: by the logarithm of the distance to the best cell."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import ArrayLike

from reports.statistics import Floats, share_at_or_below


class AccuracyScale(NamedTuple):
    """An axis of accuracies, by the logarithm of their distance to the best cell's.

    The space's accuracies have a long tail to chance level, and the interesting ones differ by tenths of a point just
    below the best: each doubling of the distance takes the same length. `softening` points are added to every distance,
    so that the best cell itself has a place.
    """

    best: float
    softening: float = 0.5

    def place(self, accuracy: ArrayLike) -> Floats:
        """Where accuracies stand, in doublings of the distance; the best cell is the highest."""
        distance = self.best + self.softening - np.asarray(accuracy, dtype=np.float64)
        return np.asarray(-np.log2(np.maximum(distance, self.softening / 64)))

    def accuracy(self, place: ArrayLike) -> Floats:
        """The accuracy at a place, inverse of `place`."""
        return np.asarray(self.best + self.softening - 2 ** -np.asarray(place, dtype=np.float64))

    def limits(self, accuracies: ArrayLike, margin: float = 0.06) -> tuple[float, float]:
        """Axis limits that hold all `accuracies` and the best cell with a margin on both sides, but not below 0 %."""
        low, high = self.place([np.min(accuracies), self.best])
        room = margin * max(high - low, 1.0)
        bottom, top = self.accuracy([low - room, high + room])
        return max(float(bottom), 0.0), float(top)

    def ticks(self, low: float, high: float, gap: float) -> list[float]:
        """Round accuracies from `low` to the best cell that stand at least `gap` of the axis apart."""
        start, end = self.place([low, high])
        chosen: list[float] = []
        for step in (10.0, 5.0, 1.0, 0.5, 0.1):
            if step < 0.5 and len(chosen) >= 3:
                break
            near = low if step >= 5 else max(low, self.best - 5 * step)  # finer steps only just below the best
            first = np.ceil(near / step) * step
            for value in np.arange(first, min(high, self.best) + 1e-9, step)[::-1].round(1):
                places = self.place([*chosen, value])
                if np.all(np.abs(places[:-1] - places[-1]) >= gap * (end - start)):
                    chosen.append(float(value))
        return sorted(chosen)

    def apply(self, axes: Axes, axis: str, low: float, high: float, gap: float = 0.07) -> None:
        """Makes `axis`, "x" or "y", of `axes` such an axis from `low` to `high`."""
        functions = (self.place, self.accuracy)
        target: Axis
        if axis == "x":
            axes.set_xscale("function", functions=functions)
            axes.set_xlim(low, high)
            target = axes.xaxis
        else:
            axes.set_yscale("function", functions=functions)
            axes.set_ylim(low, high)
            target = axes.yaxis
        target.set_major_locator(FixedLocator(self.ticks(low, high, gap)))
        target.set_minor_locator(NullLocator())
        target.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def histogram(
    axes: Axes, scale: AccuracyScale, levels: Floats, values: Floats, low: float, high: float, vertical: bool
) -> float:
    """The share of cells in bins of equal length on the axis, from the quantiles of the space, both of shape (q,);
    returns the share that lies below `low`."""
    edges = scale.accuracy(np.linspace(scale.place(low), scale.place(high), 61))
    share = share_at_or_below(levels, values, edges)
    mass = np.diff(share)
    fill: dict[str, Any] = {"facecolor": "#d0d0d0", "edgecolor": "#8c8c8c", "linewidth": 0.6, "zorder": 0.9}
    axes.stairs(mass, edges, orientation="horizontal" if vertical else "vertical", fill=True, **fill)
    axes.grid(False)
    axes.spines["bottom" if vertical else "left"].set_visible(False)
    axes.tick_params(axis="y" if vertical else "x", length=0)
    if vertical:
        axes.set_xticks([])
        axes.set_xlim(0, mass.max() * 1.08)
    else:
        axes.set_yticks([])
        axes.set_ylim(0, mass.max() * 1.35)
    return float(share[0])
