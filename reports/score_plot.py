"""The plot of what the finished searches rank the cells by, against what the cells are worth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports import style
from reports.marks import SCALE_NOTE, NotDrawn, level_keys, levels, source, truth_name
from reports.results import LOG_WEIGHTS, Results, method_name, metric_name, score_name, seeds_text
from reports.rows import SCORED_CELLS
from reports.statistics import Floats, last, present
from reports.style import GREY, WIDTH, Plot, Scale, frame
from reports.tables import number, plus_minus
from spaces import NUM_CELLS

LEAST_LOG_WEIGHTS = -5000.0
"""No sum of six logarithms of numbers is as low, the least positive one's being −708: below it are the cells that SGAS
never chooses, each of whose `none` takes 10,000 off its score."""


class Span(NamedTuple):
    """The part of a score axis that is shown."""

    low: float
    high: float


def scores(results: Results) -> Plot:
    """True accuracy of a sample of cells against the score that the finished search gives them: one panel a method."""
    shown = {str(method): rows for method, rows in results.scores.groupby("method", sort=False)}
    drawn = [method for method in results.methods if method in shown]
    if not drawn:
        raise NotDrawn("scores.csv is missing, or no search of this folder scores the cells")
    columns = 2 if len(drawn) in (2, 4) else min(len(drawn), 3)
    rows = -(-len(drawn) // columns)
    figure = Figure(figsize=({1: 4.2, 2: 5.6}.get(columns, WIDTH), 2.35 * rows))
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    scale = Scale(results.best(results.metric))
    worst = min(float(shown[method]["accuracy"].min()) for method in drawn)
    low, high = scale.limits([worst, results.mean(results.metric)])
    looks = style.looks(results.methods)
    beyond = False
    for axes, method in zip(panels, drawn, strict=False):
        score, accuracy = shown[method][["score", "accuracy"]].to_numpy(dtype=np.float64).T
        span = span_of(score, score_name(method))
        scale.apply(axes, "y", low, high)
        levels(axes, results)
        outside = (score < span.low) | (score > span.high)
        beyond |= bool(outside.any())
        many = {"color": looks[method].colour, "linestyle": "none", "markeredgewidth": 0, "rasterized": True}
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
        axes.set_xlabel(axis_label(method))
        name = method_name(method)
        axes.set_title(name, loc="left", fontsize=8.5 * min(1, 22 / len(name)), pad=13)
        axes.annotate(
            tau_text(results, method), (0, 1), (0, 3.5), "axes fraction", "offset points", fontsize=6.8, color=GREY
        )
    for axes in panels[len(drawn) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        axes.set_ylabel(f"{metric_name(results.metric)} accuracy (%)")
    keys: list[Line2D | Patch] = [
        Line2D([], [], linestyle="none", marker="o", markersize=3.5, color=GREY, label="one cell, by one seed")
    ]
    if beyond:
        keys.append(
            Line2D([], [], linestyle="none", marker="<", markersize=4, color=GREY, label="its score is off the axis")
        )
    note = (
        f"Dots: up to {SCORED_CELLS} cells drawn at random, the same ones for every run that scores all {NUM_CELLS:,}. "
        "Kendall's τ-b: over all cells that a search scores, at its end; mean ± sample standard deviation. "
        + SCALE_NOTE
    )
    frame(figure, "What the searches rank the cells by", [*keys, *level_keys()], source(results, note, tuple(drawn)))
    caption = (
        f"True accuracy ({truth_name(results)}) of cells drawn at random, against the score that each finished search "
        f"ranks them by, all seeds in one. Kendall's τ-b of both is over all {NUM_CELLS:,} cells; where a search has "
        "measured only some, over those."
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


def axis_label(method: str) -> str:
    """What the method ranks the cells by, with its unit."""
    name = score_name(method)
    kind, _, labels = name.partition(", ")
    unit = {"angle": "radians", "accuracy": "%"}.get(kind)
    return f"{kind} ({unit}), {labels}" if unit else "its own score" if name == "its own" else name


def tau_text(results: Results, method: str) -> str:
    """`Kendall τ-b 0.52 ± 0.03 (5 seeds)`, at the end of the searches."""
    taus = last(results.curves(method, "tau"))
    found = present(taus)
    count = int(np.isfinite(taus).sum())
    if count == 0:
        return "Kendall τ-b not recorded"
    text = number(found.mean) if count == 1 else plus_minus(found)
    return f"Kendall τ-b = {text} ({seeds_text([count])})"
