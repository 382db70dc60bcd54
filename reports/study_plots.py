"""The picture of each study, in the house style."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter
from scipy.stats import rankdata

from reports.plots import style
from reports.plots.layout import frame
from reports.plots.marks import band, band_keys, level_keys, levels
from reports.plots.scale import Scale
from reports.plots.style import GREY, INK, WIDTH, Plot
from reports.results import method_name, metric_name, seeds_text
from reports.statistics import Floats, present, seed_band
from reports.studies import (
    INDICATORS,
    TARGETS,
    Study,
    edge_correlations,
    edge_name,
    image_set_name,
    limits,
    operations,
    order_of,
    tests_of,
)
from reports.tables import MOSTLY_SKIPS, number
from spaces import EDGES, OPERATIONS
from spaces.drawing import Dashes


def correlation(study: Study) -> Plot:
    """Kendall's τ-b against the epoch: one panel a method, one scale for all."""
    results = study.variants[0].results
    curves = {method: results.curves(method, "tau") for method in results.methods}
    columns = len(curves) if len(curves) <= 4 else 3
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(WIDTH, 2.2 * rows))
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    panels = grid.flatten()
    for empty in panels[len(curves) :]:
        empty.set_visible(False)
    looks = style.looks(results.methods)
    for axes, (method, values) in zip(panels, curves.items(), strict=False):
        band(axes, values, looks[method].colour)
        axes.axhline(0, color=GREY, linewidth=0.8, linestyle=(0, (5, 2)), zorder=1)
        axes.set_title(method_name(method), loc="left")
        axes.set_xlabel("epoch")
    for axes in grid[:, 0]:
        axes.set_ylabel("Kendall τ-b with true accuracy")
    shown = np.concatenate([values[np.isfinite(values)] for values in curves.values()])
    room = 0.06 * max(float(np.ptp([0.0, *shown])), 0.05)
    panels[0].set_ylim(min(0, *shown) - room, max(0, *shown) + room)
    keys = [
        *band_keys(len(values) for values in curves.values()),
        Line2D([], [], color=GREY, linewidth=0.8, linestyle=(0, (5, 2)), label="no relation"),
    ]
    note = (
        "Scores: sum of log weights of α (DARTS, β-DARTS); angle (RLNAS on random, SPOS on true labels); accuracy of "
        "sub-networks, over a random sample of cells, measured every so many epochs."
    )
    frame(figure, "How well each method's score ranks the cells", keys, source(study, note))
    caption = (
        f"Kendall's τ-b between the score that each method gives every cell and its true accuracy ({truth(study)}), "
        f"after each epoch of the search ({seeds_text(study.counts)}): the mean over seeds (bold), every seed (thin) "
        "and their range."
    )
    return Plot(figure, caption)


