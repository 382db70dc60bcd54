"""True accuracy of a sample of cells, against the score that the finished search gives them: one panel a method."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.plots import marks
from reports.plots.layout import frame, panel_grid
from reports.plots.style import GREY, Plot, looks
from reports.results import Results, seeds_text
from reports.rows import SCORED_CELLS
from reports.statistics import Floats, finite_spread, last
from reports.tables import number, plus_minus

LOG_WEIGHTS = "Σ log weight of α"
"""The score of the gradient methods: over the edges, the log weight of the cell's operation."""

LEAST_LOG_WEIGHTS = -5000.0
"""No sum of six logarithms of numbers is as low, the least positive one's being −708: below it are the cells that SGAS
never chooses, each of whose `none` takes 10,000 off its score."""


class Span(NamedTuple):
    """The part of a score axis that is shown."""

    low: float
    high: float


def draw(results: Results) -> Plot:
    shown = {str(method): rows for method, rows in results.scores.groupby("method", sort=False)}
    drawn = [method for method in results.methods if method in shown]
    if not drawn:
        raise marks.NotDrawn("scores.csv is missing, or no search of this folder scores the cells")
    columns = 2 if len(drawn) in (2, 4) else min(len(drawn), 3)
    figure, panels = panel_grid(len(drawn), columns, 2.35, marks.accuracy_label(results))
    marks.accuracy_axes(panels, results, np.concatenate([shown[method]["accuracy"] for method in drawn]))
    beyond = False
    for axes, method in zip(panels, drawn, strict=True):
        score, accuracy = shown[method][["score", "accuracy"]].to_numpy(dtype=np.float64).T
        span = span_of(score, results.score_name(method))
        outside = (score < span.low) | (score > span.high)
        beyond |= bool(outside.any())
        colour = looks(results.methods)[method].colour
        many: dict[str, Any] = {"color": colour, "linestyle": "none", "markeredgewidth": 0, "rasterized": True}
        opacity = float(np.clip(10 / np.sqrt(len(score)), 0.06, 0.6))  # thousands of points still show where most are
        axes.plot(score[~outside], accuracy[~outside], **many, marker="o", markersize=2.6, alpha=opacity)
        for marker, places, edge in (("<", score < span.low, 0.0), (">", score > span.high, 1.0)):
            at = np.full(np.count_nonzero(places), edge)
            (arrows,) = axes.plot(at, accuracy[places], **many, marker=marker, markersize=3.4, alpha=opacity)
            arrows.set(transform=axes.get_yaxis_transform(), clip_on=False, in_layout=False)
        axes.set_xlim(span)
        axes.xaxis.set_major_locator(MaxNLocator(4 if columns == 3 else 5, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
        axes.grid(True, axis="x")
        axes.set_xlabel(results.score_name(method))
        marks.method_title(axes, results.title(method), 22, pad=13)
        axes.annotate(
            tau_text(results, method), (0, 1), (0, 3.5), "axes fraction", "offset points", fontsize=6.8, color=GREY
        )
    keys = [marks.key("one cell, by one seed", linestyle="none", marker="o", markersize=3.5, color=GREY)]
    if beyond:
        keys.append(marks.key("its score is off the axis", linestyle="none", marker="<", markersize=4, color=GREY))
    note = (
        f"Dots: up to {SCORED_CELLS} cells drawn at random, the same ones for every run that scores all "
        f"{len(results.cells):,}. "
        "Kendall's τ-b: over all cells that a search scores, at its end; mean ± sample standard deviation. "
        + marks.SCALE_NOTE
    )
    frame(
        figure, "What the searches rank the cells by", [*keys, *marks.level_keys()], marks.source(results, note, drawn)
    )
    caption = (
        f"True accuracy ({results.truth_name}) of cells drawn at random, against the score that each finished search "
        f"ranks them by, all seeds in one. Kendall's τ-b of both is over all {len(results.cells):,} cells; where a "
        "search has measured only some, over those."
    )
    return Plot(figure, caption)


def span_of(score: Floats, name: str) -> Span:
    """What to show of `score`, shape (n,): all, but for a few that lie so far off that the others would be a line."""
    if name == LOG_WEIGHTS and score.max() > LEAST_LOG_WEIGHTS:
        score = score[score > LEAST_LOG_WEIGHTS]
    low, high = np.quantile(score, [0.05, 0.95])
    reach = (high - low) or np.inf  # where most are equal, the others are what there is to see
    low, high = max(float(score.min()), low - reach), min(float(score.max()), high + reach)
    room = 0.06 * (high - low) or 0.5
    return Span(low - room, high + room)


def tau_text(results: Results, method: str) -> str:
    """`Kendall τ-b 0.52 ± 0.03 (5 seeds)`, at the end of the searches."""
    taus = last(results.curves(method, "tau"))
    found = finite_spread(taus)
    count = int(np.isfinite(taus).sum())
    if count == 0:
        return "Kendall τ-b not recorded"
    text = number(found.mean) if count == 1 else plus_minus(found)
    return f"Kendall τ-b = {text} ({seeds_text([count])})"
