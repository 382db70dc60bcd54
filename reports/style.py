"""How the plots look: one colour-blind-safe style that also reads in grey print; every drawing has the same bytes."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import ArrayLike

from reports.statistics import Floats

WIDTH = 7.0
"""Inches: the text width of a one-column paper, so that no plot is scaled and 8 points stay 8 points."""

INK, GREY, FAINT = "#1a1a1a", "#6b6b6b", "#c8c8c8"

RC: dict[Any, Any] = {  # of matplotlib's own names
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the same everywhere, and has the Greek letters
    "font.size": 7.5,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titley": 1.0,  # else every drawing measures all ticks to find a place above them, and none stand there
    "axes.labelsize": 7.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "legend.handlelength": 1.8,
    "legend.borderaxespad": 0,
    "legend.borderpad": 0.3,
    "text.color": INK,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "savefig.dpi": 200,
    "svg.fonttype": "path",  # looks the same without our font
    "svg.hashsalt": "replica-201",  # without it every drawing has new identifiers
}


class Look(NamedTuple):
    """How one method is told apart, by colour and also by shape."""

    colour: str
    marker: str


# Okabe & Ito's colours, "Color Universal Design", 2008.
LOOKS = {
    "darts": Look("#d55e00", "o"),
    "bdarts": Look("#0072b2", "s"),
    "rlnas": Look("#a8537f", "^"),  # darker than the original, to be seen as a thin line on white
    "pt": Look("#009e73", "D"),
}
OTHER_LOOKS = tuple(
    Look(("#b87d00", "#3a93c4", "#4d4d4d", "#7a6a00")[(place + place // 4) % 4], marker)
    for place, marker in enumerate("vPXp<*h>8dH")
)
"""For all other methods, in order of appearance and round again."""


class Plot(NamedTuple):
    """A drawn figure, and the sentence that says what it shows."""

    figure: Figure
    caption: str


class Scale(NamedTuple):
    """An axis on which an accuracy stands by the logarithm of its distance to the best cell's.

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


@contextmanager
def applied() -> Iterator[None]:
    """The style for the figures drawn and saved inside; the user's own settings neither show nor change."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)
        yield


def looks(methods: Sequence[str]) -> dict[str, Look]:
    """The look of each method: always the same for ours."""
    unknown = [method for method in methods if method not in LOOKS]
    others = {method: OTHER_LOOKS[index % len(OTHER_LOOKS)] for index, method in enumerate(unknown)}
    return {method: LOOKS[method] if method in LOOKS else others[method] for method in methods}


def wrapped(source: str, letters: int) -> list[str]:
    """The lines of a source, of so many letters but for a longer word; a dot where one breaks ends the line."""
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


def images_of(plot: Plot) -> dict[str, bytes]:
    """The figure as files, by suffix, without dates or versions inside."""
    made = {}
    _settle(plot.figure)
    title = plot.figure.get_suptitle()
    about = {"Title": title, "Description": plot.caption}
    kinds: tuple[tuple[str, dict[str, str | None], dict[str, Any]], ...] = (
        # Level 3 takes two thirds of the time of the default, 6, for drawings of about the same size.
        ("png", {"Software": None, **about}, {"pil_kwargs": {"compress_level": 3}}),
        ("svg", {"Date": None, "Creator": None, **about}, {}),
    )
    for suffix, metadata, options in kinds:
        buffer = io.BytesIO()
        plot.figure.savefig(buffer, format=suffix, metadata=metadata, **options)
        made[suffix] = buffer.getvalue()
    return made


def _settle(figure: Figure) -> None:
    """Lays the figure out once and for all; the solver's last digits differ between runs, so they are rounded away."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine(None)  # with "none" every file would be drawn twice, once to no end
    for axes in figure.axes:
        left, bottom, width, height = axes.get_position(original=True).bounds
        axes.set_position((round(left, 5), round(bottom, 5), round(width, 5), round(height, 5)))


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

    Labels that would overlap form a block around their mean; where all don't fit, they are set evenly.
    """
    at = np.asarray(places, dtype=np.float64)
    if len(at) * gap > high - low:
        return np.linspace(low, high, len(at))
    blocks: list[list[float]] = []  # [mean place, size]
    for place in at:
        blocks.append([float(np.clip(place, low, high)), 1.0])
        while True:
            mean, size = blocks[-1]
            half = (size - 1) * gap / 2
            blocks[-1][0] = float(np.clip(mean, low + half, high - half))
            if len(blocks) < 2 or blocks[-1][0] - blocks[-2][0] >= (blocks[-1][1] + blocks[-2][1]) * gap / 2 - 1e-12:
                break
            (mean_a, size_a), (mean_b, size_b) = blocks[-2:]
            blocks[-2:] = [[(mean_a * size_a + mean_b * size_b) / (size_a + size_b), size_a + size_b]]
    return np.array([mean + (index - (size - 1) / 2) * gap for mean, size in blocks for index in range(int(size))])
