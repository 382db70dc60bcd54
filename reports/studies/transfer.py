"""DARTS and β-DARTS on every image set at hand, with the true accuracy of their cells on every data set."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reports import columns, study_table
from reports.columns import Column
from reports.plots.layout import frame, panel_grid
from reports.plots.marks import accuracy_axes, key, level_keys, method_keys, strips
from reports.plots.style import INK, Plot, looks
from reports.results import DATA_SETS, metric_name
from reports.statistics import finite_spread
from reports.study import Inputs, Study, StudyResults, Variant, even_count
from reports.tables import markdown_table, number


def variants(inputs: Inputs) -> list[Variant]:
    """The image set of the preset, and every other that is at hand."""
    found = []
    for name in dict.fromkeys([inputs.setting("problem.images"), *inputs.image_sets]):
        changes = [f"problem.images={name}"]
        if (count := inputs.setting("problem.training_images")) != "all":
            changes.append(f"problem.training_images={even_count(inputs.open_images(name), int(count))}")
        found.append(Variant(name, ("darts", "bdarts"), {"searched_on": name}, tuple(changes)))
    return found


def table(study: StudyResults) -> tuple[pd.DataFrame, str]:
    found = study_table.rows_of(study)
    metrics = tests_of(study)
    shown = [
        Column("Method", lambda row: study.title(row["method"])),
        Column("Searched on", lambda row: image_set_name(row["searched_on"])),
        columns.plain("n", "n"),
        *(columns.mean(f"{metric_name(metric)} (%)", metric) for metric in metrics),
    ]
    header, rows = columns.in_words(study_table.by_method(study, found), shown)
    rows += [
        ["*best cell of each column*", "", "", *(number(study.first.best(metric)) for metric in metrics)],
        ["*mean of all cells*", "", "", *(number(study.first.mean(metric)) for metric in metrics)],
    ]
    parts = [markdown_table(header, rows, left=2), *limits(study)]
    parts.append("True accuracy of the cells found; mean ± sample standard deviation over n seeds.")
    return found, "\n\n".join(parts)


def limits(study: StudyResults) -> list[str]:
    """What the study cannot say, since it lacks image sets or truth."""
    found = []
    if len(study.variants) == 1:
        found.append(
            f"> **One image set only.** The cells were searched on {study.images} alone: no other images are in the "
            "data folder (`benchmark data status` says how to get them)."
        )
    if len(tests_of(study)) == 1:
        found.append(
            f"> **One data set of truth only.** {study.values('truth')} knows {metric_name(tests_of(study)[0])} and no "
            "other data set, so it cannot show whether a cell is good elsewhere; NAS-Bench-201 has three."
        )
    return found


def tests_of(study: StudyResults) -> list[str]:
    """The test accuracies that the truth table has, in its order of data sets."""
    found = [metric for metric in study.first.metrics if metric.endswith("_test")]
    return sorted(found, key=lambda metric: list(DATA_SETS).index(metric.removesuffix("_test")))


def image_set_name(name: str) -> str:
    return DATA_SETS.get(name, name)


def picture(study: StudyResults) -> Plot:
    """True accuracy on each data set the table has, by the images searched on: every seed a dot, the mean a bar."""
    metrics, methods, count = tests_of(study), study.methods, len(study.variants)
    figure, panels = panel_grid(
        len(metrics),
        len(metrics),
        2.6,
        "true accuracy (%)",
        width=5.2 if len(metrics) == 1 else None,
        sharey=False,
    )
    for axes, metric in zip(panels, metrics, strict=True):
        accuracy_axes([axes], study.first, study.accuracies(metric), metric=metric)
        for offset, method in zip(np.linspace(-0.15, 0.15, len(methods)), methods, strict=True):
            values = [v.results.of(method)[metric].to_numpy(dtype=np.float64) for v in study.variants]
            places = np.arange(count) + offset
            strips(axes, places, values, looks(methods)[method])
            means = [finite_spread(found).mean for found in values]
            axes.hlines(means, places - 0.1, places + 0.1, INK, linewidth=1.4, zorder=3)
        names = [image_set_name(variant.factors["searched_on"]) for variant in study.variants]
        axes.set_xticks(range(count), names, fontsize=7 if count < 3 else 6)
        axes.set_xlim(-0.5, count - 0.5)
        axes.set_xlabel("searched on")
        axes.set_title(metric_name(metric), loc="left")
    lacks = "One data set of truth only. " * (len(metrics) == 1) + "One image set only. " * (count == 1)
    mean_key = key("mean of seeds", color=INK, linewidth=1.4, linestyle="none", marker="_", markersize=8)
    note = f"{lacks}Accuracy axes: log distance to the best."
    keys = [*method_keys(study.titles), mean_key, *level_keys()]
    frame(figure, "Cells searched on one data set, true accuracy on others", keys, study.source(note))
    caption = (
        f"True accuracy ({study.values('truth')}) on each data set that the table has, of cells searched on each image "
        f"set that was there: every seed and the mean ({study.seeds} each). {lacks}".rstrip()
    )
    return Plot(figure, caption)


STUDY = Study(
    "How good is a cell that was searched on one data set on the others?",
    variants,
    table,
    picture,
    {"searched_on": ".+"},
)
