"""How the plots look: one colour-blind-safe style that also reads in grey print; every drawing has the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

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
    """How a method is drawn: in a colour, and in a shape for those who see no colours."""

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


@contextmanager
def house_style() -> Iterator[None]:
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
