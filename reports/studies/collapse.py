"""DARTS with one condition of its search changed at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator, PercentFormatter

from reports import columns, study_table
from reports.columns import Column
from reports.plots.layout import frame, panel_grid
from reports.plots.marks import DASHES, DOTTED, key, rule, rule_key, skips_axis, trajectory, trajectory_keys
from reports.plots.style import GREY, INK, LOOKS, WIDTH, Plot
from reports.results import Results
from reports.study import Inputs, Study, StudyResults, Variant
from reports.tables import MOSTLY_SKIPS

UNCHANGED = "as the preset"
"""The first condition, with which the others are compared."""

SIZES = {"cells_per_stage": "{} cells a stage", "channels": "{} channels"}
"""The size of the supernet, named with the published numbers."""

PROTOCOL = {
    "α first": ("darts.alpha_first=true",),
    "training batches drawn": ("darts.train_batches=drawn",),
    "w as in DARTS-PT": ("darts.nesterov=false", "darts.weight_decay=3e-4"),
    "clip without α": ("darts.clip_counts_alpha=false",),
    "validation not augmented": ("darts.augment_valid=false",),
}
"""Where the papers' programs differ: each as one of them has it, and not as the program of DARTS."""


def variants(inputs: Inputs) -> list[Variant]:
    """One condition at a time: the size of the search, towards the published one, and its protocol. What the preset has
    already is left out."""
    conditions: dict[str, tuple[str, ...]] = {UNCHANGED: ()}
    conditions["twice the epochs"] = (f"darts.epochs={2 * int(inputs.setting('darts.epochs'))}",)
    for name, title in SIZES.items():
        size = inputs.published(f"problem.{name}")
        conditions[title.format(size)] = (f"problem.{name}={size}",)
    pixels = inputs.setting("problem.resolution")
    images = inputs.open_images(inputs.setting("problem.images")).images
    if pixels != "full" and 2 * pixels <= images.shape[-1]:
        conditions[f"{2 * pixels} × {2 * pixels} pixels"] = (f"problem.resolution={2 * pixels}",)
    rate = inputs.published("darts.alpha_lr")
    conditions[f"learning rate of α {rate:g}"] = (f"darts.alpha_lr={rate}",)
    return [
        Variant(folder_of(title), ("darts",), {"condition": title}, changes)
        for title, changes in (conditions | PROTOCOL).items()
        if title == UNCHANGED or inputs.is_changed("darts", changes)
    ]


def folder_of(title: str) -> str:
    return title.replace("α", "alpha").replace("×", "x").replace(" ", "-").replace(".", "").lower()


def complaint(rows: pd.DataFrame) -> str:
    if len(rows) > 1 and rows["condition"].iloc[0] == UNCHANGED:
        return ""
    return f"must begin with the variant {UNCHANGED!r}, and have others to compare with it"


def table(study: StudyResults) -> tuple[pd.DataFrame, str]:
    def more(results: Results, method: str) -> dict[str, float]:
        return study_table.difference_from(study.first, results, method) | study_table.largest_weight(results, method)

    found = study_table.rows_of(study, more)
    shown = [
        columns.plain("Condition", "condition"),
        columns.plain("n", "n"),
        columns.mean(f"{study.metrics} (%)", study.metric),
        study_table.difference_column(study.variants[0].name),
        columns.mean("Skips", "skip_connects", 1),
        Column("Collapsed", lambda row: f"{row['collapsed']} of {row['n']}"),
        columns.mean("Largest weight", "largest_weight", 3),
    ]
    note = (
        "DARTS with one condition changed at a time. Mean ± sample standard deviation over n seeds; difference: "
        f"minus that of *{UNCHANGED}*, paired by seed; skips: edges of the chosen cell with "
        f"skip_connect, of 6; collapsed: seeds whose cell has it on {MOSTLY_SKIPS} or more, "
        "or no convolution on any way through it; largest weight: of softmax(α), over all edges and operations, at the "
        "end (0.2 where all are equal)."
    )
    return found, f"{columns.markdown(found, shown)}\n\n{note}"


def picture(study: StudyResults) -> Plot:
    """Edges with skip_connect against the part of the search done: a panel a condition, the first in grey in all."""
    first, *others = study.variants
    colour = LOOKS["darts"].colour
    figure, panels = panel_grid(len(others), 3, 1.35, "edges with skip", width=WIDTH, extra=0.8, sharex=True)
    for axes, variant in zip(panels, others, strict=True):
        for shown, line_colour, dashes in ((first, GREY, DASHES[0]), (variant, colour, "solid")):
            curves = shown.results.curves("darts", "skip_connects")
            trajectory(axes, curves, line_colour, dashes, np.linspace(0, 1, curves.shape[1] + 1)[1:])
        rule(axes, MOSTLY_SKIPS, DOTTED, colour=INK)
        axes.set_title(variant.factors["condition"], loc="left")
    skips_axis(panels[0])
    panels[0].set_xlim(0, 1)
    panels[0].xaxis.set_major_locator(MaxNLocator(4))
    panels[0].xaxis.set_major_formatter(PercentFormatter(1))
    for place, axes in enumerate(panels):
        is_lowest = place + 3 >= len(panels)  # of its column
        axes.tick_params(labelbottom=is_lowest)
        axes.set_xlabel("epochs done" if is_lowest else "")
    keys = [
        *trajectory_keys(study.counts, colour, "with the condition, "),
        key(first.factors["condition"], color=GREY, linewidth=1.6, linestyle=DASHES[0]),
        rule_key("mostly skips from here on", DOTTED, INK),
    ]
    frame(figure, "DARTS, one condition changed at a time", keys, study.source("Of the 6 edges of a cell."))
    caption = (
        "Edges with skip_connect in the cell that DARTS would choose after each epoch, of 6, with one condition of the "
        f"search changed at a time, and with none (grey) ({study.seeds} each)."
    )
    return Plot(figure, caption)


STUDY = Study(
    "Which conditions of the search make DARTS choose skip connections?",
    variants,
    table,
    picture,
    {"condition": ".+"},
    complaint,
)