def collapse(study: Study) -> Plot:
    """Edges with skip_connect against the part of the search done: a panel a condition, the first in grey in all."""
    first, *others = study.variants
    curves = {variant.name: variant.results.curves("darts", "skip_connects") for variant in study.variants}
    columns = min(3, max(1, len(others)))
    rows = -(-len(others) // columns)
    figure = Figure(figsize=(WIDTH, 0.8 + 1.35 * rows))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
    for empty in panels[len(others) :]:
        empty.set_visible(False)
    for axes, variant in zip(panels, others, strict=False):
        for values, colour, dashes in ((curves[first.name], GREY, DASHES[0]), (curves[variant.name], SKIPS, "solid")):
            trajectory(axes, values, colour, dashes, np.linspace(0, 1, values.shape[1] + 1)[1:])
        axes.axhline(MOSTLY_SKIPS, color=INK, linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1)
        axes.set_title(variant.factors["condition"], loc="left")
    panels[0].set_ylim(-0.3, len(EDGES) + 0.3)
    panels[0].set_yticks(range(0, len(EDGES) + 1, 2))
    panels[0].set_xlim(0, 1)
    panels[0].xaxis.set_major_locator(MaxNLocator(4))
    panels[0].xaxis.set_major_formatter(PercentFormatter(1))
    for place, axes in enumerate(panels[: len(others)]):
        axes.tick_params(labelbottom=place + columns >= len(others))  # the lowest panel of each column
        if place + columns >= len(others):
            axes.set_xlabel("epochs done")
    for axes in panels[::columns]:
        axes.set_ylabel("edges with skip")
    keys: list[Line2D | Patch] = [
        *trajectory_keys(study, SKIPS, "with the condition, "),
        Line2D([], [], color=GREY, linewidth=1.6, linestyle=DASHES[0], label=first.factors["condition"]),
        Line2D([], [], color=INK, linewidth=0.8, linestyle=(0, (1, 1.5)), label="mostly skips from here on"),
    ]
    frame(figure, "DARTS, one condition otherwise at a time", keys, source(study, "Of the 6 edges of a cell."))
    caption = (
        "Edges with skip_connect in the cell that DARTS would choose after each epoch, of 6, with one condition of the "
        f"search otherwise at a time, and with none (grey) ({seeds_text(study.counts)} each)."
    )
    return Plot(figure, caption)


SKIPS = style.LOOKS["darts"].colour


def regularisers(study: Study) -> Plot:
    """True accuracy, skips and largest weight against the epoch: a column a regulariser, a line a λ."""
    kinds = list(dict.fromkeys(v.factors["regulariser"] for v in study.variants if v.factors["regulariser"] != "none"))
    metric = study.variants[0].results.metric
    plain = study.of(regulariser="none")
    measures = [
        (metric, f"{metric_name(metric)}\naccuracy (%)"),
        ("skip_connects", "edges with skip"),
        ("largest_weight", "largest softmax\nweight of α"),
    ]
    figure = Figure(figsize=(WIDTH, 4.6))
    panels = figure.subplots(len(measures), len(kinds), sharex=True, sharey="row", squeeze=False)
    scale = Scale(study.variants[0].results.best(metric))
    shown = np.concatenate([v.results.curves(m, metric).ravel() for v, m in study.each()])
    low, high = scale.limits([np.nanmin(shown), study.variants[0].results.mean(metric)])
    low = max(low, 0.0)
    largest = [float(np.nanmax(v.results.curves(m, "largest_weight"))) for v, m in study.each()]
    most = 0
    for column, kind in enumerate(kinds):
        variants = [variant for variant in study.variants if variant.factors["regulariser"] == kind]
        lines = [*([(plain, GREY, DASHES[0])] if plain else [])]
        lines += [(v, colour, dashes) for v, colour, dashes in zip(variants, SHADES, DASHES[1:], strict=False)]
        for row, (name, _) in enumerate(measures):
            axes = panels[row, column]
            for variant, colour, dashes in lines:
                values = variant.results.curves("darts", name)
                trajectory(axes, values, colour, dashes)
                most = max(most, values.shape[1])
        panels[0, column].legend(
            handles=[
                Line2D([], [], color=colour, linestyle=dashes, linewidth=1.6, label=strength_name(variant.factors))
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
        scale.apply(panels[0, column], "y", low, high, gap=0.1)
        levels(panels[0, column], study.variants[0].results)
        panels[1, column].set_ylim(-0.3, 6.3)
        panels[1, column].set_yticks(range(0, 7, 2))
        panels[2, column].set_ylim(0.15, max(0.4, *largest) + 0.04)
        panels[2, column].axhline(0.2, color=GREY, linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1)
        panels[2, column].set_xlabel("epoch")
        panels[2, column].set_xlim(0.5, most + 0.5)
        panels[2, column].xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    for row, (_, label) in enumerate(measures):
        panels[row, 0].set_ylabel(label)
    keys: list[Line2D | Patch] = [
        *trajectory_keys(study, INK),
        *level_keys(),
        Line2D([], [], color=GREY, linewidth=0.8, linestyle=(0, (1, 1.5)), label="equal weights"),
    ]
    note = "λ of L2 and β-decay grows linearly to the value given. Accuracy axes: log distance to the best."
    frame(figure, "DARTS under three regularisers of α", keys, source(study, note))
    caption = (
        f"DARTS with Adam's weight decay, L2 or β-decay on α, each of several strengths λ, and with none (grey): true "
        f"accuracy ({truth(study)}) of the cell the search would choose after each epoch, its edges with skip_connect, "
        f"and the largest softmax weight of α ({seeds_text(study.counts)} a line)."
    )
    return Plot(figure, caption)


TITLES = {"weight decay": "Adam's weight decay on α", "L2": "L2 on α", "β-decay": "β-decay"}
SHADES = ("#56b4e9", "#0072b2", "#0b2545")  # light to dark with λ
DASHES: tuple[Dashes, ...] = ((0, (5, 1.5)), (0, (1, 1)), (0, (4, 1)), "solid")
"""None, and the strengths from the least to the most: told apart without colour too."""


def strength_name(factors: dict[str, str]) -> str:
    return "none" if factors["regulariser"] == "none" else f"λ = {float(factors['strength']):g}"


def trajectory(axes: Axes, curves: Floats, colour: str, dashes: Dashes, places: Floats | None = None) -> None:
    """The seeds' curves, shape (n, epochs), faint, and their mean, against the epoch if not at other places."""
    epochs = np.arange(1, curves.shape[1] + 1) if places is None else places
    if len(curves) > 1:
        axes.plot(epochs, curves.T, color=colour, linewidth=0.5, alpha=0.4)
    mean = seed_band(curves).mean
    axes.plot(epochs, mean, color=colour, linewidth=1.6, linestyle=dashes, marker="o" if len(mean) == 1 else "")


def trajectory_keys(study: Study, colour: str, what: str = "") -> list[Line2D | Patch]:
    if max(study.counts) == 1:
        return [Line2D([], [], color=colour, linewidth=1.6, label=f"{what}the only seed")]
    return [
        Line2D([], [], color=colour, linewidth=1.6, label=f"{what}mean of seeds"),
        Line2D([], [], color=colour, linewidth=0.5, alpha=0.4, label="one seed"),
    ]


def budget(study: Study) -> Plot:
    """True accuracy against the share of the epochs and of the images: every seed a dot, the mean a line."""
    metric = study.variants[0].results.metric
    results = study.variants[0].results
    methods = list(order_of(study))
    looks = style.looks(methods)
    scale = Scale(results.best(metric))
    shown = np.concatenate([v.results.of(m)[metric].to_numpy(dtype=np.float64) for v, m in study.each()])
    low, high = scale.limits([shown.min(), results.mean(metric)])
    low = max(low, 0.0)
    figure = Figure(figsize=(5.6, 2.5))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, varied, fixed, label in (
        (panels[0], "epochs_share", "images_share", "share of the epochs, all images"),
        (panels[1], "images_share", "epochs_share", "share of the images, all epochs"),
    ):
        variants = [variant for variant in study.variants if variant.factors[fixed] == "1"]
        variants.sort(key=lambda variant: share(variant.factors[varied]))
        for offset, method in zip(np.linspace(-0.08, 0.08, len(methods)), methods, strict=True):
            values = [v.results.of(method)[metric].to_numpy(dtype=np.float64) for v in variants]
            places = np.arange(len(variants)) + offset
            strip(axes, places, values, looks[method])
            axes.plot(
                places,
                [found.mean() if found.size else np.nan for found in values],
                color=looks[method].colour,
                linewidth=1.4,
            )
        axes.set_xticks(range(len(variants)), [variant.factors[varied] for variant in variants])
        axes.set_xlim(-0.4, len(variants) - 0.6)
        axes.set_xlabel(label)
        scale.apply(axes, "y", low, high)
        levels(axes, results)
    panels[0].set_ylabel(f"{metric_name(metric)} accuracy (%)")
    keys = [*method_keys(methods), *level_keys()]
    note = "Small: one seed; line: mean. Accuracy axis: log distance to the best."
    frame(figure, "Less search: fewer epochs, fewer images", keys, source(study, note))
    caption = (
        f"True accuracy ({truth(study)}) of the cells that {' and '.join(map(method_name, methods))} find with a "
        f"share of the epochs (left) or of the training images (right): every seed and their mean "
        f"({seeds_text(study.counts)} each)."
    )
    return Plot(figure, caption)


def transfer(study: Study) -> Plot:
    """True accuracy on each data set the table has, by the images searched on: every seed a dot, the mean a bar."""
    metrics = tests_of(study)
    methods = list(order_of(study))
    looks = style.looks(methods)
    results = study.variants[0].results
    figure = Figure(figsize=({1: 5.2, 2: 5.6}.get(len(metrics), WIDTH), 2.6))
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        scale = Scale(results.best(metric))
        shown = np.concatenate([v.results.of(m)[metric].to_numpy(dtype=np.float64) for v, m in study.each()])
        low, high = scale.limits([shown.min(), results.mean(metric)])
        scale.apply(axes, "y", max(low, 0.0), high)
        axes.axhline(results.best(metric), color=INK, linewidth=0.8, zorder=1)
        axes.axhline(results.mean(metric), color=GREY, linewidth=0.8, linestyle=(0, (5, 2)), zorder=1)
        for offset, method in zip(np.linspace(-0.15, 0.15, len(methods)), methods, strict=True):
            values = [v.results.of(method)[metric].to_numpy(dtype=np.float64) for v in study.variants]
            places = np.arange(len(values)) + offset
            strip(axes, places, values, looks[method])
            axes.hlines(
                [found.mean() if found.size else np.nan for found in values],
                places - 0.1,
                places + 0.1,
                INK,
                linewidth=1.4,
                zorder=3,
            )
        axes.set_xticks(
            range(len(study.variants)),
            [image_set_name(variant.factors["searched_on"]) for variant in study.variants],
            fontsize=7 if len(study.variants) < 3 else 6,
        )
        axes.set_xlim(-0.5, len(study.variants) - 0.5)
        axes.set_xlabel("searched on")
        axes.set_title(metric_name(metric), loc="left")
    panels[0].set_ylabel("true accuracy (%)")
    lacks = " ".join(
        text
        for count, text in ((len(metrics), "One data set of truth only."), (len(study.variants), "One image set only."))
        if count == 1
    )
    keys = [
        *method_keys(methods),
        Line2D([], [], color=INK, linewidth=1.4, linestyle="none", marker="_", markersize=8, label="mean of seeds"),
        *level_keys(),
    ]
    note = f"{lacks} Accuracy axes: log distance to the best.".strip()
    frame(figure, "Cells searched on one data set, true accuracy on others", keys, source(study, note))
    caption = (
        f"True accuracy ({study.values('truth')}) on each data set that the table has, of cells searched on each image "
        f"set that was there: every seed and the mean ({seeds_text(study.counts)} each)."
        + (f" {lacks}" if limits(study) else "")
    )
    return Plot(figure, caption)


def precision(study: Study) -> Plot:
    """True accuracy by number format: a panel a method, every seed a line from format to format."""
    results = study.variants[0].results
    metric, methods, names = results.metric, list(order_of(study)), [variant.name for variant in study.variants]
    looks, scale = style.looks(methods), Scale(results.best(metric))
    shown = np.concatenate([v.results.of(m)[metric].to_numpy(dtype=np.float64) for v, m in study.each()])
    low, high = scale.limits([shown.min(), results.mean(metric)])
    figure = Figure(figsize=(5.6, 2.5))
    panels = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    for axes, method in zip(panels, methods, strict=True):
        values = [v.results.of(method).set_index("seed")[metric] for v in study.variants]
        seeds = sorted(set.intersection(*(set(of_format.index) for of_format in values)))
        lines = np.array([[of_format[seed] for of_format in values] for seed in seeds], dtype=np.float64)
        axes.plot(range(len(names)), lines.T, color=looks[method].colour, linewidth=0.8, alpha=0.6)
        strip(axes, np.arange(len(names), dtype=np.float64), list(lines.T), looks[method])
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.4, len(names) - 0.6)
        axes.set_title(method_name(method), loc="left")
        scale.apply(axes, "y", max(low, 0.0), high)
        levels(axes, results)
    panels[0].set_ylabel(f"{metric_name(metric)} accuracy (%)")
    note = "A line: one seed. Accuracy axis: log distance to the best."
    frame(figure, "The same searches in other number formats", level_keys(), source(study, note))
    caption = (
        f"True accuracy ({truth(study)}) of the cells that {' and '.join(map(method_name, methods))} find in each "
        f"number format, a line for each seed ({seeds_text(study.counts)} each)."
    )
    return Plot(figure, caption)


def discretisation(study: Study) -> Plot:
    """Four maps of edges and operations, coloured by rank on the edge; below, how the orders of each edge agree."""
    found = operations(study)
    maps = {
        "weight": ("Softmax weight of α", 3),
        "pt_score": ("PT score (points)", 2),
        "discretisation_accuracy": ("Discretised, tuned (%)", 1),
        "effect": ("True effect (%)", 1),
    }
    figure = Figure(figsize=(WIDTH, 4.7))
    grid = figure.add_gridspec(2, 4, height_ratios=[1.15, 1])
    edges = [edge_name(edge) for edge in range(len(EDGES))]
    for column, (name, (title, digits)) in enumerate(maps.items()):
        axes = figure.add_subplot(grid[0, column])
        mean = found[name].mean(0)
        ranks = rankdata(-mean.round(9), axis=1, method="min")  # 1 for the best operation of the edge
        axes.imshow(ranks, cmap=RANKS, vmin=0.5, vmax=5.5, aspect="auto")
        for edge, operation in np.ndindex(mean.shape):
            axes.text(
                operation,
                edge,
                number(mean[edge, operation], digits),
                ha="center",
                va="center",
                fontsize=5.8,
                color="white" if ranks[edge, operation] <= 2 else INK,
            )
        axes.set_xticks(range(len(OPERATIONS)), SHORT)
        axes.set_yticks(range(len(EDGES)), edges if column == 0 else [""] * len(EDGES))
        axes.tick_params(length=0)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        axes.set_title(title, loc="left", fontsize=7.5)
    first = None
    for half, (target, title) in enumerate(TARGETS.items()):
        axes = figure.add_subplot(grid[1, 2 * half : 2 * half + 2], sharey=first)
        first = first or axes
        for offset, (indicator, look) in zip((-0.16, 0.16), INDICATOR_LOOKS.items(), strict=True):
            taus = edge_correlations(found, indicator, target)
            shown = np.column_stack([taus, taus.mean(1)])
            places = np.arange(shown.shape[1], dtype=np.float64) + offset
            strip(axes, places, list(shown.T), look)
            means = [present(values).mean for values in shown.T]
            axes.hlines(means, places - 0.14, places + 0.14, look.colour, linewidth=1.8, zorder=3)
        axes.axhline(0, color=GREY, linewidth=0.8, linestyle=(0, (5, 2)), zorder=1)
        axes.axvline(len(EDGES) - 0.5, color=GREY, linewidth=0.6)
        axes.set_xticks(range(len(EDGES) + 1), [*edges, "mean"])
        axes.set_xlim(-0.5, len(EDGES) + 0.5)
        axes.set_ylim(-1.08, 1.08)
        axes.set_title(f"Agreement with the {title}", loc="left", fontsize=7.5)
        if half == 0:
            axes.set_ylabel("Kendall τ-b\nover the operations")
        else:
            axes.tick_params(labelleft=False)
    keys: list[Line2D | Patch] = [
        *(
            Patch(color=RANKS(rank / 5 + 0.1), label=name)
            for rank, name in enumerate(("best of its edge", *"234", "worst"))
        ),
        *(
            Line2D(
                [],
                [],
                color=look.colour,
                marker=look.marker,
                linewidth=1.8,
                markersize=4,
                label=f"τ of {INDICATORS[name]}",
            )
            for name, look in INDICATOR_LOOKS.items()
        ),
    ]
    note = (
        "Edges from node to node; – none, s skip, 1 conv 1×1, 3 conv 3×3, p average pool. Numbers: means over seeds. "
        "Dots: one seed; bars: mean. True effect: mean true accuracy of all cells with the operation on the edge."
    )
    frame(figure, "Does α know what an operation is worth?", keys, source(study, note))
    caption = (
        "Each operation on each edge of the trained DARTS supernet: its softmax weight of α, the accuracy the supernet "
        "loses without it (PT score), the supernet's accuracy once the edge is decided for it and fine-tuned, and the "
        f"mean true accuracy ({truth(study)}) of all cells that have it there; below, for each edge, how the orders by "
        f"α and by PT score agree with the latter two ({seeds_text(study.counts)})."
    )
    return Plot(figure, caption)


RANKS = ListedColormap(["#08519c", "#4292c6", "#9ecae1", "#d6e6f4", "#f4f8fc"])  # dark for the best
SHORT = ("–", "s", "1", "3", "p")
INDICATOR_LOOKS = {"weight": style.LOOKS["darts"], "pt_score": style.LOOKS["pt"]}


def share(text: str) -> float:
    """`1/4` as a number."""
    above, _, below = text.partition("/")
    return int(above) / int(below or 1)


def means_of(values: Sequence[Floats]) -> list[float]:
    """The mean of each group of seeds; nan where all of a group failed."""
    return [float(found.mean()) if found.size else np.nan for found in values]


def strip(axes: Axes, places: Floats, values: Sequence[Floats], look: style.Look) -> None:
    """The seeds of several groups: group i stands at place i."""
    for place, found in zip(places, values, strict=True):
        axes.plot(
            np.full(len(found), place),
            found,
            linestyle="none",
            marker=look.marker,
            markersize=4,
            markerfacecolor=look.colour,
            markeredgecolor="white",
            markeredgewidth=0.5,
            alpha=0.75,
        )


def method_keys(methods: Sequence[str]) -> list[Line2D | Patch]:
    looks = style.looks(methods)
    return [
        Line2D([], [], color=looks[m].colour, linewidth=1.4, marker=looks[m].marker, markersize=4, label=method_name(m))
        for m in methods
    ]


def truth(study: Study) -> str:
    return f"{study.values('truth')}, {study.metrics}"


def source(study: Study, note: str) -> str:
    """The line under every figure: where its numbers come from."""
    return (
        f"Truth: {truth(study)} · searched on {study.images} · preset {study.preset} · "
        f"n = {seeds_text(study.counts)} a variant and method · {note}"
    )


PLOTS: dict[str, Callable[[Study], Plot]] = {
    "correlation": correlation,
    "collapse": collapse,
    "regularisers": regularisers,
    "budget": budget,
    "transfer": transfer,
    "precision": precision,
    "discretisation": discretisation,
}
"""The picture of every study."""
