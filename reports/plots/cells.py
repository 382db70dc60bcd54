"""The chosen cells of each method drawn as graphs: those of most seeds first."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from reports.plots.layout import frame
from reports.plots.marks import key, source
from reports.plots.style import Plot
from reports.results import Results, metric_name
from spaces.drawing import draw_cell

MOST = 5
"""Cells of a method that are drawn."""


def draw(results: Results) -> Plot:
    chosen = {method: _distinct(results.of(method), results.metric) for method in results.methods}
    columns = min(MOST, max(len(found) for found in chosen.values()))
    figure = Figure(figsize=(max(1.4 * columns, 4.2), 1.34 * len(chosen)))
    panels = figure.subplots(len(chosen), max(columns, 1), squeeze=False)
    for row, (method, found) in zip(panels, chosen.items(), strict=True):
        for axes in row[len(found) :]:
            axes.set_axis_off()
        for axes, (genotype, value, of_seeds) in zip(row, found, strict=False):
            draw_cell(results.cells, results.cells.parse(genotype), axes)
            for text in axes.texts:  # arrows too; they stay inside, and to measure them all takes long
                text.set_in_layout(False)
            listed = ", ".join(str(seed) for seed in of_seeds)
            listed = f"{len(of_seeds)} seeds" if len(listed) > 14 else f"seed{'s' * (len(of_seeds) > 1)} {listed}"
            axes.set_title(f"{value:.2f} %  {listed}", fontsize=7, pad=1.5, loc="left", fontweight="normal")
        rest = len(found) - columns
        name = results.title(method) + (f"   (and {rest} more)" if rest > 0 else "")
        row[0].annotate(name, (0, 1.17), xycoords="axes fraction", fontsize=8, fontweight="bold")
    keys = [
        key(operation, color=stroke.colour, linewidth=stroke.width, linestyle=stroke.dashes)
        for operation, stroke in zip(results.cells.operations, results.cells.strokes, strict=True)
    ]
    note = source(results, f"Above each cell its {metric_name(results.metric)} accuracy and the seeds that chose it.")
    frame(figure, "Chosen cells", keys, note)
    caption = (
        f"The cells that the searches chose, with their true accuracy ({results.truth_name}) and seeds; "
        "node 0 is the input, the last one the output."
    )
    return Plot(figure, caption)


def _distinct(runs: pd.DataFrame, metric: str) -> list[tuple[str, float, list[int]]]:
    """The chosen cells with their accuracy and seeds: those of most seeds first, then the better."""
    found = [
        (str(genotype), float(rows[metric].iloc[0]), [int(seed) for seed in rows["seed"]])
        for genotype, rows in runs.groupby("genotype")
    ]
    return sorted(found, key=lambda cell: (-len(cell[2]), -cell[1], cell[0]))
