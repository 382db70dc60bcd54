"""How methods' own scores rank the cells, epoch by epoch."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reports import columns, study_table
from reports.columns import Column
from reports.plots.layout import frame, panel_grid
from reports.plots.marks import band, band_keys, rule, rule_key
from reports.plots.style import WIDTH, Plot, looks
from reports.results import Results
from reports.statistics import last
from reports.study import Inputs, Study, StudyResults, Variant


def variants(inputs: Inputs) -> list[Variant]:
    return [Variant("searches", ("darts", "bdarts", "rlnas", "spos-angle", "rlnas-sample", "spos-sample"))]


def taus(results: Results, method: str) -> dict[str, float]:
    curves = results.curves(method, "tau")
    best = np.array([np.nanmax(row) if np.isfinite(row).any() else np.nan for row in curves])
    return study_table.with_spread("tau_last", last(curves)) | study_table.with_spread("tau_highest", best)


def table(study: StudyResults) -> tuple[pd.DataFrame, str]:
    found = study_table.rows_of(study, taus)
    shown = [
        Column("Method", lambda row: study.title(row["method"])),
        Column("Score", lambda row: study.score_name(row["method"])),
        columns.plain("n", "n"),
        columns.mean("τ at the end", "tau_last", 3),
        columns.mean("highest τ", "tau_highest", 3),
        columns.mean(f"{study.metrics} of the chosen cell (%)", study.metric),
    ]
    note = (
        "Kendall's τ-b between the score that the method gives each cell and its true accuracy "
        f"({study.metrics}): 1 would be the same order, 0 no relation. Over all cells; of the accuracy of "
        "sub-networks over a random sample, measured every so many epochs, since each costs a validation. "
        "Mean ± sample standard deviation over n seeds; "
        "the highest of all epochs is of each seed, and nobody who searches knows which epoch that is."
    )
    return found, f"{columns.markdown(found, shown, left=2)}\n\n{note}"


def picture(study: StudyResults) -> Plot:
    """Kendall's τ-b against the epoch: one panel a method, one scale for all."""
    results = study.first
    curves = {method: results.curves(method, "tau") for method in results.methods}
    columns = 4 if len(curves) <= 4 else 3
    figure, panels = panel_grid(len(curves), columns, 2.2, "Kendall τ-b with true accuracy", width=WIDTH)
    for axes, (method, values) in zip(panels, curves.items(), strict=True):
        band(axes, values, looks(results.methods)[method].colour)
        rule(axes, 0)
        axes.set_title(study.title(method), loc="left")
        axes.set_xlabel("epoch")
    shown = np.concatenate([values[np.isfinite(values)] for values in curves.values()])
    room = 0.06 * max(float(np.ptp([0.0, *shown])), 0.05)
    panels[0].set_ylim(min(0, *shown) - room, max(0, *shown) + room)
    keys = [*band_keys(map(len, curves.values())), rule_key("no relation")]
    note = (
        "Scores: sum of log weights of α (DARTS, β-DARTS); angle (RLNAS on random, SPOS on true labels); accuracy of "
        "sub-networks, over a random sample of cells, measured every so many epochs."
    )
    frame(figure, "How well each method's score ranks the cells", keys, study.source(note))
    caption = (
        f"Kendall's τ-b between the score that each method gives every cell and its true accuracy "
        f"({study.truth_name}), after each epoch of the search ({study.seeds}): the mean over seeds (bold), every seed "
        "(thin) and their range."
    )
    return Plot(figure, caption)


STUDY = Study(
    "How well does each method's own score rank all cells by their true accuracy as it trains?",
    variants,
    table,
    picture,
)
