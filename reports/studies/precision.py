"""DARTS and β-DARTS from the same seeds in every number format that the device has."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd

from reports import columns, study_table
from reports.columns import Column
from reports.plots.layout import frame, panel_grid
from reports.plots.marks import accuracy_axes, accuracy_label, level_keys, strips
from reports.plots.style import Plot, looks
from reports.results import Results
from reports.study import Inputs, Study, StudyResults, Variant
from spaces import Precision


def variants(inputs: Inputs) -> list[Variant]:
    formats = [name for name in get_args(Precision) if name != "tf32" or inputs.device != "cpu"]
    return [Variant(name, ("darts", "bdarts"), {"precision": name}, (f"problem.precision={name}",)) for name in formats]


def table(study: StudyResults) -> tuple[pd.DataFrame, str]:
    first = study.variants[0].name

    def more(results: Results, method: str) -> dict[str, float]:
        here, there = (of.of(method)[["seed", "genotype"]] for of in (study.first, results))
        both = here.merge(there, on="seed")
        same = int((both["genotype_x"] == both["genotype_y"]).sum())
        return {"same_cell": same, **study_table.difference_from(study.first, results, method)}

    found = study_table.rows_of(study, more)
    shown = [
        Column("Method", lambda row: study.title(row["method"])),
        columns.plain("Format", "precision"),
        columns.plain("n", "n"),
        columns.mean(f"{study.metrics} (%)", study.metric),
        columns.mean("Regret (points)", "regret"),
        study_table.difference_column(first),
        Column("Same cell", lambda row: "–" if row["variant"] == first else f"{row['same_cell']:.0f}"),
        columns.mean("Search (s)", "search_seconds"),
    ]
    note = (
        f"The same seeds in every number format. Mean ± sample standard deviation over n seeds; difference: minus "
        f"{first}'s, paired by seed; same cell: seeds that end with the very cell of {first}. On a CPU {first} runs on "
        "the compiled layers and bf16 on PyTorch's, so there the times say nothing of the format."
    )
    return found, f"{columns.markdown(study_table.by_method(study, found), shown, left=2)}\n\n{note}"


def picture(study: StudyResults) -> Plot:
    """True accuracy by number format: a panel a method, every seed a line from format to format."""
    methods, names = study.methods, [variant.name for variant in study.variants]
    figure, panels = panel_grid(len(methods), len(methods), 2.5, accuracy_label(study.first), width=5.6)
    accuracy_axes(panels, study.first, study.accuracies(study.metric))
    for axes, method in zip(panels, methods, strict=True):
        of_formats = [v.results.of(method).set_index("seed")[study.metric] for v in study.variants]
        lines = pd.concat(of_formats, axis=1, join="inner").sort_index().to_numpy(dtype=np.float64)
        look = looks(methods)[method]
        axes.plot(range(len(names)), lines.T, color=look.colour, linewidth=0.8, alpha=0.6)
        strips(axes, np.arange(len(names), dtype=np.float64), list(lines.T), look)
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.4, len(names) - 0.6)
        axes.set_title(study.title(method), loc="left")
    note = "A line: one seed. Accuracy axis: log distance to the best."
    frame(figure, "The same searches in other number formats", level_keys(), study.source(note))
    caption = (
        f"True accuracy ({study.truth_name}) of the cells that {' and '.join(map(study.title, methods))} find in each "
        f"number format, a line for each seed ({study.seeds} each)."
    )
    return Plot(figure, caption)


STUDY = Study(
    "Do faster number formats (tf32, bf16) change what DARTS and β-DARTS find?",
    variants,
    table,
    picture,
    {"precision": ".+"},
)
