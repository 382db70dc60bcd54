"""What α says of each operation on each edge of a trained supernet, and what the operation is worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.stats import kendalltau, rankdata

from reports import RowsError
from reports.plots.layout import frame
from reports.plots.marks import Key, key, rule, strips
from reports.plots.style import GREY, INK, LOOKS, WIDTH, Plot
from reports.rows import EFFECT_COLUMNS, read_rows
from reports.statistics import Floats, finite_spread
from reports.study import Inputs, Study, StudyResults, Variant
from reports.tables import markdown_table, number, plus_minus
from spaces import Space

INDICATORS = {"weight": "α", "pt_score": "PT score"}
TARGETS = {"discretisation_accuracy": "discretisation accuracy", "effect": "true effect"}
"""What the indicators are compared with; the discretisation accuracy also with the true effect."""


RANKS = ListedColormap(["#08519c", "#4292c6", "#9ecae1", "#d6e6f4", "#f4f8fc"])  # dark for the best
INDICATOR_LOOKS = {"weight": LOOKS["darts"], "pt_score": LOOKS["pt"]}


def variants(inputs: Inputs) -> list[Variant]:
    return [Variant("searches", ("discretisation",))]


def operations(study: StudyResults) -> dict[str, Floats]:
    """What was measured of each operation on each edge, by the name of its column, shape (n, edges, operations); and
    `effect`, the truth, shape (1, edges, operations).

    Raises:
        RowsError: where a seed lacks an operation.
    """
    variant = study.variants[0]
    rows = variant.results.history
    for column in ("discretisation_accuracy", "weight", "pt_score", "edge", "operation"):
        if column not in rows:
            raise RowsError(f"{variant.folder / 'history.csv'} has no column {column!r}")
    rows = rows.dropna(subset=["discretisation_accuracy"])
    effects = read_rows(variant.folder, "effects.csv", EFFECT_COLUMNS)
    measured = ("weight", "pt_score", "discretisation_accuracy")
    space = variant.results.cells
    found = {name: by_operation(space, rows, name, variant.folder) for name in measured}
    return found | {"effect": by_operation(space, effects.assign(seed=0), "accuracy", variant.folder)}


def by_operation(space: Space, rows: pd.DataFrame, name: str, folder: Path) -> Floats:
    """Column `name` by seed, edge and operation, shape (n, edges, operations)."""
    shape = (rows["seed"].nunique(), *space.shape)
    place = rows["operation"].map({operation: number for number, operation in enumerate(space.operations)})
    ordered = rows.assign(place=place).sort_values(["seed", "edge", "place"])
    if len(ordered) != np.prod(shape) or ordered.duplicated(["seed", "edge", "place"]).any() or place.isna().any():
        raise RowsError(f"{folder}: {name} must be there once for each seed, edge and operation: were rows edited?")
    if not pd.api.types.is_numeric_dtype(ordered[name]):
        raise RowsError(f"{folder}: {name} holds what is no number: were rows edited?")
    return ordered[name].to_numpy(dtype=np.float64).reshape(shape)


def edge_correlations(found: dict[str, Floats], indicator: str, target: str) -> Floats:
    """Kendall's τ-b over the operations, shape (n, edges): for each seed and edge; nan where all are equal."""
    return np.asarray(kendalltau(*np.broadcast_arrays(found[indicator], found[target]), axis=-1).statistic)


def edge_names(study: StudyResults) -> list[str]:
    return [f"{source}→{target}" for source, target in study.first.cells.edges]


def table(study: StudyResults) -> tuple[pd.DataFrame, str]:
    found = operations(study)
    pairs = [(indicator, target) for target in TARGETS for indicator in INDICATORS]
    pairs.append(("discretisation_accuracy", "effect"))
    taus = {pair: edge_correlations(found, *pair) for pair in pairs}
    columns = ("metric", "truth", "truth_checksum", "images", "preset", "changes", "device")
    sources = {name: study.values(name) for name in columns}
    records, rows = [], []
    for edge, name in [*enumerate(edge_names(study)), (None, "all")]:
        record: dict[str, object] = {"study": study.name, "edge": name, "n": len(study.first.runs)}
        cells = ["*mean of the edges*" if edge is None else name]
        for (indicator, target), values in taus.items():
            with_tau = finite_spread(values.mean(1) if edge is None else values[:, edge])
            record[f"tau_{indicator}_{target}_mean"], record[f"tau_{indicator}_{target}_std"] = with_tau
            cells.append(plus_minus(with_tau))
        rows.append(cells)
        records.append(record | sources)
    names = INDICATORS | TARGETS
    header = ["Edge", *(f"{names[indicator]} with {names[target]}" for indicator, target in taus)]
    note = (
        f"Kendall's τ-b over the operations of an edge; mean ± sample standard deviation over "
        f"{study.seeds}. α: softmax weight in the trained DARTS supernet. PT score: accuracy that the "
        "supernet loses without the operation. Discretisation accuracy: of the supernet after the edge was decided for "
        "the operation and fine-tuned. True effect: mean true accuracy of all cells with the operation on that edge. "
        "With five operations, unrelated orders reach |τ| ≥ 0.6 on one edge about one time in four. "
        "A seed whose five values are all alike on an edge has no τ there, nor in the mean of the edges."
    )
    return pd.DataFrame(records), f"{markdown_table(header, rows)}\n\n{note}"


def picture(study: StudyResults) -> Plot:
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
    space, edges = study.first.cells, edge_names(study)
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
        axes.set_xticks(range(len(space.operations)), space.letters)
        axes.set_yticks(range(len(edges)), edges if column == 0 else [""] * len(edges))
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
            strips(axes, places, list(shown.T), look)
            means = [finite_spread(values).mean for values in shown.T]
            axes.hlines(means, places - 0.14, places + 0.14, look.colour, linewidth=1.8, zorder=3)
        rule(axes, 0)
        axes.axvline(len(edges) - 0.5, color=GREY, linewidth=0.6)
        axes.set_xticks(range(len(edges) + 1), [*edges, "mean"])
        axes.set_xlim(-0.5, len(edges) + 0.5)
        axes.set_ylim(-1.08, 1.08)
        axes.set_title(f"Agreement with the {title}", loc="left", fontsize=7.5)
        if half == 0:
            axes.set_ylabel("Kendall τ-b\nover the operations")
        else:
            axes.tick_params(labelleft=False)
    ranks_of_edge = enumerate(("best of its edge", *"234", "worst"))
    keys: list[Key] = [Patch(color=RANKS(rank / 5 + 0.1), label=name) for rank, name in ranks_of_edge]
    keys += [
        key(f"τ of {INDICATORS[name]}", color=look.colour, marker=look.marker, linewidth=1.8, markersize=4)
        for name, look in INDICATOR_LOOKS.items()
    ]
    note = (
        f"Edges from node to node; {space.legend}. Numbers: means over seeds. "
        "Dots: one seed; bars: mean. True effect: mean true accuracy of all cells with the operation on the edge."
    )
    frame(figure, "Does α know what an operation is worth?", keys, study.source(note))
    caption = (
        "Each operation on each edge of the trained DARTS supernet: its softmax weight of α, the accuracy the supernet "
        "loses without it (PT score), the supernet's accuracy once the edge is decided for it and fine-tuned, and the "
        f"mean true accuracy ({study.truth_name}) of all cells that have it there; below, for each edge, how the "
        f"orders by α and by PT score agree with the latter two ({study.seeds})."
    )
    return Plot(figure, caption)


STUDY = Study(
    "Does α rank operations as their accuracy after discretisation does (DARTS-PT, question 1)?",
    variants,
    table,
    picture,
)
