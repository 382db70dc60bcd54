"""Where things stand in a figure: the grid of panels, the frame around them, dots and labels side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.textpath import text_to_path
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from reports.plots.style import GREY, RC, WIDTH
from reports.statistics import Floats


def panel_grid(
    count: int,
    columns: int,
    height: float,
    ylabel: str = "",
    *,
    width: float | None = None,
    extra: float = 0.0,
    sharex: bool = False,
    sharey: bool = True,
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, row by row; the first of each row has the label of its y axis.

    Args:
        columns: how many panels stand in a row, if there are as many.
        height: inches of one row.
        width: inches of the figure; by default those of the page, and less for one or two columns.
        extra: inches of the figure beside its rows.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width or {1: 4.2, 2: 5.6}.get(columns, WIDTH), extra + height * rows))
    panels = figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False).flatten()
    for axes in panels[count:]:
        axes.set_visible(False)
    for axes in panels[:count:columns]:
        axes.set_ylabel(ylabel)
    return figure, list(panels[:count])


def wrapped(source: str, letters: int) -> list[str]:
    """`source` in lines of at most so many letters, unless a word is longer; none begins with a dot."""
    unbroken = "\N{NO-BREAK SPACE}"
    lines = textwrap.wrap(source.replace(" ·", f"{unbroken}·"), letters, break_long_words=False)
    return [line.replace(unbroken, " ") for line in lines]


def frame(figure: Figure, title: str, keys: Sequence[Line2D | Patch], source: str) -> None:
    """Adds the title and legend above the drawing and its source below, and makes the figure so much higher."""
    width, body = figure.get_size_inches()
    font = FontProperties(size=RC["legend.fontsize"])
    points = [text_to_path.get_text_width_height_descent(str(key.get_label()), font, False)[0] for key in keys]
    sizes = [0.39 + length / 72 for length in points]  # inches
    columns = next(
        count
        for count in range(len(keys), 0, -1)
        if sum(max(sizes[at::count]) for at in range(count)) < width - 0.1 or count == 1
    )
    lines = wrapped(source, int(width * 21.5))  # letters of 6.3 points in an inch
    head = 0.29 + 0.15 * -(-len(keys) // columns)
    foot = 0.07 + 0.125 * len(lines)
    height = body + head + foot
    figure.set_size_inches(width, height)
    figure.suptitle(title, x=0.07 / width, y=1 - 0.05 / height, ha="left", va="top", fontsize=9.5, fontweight="bold")
    figure.set_layout_engine(
        ConstrainedLayoutEngine(rect=(0.04 / width, foot / height, 1 - 0.08 / width, 1 - (head + foot) / height))
    )
    figure.legend(
        handles=[key for at in range(columns) for key in keys[at::columns]],  # filled by column, but read by row
        loc="upper left",
        bbox_to_anchor=(0.04 / width, 1 - 0.22 / height),
        ncols=columns,
        columnspacing=1.4,
    )
    note = "\n".join(lines)
    figure.text(0.07 / width, 0.06 / height, note, va="bottom", fontsize=6.3, color=GREY, linespacing=1.35)


def swarm(places: ArrayLike, diameter: float) -> Floats:
    """Sideways offsets, shape (n,), that let dots of a diameter at `places`, shape (n,), touch but not overlap.

    The dots are placed from the lowest up, each as near to the middle as it can be, above it first.
    """
    at = np.asarray(places, dtype=np.float64)
    offsets = np.zeros(len(at))
    done: list[int] = []
    for dot in np.argsort(at, kind="stable"):
        near = [other for other in done if at[dot] - at[other] < diameter]
        reach = [float(np.sqrt(diameter**2 - (at[dot] - at[other]) ** 2)) for other in near]
        free = [0.0]
        for other, side in zip(near, reach, strict=True):
            free += [offsets[other] + side, offsets[other] - side]
        fits = [
            offset
            for offset in free
            if all(abs(offset - offsets[other]) >= side - 1e-9 for other, side in zip(near, reach, strict=True))
        ]
        offsets[dot] = min(fits, key=lambda offset: (round(abs(offset), 9), -offset))
        done.append(int(dot))
    return offsets


def spaced(places: ArrayLike, gap: float, low: float, high: float) -> Floats:
    """`places`, shape (n,), ascending, moved as little as it takes to stand `gap` apart between `low` and `high`.

    By least squares. Where all don't fit, they are set evenly.
    """
    at = np.asarray(places, dtype=np.float64)
    if len(at) * gap > high - low:
        return np.linspace(low, high, len(at))
    steps = gap * np.arange(len(at))
    moved = np.clip(isotonic_regression(at - steps).x, low, high - steps[-1])
    return np.asarray(moved + steps)
