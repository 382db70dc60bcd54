"""One line a seed from magnitude selection to the method's own, on the same supernet, beside the whole space."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.plots import marks
from reports.plots.layout import frame, spaced
from reports.plots.scale import AccuracyScale, histogram
from reports.plots.style import FAINT, INK, WIDTH, Plot
from reports.results import Results
from reports.statistics import paired
from spaces.drawing import Dashes

SLOPES: dict[int, tuple[str, Dashes, str]] = {
    1: ("#0072b2", "solid", "better"),
    -1: ("#d55e00", (0, (4, 1.6)), "worse"),
    0: (INK, (0, (1, 1.2)), "equal"),
}
"""Colour, dashes and name of a line, by the sign of its change."""


def draw(results: Results) -> Plot:
    other = f"other_{results.metric}"
    pairs: dict[str, pd.DataFrame] = {}
    if other in results.runs:
        for method in results.methods:
            runs = results.of(method)
            runs = runs[(runs["other_selection"] == "magnitude") & runs[other].notna()]
            if not runs.empty:
                pairs[method] = runs
    if not pairs:
        raise marks.NotDrawn("no run of this folder compares a selection rule with magnitude on the same supernet")
    height = max(2.7, 0.6 + 0.125 * max(map(len, pairs.values())))
    figure = Figure(figsize=(min(WIDTH, 2.1 + 3.2 * len(pairs)), height))
    *panels, strip = figure.subplots(1, len(pairs) + 1, sharey=True, width_ratios=[3.2] * len(pairs) + [1])
    values = pd.concat(pairs.values())[[other, results.metric]].to_numpy(dtype=np.float64)
    low, high = marks.accuracy_axes([*panels, strip], results, values)
    scale = AccuracyScale(results.best(results.metric))
    for axes, (method, runs) in zip(panels, pairs.items(), strict=True):
        _slopes(axes, scale, height - 0.5, runs, other, results.metric)
        both = paired(runs[other], runs[results.metric])
        title = f"{results.title(method)}: better {both.won}, worse {both.lost}, equal {both.tied}"
        axes.set_title(title, loc="left", fontsize=8.5 * min(1, 36 / len(title)))
        axes.set_xticks([0, 1], ["magnitude (argmax α)", results.title(method)])
    panels[0].set_ylabel(marks.accuracy_label(results))
    below = histogram(strip, scale, *results.quantiles(results.metric), low, high, vertical=True)
    strip.set_title("all cells", loc="left", fontweight="normal", fontsize=7.5)
    note = f"The worst {below:.1%} of the cells lie below the axis. " if below > 0 else ""
    keys = [marks.key(name, color=colour, linewidth=1.2, linestyle=dashes) for colour, dashes, name in SLOPES.values()]
    source_line = marks.source(results, note + marks.SCALE_NOTE, tuple(pairs))
    frame(figure, "One supernet, two selection rules", [*keys, *marks.level_keys()], source_line)
    caption = (
        f"True accuracy ({results.truth_name}) of the cell that the largest α would choose (left) and that the method "
        "chooses (right), one line for each seed's supernet, beside the distribution of all cells."
    )
    return Plot(figure, caption)


def _slopes(axes: Axes, scale: AccuracyScale, inches: float, runs: pd.DataFrame, left: str, right: str) -> None:
    """One line a seed; seeds whose ends coincide share one label that names them all."""
    low, high = (float(place) for place in scale.place(axes.get_ylim()))
    for before, after in zip(runs[left], runs[right], strict=True):
        colour, dashes, _ = SLOPES[int(np.sign(after - before))]
        axes.plot([0, 1], [before, after], color=colour, linestyle=dashes, linewidth=1.2, marker="o", markersize=3.2)
    for side, column in ((0, left), (1, right)):
        ends = sorted((float(group[column].iloc[0]), list(group["seed"])) for _, group in runs.groupby(column))
        places = scale.place([value for value, _ in ends])
        room = (high - low) * 0.04
        shown = spaced(places, (high - low) * 0.125 / inches, low + room, high - room)
        heights = scale.accuracy(shown)
        leaders = np.column_stack([[value for value, _ in ends], heights])
        tips = [side + (0.02 if side else -0.02), side + (0.06 if side else -0.06)]
        axes.plot(*marks.joined(tips, leaders), color=FAINT, linewidth=0.5)
        for (value, of_seeds), height in zip(ends, heights, strict=True):
            names = "seed" + "s" * (len(of_seeds) > 1) + " " + ", ".join(str(seed) for seed in of_seeds)
            text = f"{names}  {value:.2f}" if side == 0 else f"{value:.2f}  {names}"
            axes.text(
                side + (0.07 if side else -0.07),
                height,
                text,
                fontsize=6.5,
                va="center",
                ha="left" if side else "right",
                bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
            )
    axes.set_xlim(-0.75, 1.75)
    axes.tick_params(axis="x", length=0)
