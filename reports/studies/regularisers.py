"""DARTS with one regulariser of α at a time, as in β-DARTS' figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports import columns, study_table
from reports.columns import Column
from reports.plots import marks
from reports.plots.layout import frame
from reports.plots.style import GREY, INK, WIDTH, Plot
from reports.study import Inputs, Study, StudyResults, Variant

LAMBDAS: dict[str, tuple[float, ...]] = {
    "weight decay": (1e-3, 1e-2, 1e-1),  # the published 1e-3 of all the programs, and 10 and 100 times that
    "L2": (0.5, 5.0, 50.0),  # those of β-decay, so that the two differ in nothing but the term
    "β-decay": (0.5, 5.0, 50.0),  # the published 50, a tenth and a hundredth of it
}
"""λ of each regulariser of α. Of L2 and β-decay it is what the linear schedule ends at; Adam's weight decay is
constant. (A constant L2 would be nothing new: Adam adds weight decay to the gradient, as L2's own gradient is.)"""

TITLES = {"weight decay": "Adam's weight decay on α", "L2": "L2 on α", "β-decay": "β-decay"}

SHADES = ("#56b4e9", "#0072b2", "#0b2545")
"""Light to dark with λ."""


def variants(inputs: Inputs) -> list[Variant]:
    off = ("darts.alpha_weight_decay=0.0", "darts.regulariser=none")
    found = [Variant("none", ("darts",), {"regulariser": "none", "strength": 0.0}, off)]
    changes: tuple[str, ...]
    for regulariser, strengths in LAMBDAS.items():
        for strength in strengths:
            if regulariser == "weight decay":
                changes = (f"darts.alpha_weight_decay={strength}", "darts.regulariser=none")
            else:
                changes = (
                    "darts.alpha_weight_decay=0.0",
                    f"darts.regulariser={'l2' if regulariser == 'L2' else 'beta'}",
                    "darts.schedule=linear",
                    f"darts.strength={strength}",
                    f"darts.strength_epochs={int(inputs.setting('darts.epochs'))}",
                )
            folder = f"{regulariser.replace('β', 'beta').replace(' ', '-').lower()}-{strength:g}"
            found.append(Variant(folder, ("darts",), {"regulariser": regulariser, "strength": strength}, changes))
    return found


def table(study: StudyResults) -> tuple[pd.DataFrame, str]:
    found = study_table.rows_of(study, study_table.largest_weight)
    shown = [
        columns.plain("Regulariser of α", "regulariser"),
        Column("λ", lambda row: "–" if row["regulariser"] == "none" else f"{float(row['strength']):g}"),
        columns.plain("n", "n"),
        columns.mean(f"{study.metrics} (%)", study.metric),
        columns.mean("Regret (points)", "regret"),
        columns.mean("Skips", "skip_connects", 1),
        columns.mean("Largest weight", "largest_weight", 3),
    ]
    note = (
        "DARTS with one regulariser of α at a time. Weight decay is Adam's, constant; of L2 and β-decay λ grows on a "
        "straight line from 0 towards the value given, which it would reach as the search ends. Mean ± sample standard "
        "deviation over n seeds; skips: edges of the chosen cell with skip_connect; largest weight: of softmax(α), "
        "over all edges and operations, at the end (0.2 where all are equal)."
    )
    return found, f"{columns.markdown(found, shown)}\n\n{note}"


def picture(study: StudyResults) -> Plot:
    """True accuracy, skips and largest weight against the epoch: a column a regulariser, a line a λ."""
    kinds = dict.fromkeys(variant.factors["regulariser"] for variant in study.variants)
    kinds.pop("none", None)
    plain, metric = study.where(regulariser="none"), study.metric
    labels = {
        metric: marks.accuracy_label(study.first).replace(" accuracy", "\naccuracy"),
        "skip_connects": "edges with skip",
        "largest_weight": "largest softmax\nweight of α",
    }
    curves = {name: [variant.results.curves("darts", name) for variant in study.variants] for name in labels}
    most = max(values.shape[1] for values in curves[metric])
    largest = max(float(np.nanmax(values)) for values in curves["largest_weight"])
    figure = Figure(figsize=(WIDTH, 4.6))
    panels = figure.subplots(len(labels), len(kinds), sharex=True, sharey="row", squeeze=False)
    marks.accuracy_axes(panels[0], study.first, np.concatenate([values.ravel() for values in curves[metric]]), gap=0.1)
    for column, kind in zip(panels.T, kinds, strict=True):
        of_kind = [variant for variant in study.variants if variant.factors["regulariser"] == kind]
        lines = [(plain, GREY, marks.DASHES[0])] if plain else []
        lines += [(v, colour, dashes) for v, colour, dashes in zip(of_kind, SHADES, marks.DASHES[1:], strict=False)]
        for axes, name in zip(column, labels, strict=True):
            for variant, colour, dashes in lines:
                marks.trajectory(axes, variant.results.curves("darts", name), colour, dashes)
        column[0].legend(
            handles=[
                marks.key(strength_name(variant.factors), color=colour, linestyle=dashes, linewidth=1.6)
                for variant, colour, dashes in lines
            ],
            loc="lower left",
            bbox_to_anchor=(0, 1.02),
            ncols=2,
            columnspacing=1.0,
            handlelength=2.2,
            title=TITLES[kind],
            title_fontproperties={"size": 8.5, "weight": "bold"},
            alignment="left",
        )
        marks.skips_axis(column[1])
        column[2].set_ylim(0.15, max(0.4, largest) + 0.04)
        marks.rule(column[2], 0.2, marks.DOTTED)
        column[2].set_xlabel("epoch")
        column[2].set_xlim(0.5, most + 0.5)
        marks.epoch_ticks(column[2])
    for axes, label in zip(panels[:, 0], labels.values(), strict=True):
        axes.set_ylabel(label)
    keys = [
        *marks.trajectory_keys(study.counts, INK),
        *marks.level_keys(),
        marks.rule_key("equal weights", marks.DOTTED),
    ]
    note = "λ of L2 and β-decay grows linearly to the value given. Accuracy axes: log distance to the best."
    frame(figure, "DARTS under three regularisers of α", keys, study.source(note))
    caption = (
        f"DARTS with Adam's weight decay, L2 or β-decay on α, each of several strengths λ, and with none (grey): true "
        f"accuracy ({study.truth_name}) of the cell the search would choose after each epoch, its edges with "
        f"skip_connect, and the largest softmax weight of α ({study.seeds} a line)."
    )
    return Plot(figure, caption)


def strength_name(factors: dict[str, str]) -> str:
    return "none" if factors["regulariser"] == "none" else f"λ = {float(factors['strength']):g}"


STUDY = Study(
    "What do Adam's weight decay, L2 and β-decay on α do to DARTS (β-DARTS' figure)?",
    variants,
    table,
    picture,
    {"regulariser": "|".join(("none", *LAMBDAS)), "strength": r"\d+(\.\d+)?(e[+-]?\d\d?)?"},
)
