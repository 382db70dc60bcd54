"""DARTS and β-DARTS with a part of the epochs, or of the images.

β-decay's λ grows with the epoch as in its program, whatever their number, and so ends lower in fewer of them.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd

from reports import columns, study_table
from reports.columns import Column
from reports.plots.layout import frame, panel_grid
from reports.plots.marks import accuracy_axes, accuracy_label, level_keys, method_keys, strips
from reports.plots.style import Plot, looks
from reports.results import Results
from reports.statistics import finite_spread
from reports.study import Inputs, Study, StudyResults, Variant, even_count

METHODS = ("darts", "bdarts")

SHARES = {"1/2": 2, "1/4": 4}
"""The parts of the published budget that are tried beside the whole."""


def variants(inputs: Inputs) -> list[Variant]:
    """A part of the epochs with all the images, and a part of the images with all the epochs."""
    count = inputs.setting("problem.training_images")
    images = inputs.open_images(inputs.setting("problem.images"))
    whole = len(images.labels) if count == "all" else int(count)
    found = [Variant("whole", METHODS, {"epochs_share": "1", "images_share": "1"})]
    for share, divisor in SHARES.items():
        epochs = {method: int(inputs.setting(f"{method}.epochs")) for method in METHODS}
        fewer = tuple(f"{method}.epochs={max(1, round(epochs[method] / divisor))}" for method in METHODS)
        found.append(Variant(f"epochs-1of{divisor}", METHODS, {"epochs_share": share, "images_share": "1"}, fewer))
    for share, divisor in SHARES.items():
        fewer = (f"problem.training_images={even_count(images, whole // divisor)}",)
        found.append(Variant(f"images-1of{divisor}", METHODS, {"epochs_share": "1", "images_share": share}, fewer))
    return found


def complaint(rows: pd.DataFrame) -> str:
    if (rows[["epochs_share", "images_share"]] == "1").all(axis=1).any():
        return ""
    return "lacks the variant with all epochs and all images, which the others are compared with"


def table(study: StudyResults) -> tuple[pd.DataFrame, str]:
    whole = study.where(epochs_share="1", images_share="1")
    assert whole is not None
    reference = whole.results

    def more(results: Results, method: str) -> dict[str, float]:
        epochs = float(results.of(method)["epochs"].iloc[0])
        return {"epochs": epochs, **study_table.difference_from(reference, results, method)}

    found = study_table.rows_of(study, more)
    shown = [
        Column("Method", lambda row: study.title(row["method"])),
        columns.plain("Epochs", "epochs_share"),
        columns.plain("Images", "images_share"),
        Column("Epochs run", lambda row: f"{row['epochs']:.0f}"),
        columns.plain("n", "n"),
        columns.mean(f"{study.metrics} (%)", study.metric),
        columns.mean("Regret (points)", "regret"),
        study_table.difference_column("whole"),
    ]
    note = (
        "A share of the epochs with all images, and a share of the images with all epochs; with fewer images an epoch "
        "has fewer steps. Mean ± sample standard deviation over n seeds; difference: minus the whole budget's, paired "
        "by seed. The λ of β-decay grows with the epoch as in its program, whatever their number, so it ends lower "
        "with fewer of them."
    )
    return found, f"{columns.markdown(study_table.by_method(study, found), shown, left=3)}\n\n{note}"


def picture(study: StudyResults) -> Plot:
    """True accuracy against the share of the epochs and of the images: every seed a dot, the mean a line."""
    methods = study.methods
    figure, panels = panel_grid(2, 2, 2.5, accuracy_label(study.first))
    accuracy_axes(panels, study.first, study.accuracies(study.metric))
    for axes, varied, fixed, label in (
        (panels[0], "epochs_share", "images_share", "share of the epochs, all images"),
        (panels[1], "images_share", "epochs_share", "share of the images, all epochs"),
    ):
        variants = [variant for variant in study.variants if variant.factors[fixed] == "1"]
        variants.sort(key=lambda variant: Fraction(variant.factors[varied]))
        for offset, method in zip(np.linspace(-0.08, 0.08, len(methods)), methods, strict=True):
            values = [v.results.of(method)[study.metric].to_numpy(dtype=np.float64) for v in variants]
            places, look = np.arange(len(variants)) + offset, looks(methods)[method]
            strips(axes, places, values, look)
            axes.plot(places, [finite_spread(found).mean for found in values], color=look.colour, linewidth=1.4)
        axes.set_xticks(range(len(variants)), [variant.factors[varied] for variant in variants])
        axes.set_xlim(-0.4, len(variants) - 0.6)
        axes.set_xlabel(label)
    keys = [*method_keys(study.titles), *level_keys()]
    note = "Small: one seed; line: mean. Accuracy axis: log distance to the best."
    frame(figure, "Less search: fewer epochs, fewer images", keys, study.source(note))
    caption = (
        f"True accuracy ({study.truth_name}) of the cells that {' and '.join(map(study.title, methods))} find with a "
        f"share of the epochs (left) or of the training images (right): every seed and their mean "
        f"({study.seeds} each)."
    )
    return Plot(figure, caption)


STUDY = Study(
    "How much do DARTS and β-DARTS depend on the number of epochs and the amount of data?",
    variants,
    table,
    picture,
    dict.fromkeys(("epochs_share", "images_share"), r"[1-9]\d{0,3}(/[1-9]\d{0,3})?"),
    complaint,
)
