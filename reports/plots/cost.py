"""True accuracy against the time of the search: every run, and the means of each method."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from reports.plots import marks
from reports.plots.layout import frame
from reports.plots.style import INK, WIDTH, Plot, looks
from reports.results import Results

TICKS = ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,))
"""The labelled multiples of each power of ten, on axes of few, some and many."""

LEAST_SHARE = 1 / 30
"""The shortest search drawn by its time, of the longest: searches on the table take next to none, and would leave the
others a corner of the axis."""


def draw(results: Results) -> Plot:
    if len(results.methods) < 2:
        raise marks.NotDrawn("one method alone has no other to compare its time with")
    figure = Figure(figsize=(WIDTH, 2.5))
    axes = figure.subplots()
    marks.accuracy_axes([axes], results, results.runs[results.metric])
    keys: list[marks.Key] = []
    fastest, slowest = (float(found) for found in results.runs["search_seconds"].agg(["min", "max"]))
    least = max(slowest, 1.0) * LEAST_SHARE
    for method in results.methods:
        runs = results.of(method)
        look = looks(results.methods)[method]
        seconds = runs["search_seconds"].clip(lower=least)
        plain: dict[str, Any] = {"color": look.colour, "marker": look.marker, "linestyle": "none"}
        if len(runs) > 1:
            axes.plot(seconds, runs[results.metric], **plain, markersize=3.2, alpha=0.5, markeredgewidth=0)
        edge: dict[str, Any] = {"markersize": 7.5, "markeredgecolor": INK, "markeredgewidth": 0.8}
        axes.plot(seconds.mean(), runs[results.metric].mean(), **plain, **edge)
        keys.append(marks.key(results.title(method), **plain, markersize=5))
    axes.set_xscale("log")
    start, end = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=TICKS[int(end > 10 * start) + int(end > 300 * start)]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(True, axis="x")
    axes.set_xlabel("seconds of search")
    axes.set_ylabel(marks.accuracy_label(results))
    devices = " / ".join(results.values("device"))
    edge_text = f"{least:.0f} s" if least >= 10 else f"{least:.1g} s"
    shorter = f" Searches of less than {edge_text} stand at {edge_text}." if fastest < least else ""
    note = (
        f"Large: means; small: every seed. Times on {devices}, a shared supernet's counted for each user.{shorter} "
        f"{marks.SCALE_NOTE}"
    )
    frame(figure, "Cost and accuracy", [*keys, *marks.level_keys()], marks.source(results, note))
    caption = (
        f"True accuracy of the chosen cells ({results.truth_name}) against the time of the search, on a logarithmic "
        "axis: every run (small) and the mean of each method (large)."
    )
    return Plot(figure, caption)
