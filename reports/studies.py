"""The report of a study: one table over its variants, one picture, and what they are made of, from the rows alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.folder import make_folder, refuse_link
from reports import STUDIES, UNCHANGED, RowsError
from reports.child import any_backend
from reports.results import (
    DATA_SETS,
    Results,
    failures_text,
    method_name,
    metric_name,
    read_results,
    runs_text,
    score_name,
    seeds_text,
)
from reports.rows import BETWEEN_CHANGES, EFFECT_COLUMNS, csv_bytes, read_rows, with_changes
from reports.statistics import Floats, Spread, last, paired, present, rank_correlation, spread
from reports.tables import FEW_SEEDS, MOSTLY_SKIPS, markdown_table, method_row, number, plus_minus
from reports.write import write_file
from spaces import EDGES, OPERATIONS

VARIANT_COLUMNS = {"study": "name of the study", "variant": "name of the variant's results folder below the study's"}
"""Columns of `variants.csv`. Beside them stands what tells the variants apart: `condition`, `regulariser` and
`strength` (λ), `epochs_share` and `images_share` (of the preset's), `searched_on` (the image set)."""


_SHARE = r"[1-9]\d{0,3}(/[1-9]\d{0,3})?"

FACTORS = {
    "collapse": {"condition": ".+"},
    "regularisers": {"regulariser": "none|weight decay|L2|β-decay", "strength": r"\d+(\.\d+)?(e[+-]?\d\d?)?"},
    "budget": {"epochs_share": _SHARE, "images_share": _SHARE},
    "transfer": {"searched_on": ".+"},
    "precision": {"precision": ".+"},
}
"""The further columns of `variants.csv` that a study needs, with the form of their values."""


@dataclass(frozen=True)
class Variant:
    """One results folder of a study, and what tells it apart from the others."""

    name: str
    factors: dict[str, str]
    results: Results
    folder: Path


@dataclass(frozen=True)
class Study:
    """A study's variants in the order of `variants.csv`; all have one truth table and one main metric or say so."""

    name: str
    variants: tuple[Variant, ...]

    @property
    def question(self) -> str:
        return STUDIES[self.name]

    def of(self, **factors: str) -> Variant | None:
        """The first variant with these factors."""
        wanted = factors.items()
        return next((variant for variant in self.variants if wanted <= variant.factors.items()), None)

    def each(self) -> Iterator[tuple[Variant, str]]:
        """Every variant with each of its methods."""
        for variant in self.variants:
            for method in variant.results.methods:
                yield variant, method

    def values(self, column: str) -> str:
        """The distinct values of a column of all runs, in order of appearance."""
        found = (value for variant in self.variants for value in variant.results.values(column))
        return " / ".join(dict.fromkeys(found))

    @property
    def metrics(self) -> str:
        """The main metrics, as papers call them."""
        return " / ".join(dict.fromkeys(metric_name(variant.results.metric) for variant in self.variants))

    @property
    def images(self) -> str:
        return " / ".join(dict.fromkeys(variant.results.images for variant in self.variants))

    @property
    def preset(self) -> str:
        """The preset, and what all variants have otherwise than it."""
        of_method: dict[str, list[list[str]]] = {}
        for variant, method in self.each():
            for changes in variant.results.values("changes", method):
                of_method.setdefault(method, []).append(changes.split(BETWEEN_CHANGES))
        common = [BETWEEN_CHANGES.join(in_all(lists)) for lists in of_method.values()]
        presets = [preset for variant in self.variants for preset in variant.results.values("preset")]
        return with_changes(presets, common)

    @property
    def counts(self) -> list[int]:
        """The number of seeds of every variant and method."""
        return [len(variant.results.of(method)) for variant, method in self.each()]


def in_all(lists: Sequence[Sequence[str]]) -> list[str]:
    """What all the lists have, in the order of the first."""
    first, *others = lists
    return [item for item in first if all(item in other for other in others)]


def read_study(folder: Path) -> Study:
    """The study in `folder`.

    Raises:
        RowsError: where its rows or those of a variant are missing or wrong.
    """
    rows = read_rows(folder, "variants.csv", VARIANT_COLUMNS).astype(object)
    names = rows["study"].unique()
    if len(names) != 1 or names[0] not in STUDIES:
        raise RowsError(f"{folder / 'variants.csv'}: the study must be one of {', '.join(STUDIES)}")
    _check_factors(folder / "variants.csv", str(names[0]), rows)
    variants = tuple(
        Variant(
            str(row["variant"]),
            {str(key): str(value) for key, value in row.items() if key not in VARIANT_COLUMNS},
            read_results(folder / str(row["variant"])),
            folder / str(row["variant"]),
        )
        for _, row in rows.iterrows()
    )
    tables = {checksum for variant in variants for checksum in variant.results.values("truth_checksum")}
    if len(tables) > 1:
        raise RowsError(f"{folder} mixes the truth tables {' and '.join(sorted(tables))}: each needs its own folder")
    return Study(str(names[0]), variants)


def _check_factors(path: Path, study: str, rows: pd.DataFrame) -> None:
    for column, form in FACTORS.get(study, {}).items():
        if column not in rows:
            raise RowsError(f"{path} has no column {column!r}: it was not written by this program, or was edited")
        for value in map(str, rows[column]):
            if not re.fullmatch(form, value):
                raise RowsError(f"{path}: {value!r} in column {column!r} is none of this program's: was it edited?")
    if study == "budget" and not (rows[["epochs_share", "images_share"]].astype(str) == "1").all(axis=1).any():
        raise RowsError(f"{path} lacks the variant with all epochs and all images, which the others are compared with")
    if study == "collapse" and (len(rows) < 2 or rows["condition"].iloc[0] != UNCHANGED):
        raise RowsError(f"{path} must begin with the variant {UNCHANGED!r}, and have others to compare with it")
    if not (twice := rows["variant"][rows["variant"].duplicated()]).empty:
        raise RowsError(f"{path} names the variant {twice.iloc[0]} twice: remove all but one")


def write_study(folder: Path) -> list[Path]:
    """Writes study.md, study.csv and plots/study.png and .svg into `folder`; returns the written files.

    Raises:
        RowsError: where the rows are missing or wrong.
    """
    with any_backend():  # matplotlib is slow to import
        from reports import study_plots, style

    study = read_study(folder)
    refuse_link(folder / "plots")
    make_folder(folder / "plots")
    with style.applied():
        plot = study_plots.PLOTS[study.name](study)
        images = style.images_of(plot)
    written = [write_file(folder / "plots" / f"study.{suffix}", image) for suffix, image in images.items()]
    table, text = TABLES[study.name](study)
    content = csv_bytes(table, "%.4f")
    written.append(write_file(folder / "study.csv", content))
    parts = [
        f"# {study.question}",
        head(study),
        *warnings(study),
        text,
        f"![{plot.caption}](plots/study.png)\n\n*{plot.caption}*",
    ]
    written.append(write_file(folder / "study.md", ("\n\n".join(parts) + "\n").encode("utf-8", "backslashreplace")))
    return written


def head(study: Study) -> str:
    seeds = (", ".join(str(seed) for seed in variant.results.of(method)["seed"]) for variant, method in study.each())
    lines = {
        "Study": f"`{study.name}`, {len(study.variants)} variant{'s' * (len(study.variants) > 1)}, each in a folder "
        "of its own with every row",
        "Truth table": f"{study.values('truth')} (checksum `{study.values('truth_checksum')}`), {study.metrics}",
        "Images searched on": study.images,
        "Preset": study.preset,
        "Device": study.values("device"),
        "Seeds": " / ".join(dict.fromkeys(seeds)),
        "Version": study.values("version"),
    }
    return "\n".join(f"- **{name}:** {text}" for name, text in lines.items())


def warnings(study: Study) -> list[str]:
    found = []
    for variant in study.variants:
        if count := len(variant.results.failures):
            failed = failures_text(variant.results)
            found.append(f"> **{runs_text(count)} of {variant.name} failed** and no number here counts them: {failed}.")
    if "digits" in study.values("images"):
        found.append("> **No claim is made from digits.** These images serve to try the program out.")
    if min(study.counts) < FEW_SEEDS:
        found.append(
            f"> **Few seeds prove little.** With {seeds_text(study.counts)} a mean can turn with the next seed."
        )
    return found


def rows_of(study: Study, more: Callable[[Results, str], dict[str, float]] | None = None) -> pd.DataFrame:
    """One row for each variant and method: its factors, what `more` adds, and its means with their sources."""
    rows = []
    for variant, method in study.each():
        row = method_row(variant.results, method)
        del row["kind"]
        added = more(variant.results, method) if more else {}
        rows.append({"study": study.name, "variant": variant.name, **variant.factors, **row, **added})
    return pd.DataFrame(rows)


def with_spread(name: str, values: Floats) -> dict[str, float]:
    found = spread(values)
    return {f"{name}_mean": found.mean, f"{name}_std": found.std}


def cell_text(row: pd.Series, name: str, digits: int = 2) -> str:
    return plus_minus(Spread(float(row[f"{name}_mean"]), float(row[f"{name}_std"])), digits)


def correlation(study: Study) -> tuple[pd.DataFrame, str]:
    def taus(results: Results, method: str) -> dict[str, float]:
        curves = results.curves(method, "tau")
        best = np.array([np.nanmax(row) if np.isfinite(row).any() else np.nan for row in curves])
        return with_spread("tau_last", last(curves)) | with_spread("tau_highest", best)

    table = rows_of(study, taus)
    metric = study.variants[0].results.metric
    rows = [
        [
            method_name(row["method"]),
            score_name(row["method"]),
            str(row["n"]),
            cell_text(row, "tau_last", 3),
            cell_text(row, "tau_highest", 3),
            cell_text(row, metric),
        ]
        for _, row in table.iterrows()
    ]
    header = ["Method", "Score", "n", "τ at the end", "highest τ", f"{study.metrics} of the chosen cell (%)"]
    note = (
        "Kendall's τ-b between the score that the method gives each cell and its true accuracy "
        f"({study.metrics}): 1 would be the same order, 0 no relation. Over all 15,625 cells; of the accuracy of "
        "sub-networks over a random sample, measured every so many epochs, since each costs a validation. "
        "Mean ± sample standard deviation over n seeds; "
        "the highest of all epochs is of each seed, and nobody who searches knows which epoch that is."
    )
    return table, f"{markdown_table(header, rows, left=2)}\n\n{note}"


def largest_weight(results: Results, method: str) -> dict[str, float]:
    """Of softmax(α), over all edges and operations, at the end of the search."""
    return with_spread("largest_weight", last(results.curves(method, "largest_weight")))


def collapse(study: Study) -> tuple[pd.DataFrame, str]:
    first, metric = study.variants[0], study.variants[0].results.metric

    def compared(results: Results, method: str) -> dict[str, float]:
        return difference_from(first.results, results, method) | largest_weight(results, method)

    table = rows_of(study, compared)
    rows = [
        [
            row["condition"],
            str(row["n"]),
            cell_text(row, metric),
            "–" if row["variant"] == first.name else difference_text(row),
            cell_text(row, "skip_connects", 1),
            f"{row['collapsed']} of {row['n']}",
            cell_text(row, "largest_weight", 3),
        ]
        for _, row in table.iterrows()
    ]
    header = ["Condition", "n", f"{study.metrics} (%)", "Difference", "Skips", "Collapsed", "Largest weight"]
    note = (
        "DARTS with one condition otherwise at a time. Mean ± sample standard deviation over n seeds; difference: "
        f"minus that of *{first.factors['condition']}*, paired by seed; skips: edges of the chosen cell with "
        f"skip_connect, of 6; collapsed: seeds whose cell has it on {MOSTLY_SKIPS} or more, "
        "or no convolution on any way through it; largest weight: of softmax(α), over all edges and operations, at the "
        "end (0.2 where all are equal)."
    )
    return table, f"{markdown_table(header, rows)}\n\n{note}"


def regularisers(study: Study) -> tuple[pd.DataFrame, str]:
    table = rows_of(study, largest_weight)
    metric = study.variants[0].results.metric
    rows = [
        [
            row["regulariser"],
            "–" if row["regulariser"] == "none" else f"{float(row['strength']):g}",
            str(row["n"]),
            cell_text(row, metric),
            cell_text(row, "regret"),
            cell_text(row, "skip_connects", 1),
            cell_text(row, "largest_weight", 3),
        ]
        for _, row in table.iterrows()
    ]
    header = ["Regulariser of α", "λ", "n", f"{study.metrics} (%)", "Regret (points)", "Skips", "Largest weight"]
    note = (
        "DARTS with one regulariser of α at a time. Weight decay is Adam's, constant; of L2 and β-decay λ grows on a "
        "straight line from 0 towards the value given, which it would reach as the search ends. Mean ± sample standard "
        "deviation over n seeds; skips: edges of the chosen cell with skip_connect; largest weight: of softmax(α), "
        "over all edges and operations, at the end (0.2 where all are equal)."
    )
    return table, f"{markdown_table(header, rows)}\n\n{note}"


def difference_from(reference: Results, results: Results, method: str) -> dict[str, float]:
    """Mean and spread of the main metric's difference from the reference, paired by seed."""
    metric = reference.metric
    both = reference.of(method)[["seed", metric]].merge(results.of(method)[["seed", metric]], on="seed")
    if both.empty:  # of runs that failed
        return {"difference_mean": float("nan"), "difference_std": float("nan")}
    change = paired(both[f"{metric}_x"], both[f"{metric}_y"]).difference
    return {"difference_mean": change.mean, "difference_std": change.std}


def difference_text(row: pd.Series) -> str:
    return plus_minus(Spread(row["difference_mean"], row["difference_std"]), sign="+")


def budget(study: Study) -> tuple[pd.DataFrame, str]:
    whole = study.of(epochs_share="1", images_share="1")
    assert whole is not None
    reference, metric = whole.results, study.variants[0].results.metric

    def difference(results: Results, method: str) -> dict[str, float]:
        epochs = float(results.of(method)["epochs"].iloc[0])
        return {"epochs": epochs, **difference_from(reference, results, method)}

    table = rows_of(study, difference)
    rows = [
        [
            method_name(row["method"]),
            row["epochs_share"],
            row["images_share"],
            f"{row['epochs']:.0f}",
            str(row["n"]),
            cell_text(row, metric),
            cell_text(row, "regret"),
            "–" if row["variant"] == "whole" else difference_text(row),
        ]
        for _, row in table.sort_values(
            "method", key=lambda names: names.map(order_of(study)), kind="stable"
        ).iterrows()
    ]
    header = ["Method", "Epochs", "Images", "Epochs run", "n", f"{study.metrics} (%)", "Regret (points)", "Difference"]
    note = (
        "A share of the epochs with all images, and a share of the images with all epochs; with fewer images an epoch "
        "has fewer steps. Mean ± sample standard deviation over n seeds; difference: minus the whole budget's, paired "
        "by seed. The λ of β-decay grows with the epoch as in its program, whatever their number, so it ends lower "
        "with fewer of them."
    )
    return table, f"{markdown_table(header, rows, left=3)}\n\n{note}"


def order_of(study: Study) -> dict[str, int]:
    """The place of every method, in order of appearance."""
    return {method: place for place, method in enumerate(dict.fromkeys(method for _, method in study.each()))}


def transfer(study: Study) -> tuple[pd.DataFrame, str]:
    table = rows_of(study)
    metrics = tests_of(study)
    rows = [
        [
            method_name(row["method"]),
            image_set_name(row["searched_on"]),
            str(row["n"]),
            *(cell_text(row, metric) for metric in metrics),
        ]
        for _, row in table.sort_values(
            "method", key=lambda names: names.map(order_of(study)), kind="stable"
        ).iterrows()
    ]
    results = study.variants[0].results
    rows += [
        ["*best cell of each column*", "", "", *(number(results.best(metric)) for metric in metrics)],
        ["*mean of all cells*", "", "", *(number(results.mean(metric)) for metric in metrics)],
    ]
    header = ["Method", "Searched on", "n", *(f"{metric_name(metric)} (%)" for metric in metrics)]
    parts = [markdown_table(header, rows, left=2), *limits(study)]
    parts.append("True accuracy of the cells found; mean ± sample standard deviation over n seeds.")
    return table, "\n\n".join(parts)


def precision(study: Study) -> tuple[pd.DataFrame, str]:
    reference, metric = study.variants[0].results, study.variants[0].results.metric

    def compared(results: Results, method: str) -> dict[str, float]:
        both = reference.of(method)[["seed", "genotype"]].merge(results.of(method)[["seed", "genotype"]], on="seed")
        same = int((both["genotype_x"] == both["genotype_y"]).sum())
        return {"same_cell": same, **difference_from(reference, results, method)}

    table = rows_of(study, compared)
    first = study.variants[0].name
    rows = [
        [
            method_name(row["method"]),
            row["precision"],
            str(row["n"]),
            cell_text(row, metric),
            cell_text(row, "regret"),
            *(("–", "–") if row["variant"] == first else (difference_text(row), f"{row['same_cell']:.0f}")),
            cell_text(row, "search_seconds"),
        ]
        for _, row in table.sort_values(
            "method", key=lambda names: names.map(order_of(study)), kind="stable"
        ).iterrows()
    ]
    header = [
        "Method",
        "Format",
        "n",
        f"{study.metrics} (%)",
        "Regret (points)",
        "Difference",
        "Same cell",
        "Search (s)",
    ]
    note = (
        f"The same seeds in every number format. Mean ± sample standard deviation over n seeds; difference: minus "
        f"{first}'s, paired by seed; same cell: seeds that end with the very cell of {first}. On a CPU {first} runs on "
        "the compiled layers and bf16 on PyTorch's, so there the times say nothing of the format."
    )
    return table, f"{markdown_table(header, rows, left=2)}\n\n{note}"


def limits(study: Study) -> list[str]:
    """What a study of transfer cannot say, since it lacks image sets or truth."""
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


def tests_of(study: Study) -> list[str]:
    """The test accuracies that the truth table has, in its order of data sets."""
    found = [metric for metric in study.variants[0].results.metrics if metric.endswith("_test")]
    return sorted(found, key=lambda metric: list(DATA_SETS).index(metric.removesuffix("_test")))


def image_set_name(name: str) -> str:
    return DATA_SETS.get(name, name)


def operations(study: Study) -> dict[str, Floats]:
    """What was measured of each operation on each edge, by the name of its column, shape (n, 6, 5); and `effect`, the
    truth, shape (1, 6, 5).

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
    found = {
        name: by_operation(rows, name, variant.folder) for name in ("weight", "pt_score", "discretisation_accuracy")
    }
    return found | {"effect": by_operation(effects.assign(seed=0), "accuracy", variant.folder)}


def by_operation(rows: pd.DataFrame, name: str, folder: Path) -> Floats:
    """Column `name` by seed, edge and operation, shape (n, 6, 5)."""
    shape = (rows["seed"].nunique(), len(EDGES), len(OPERATIONS))
    place = rows["operation"].map({operation: number for number, operation in enumerate(OPERATIONS)})
    ordered = rows.assign(place=place).sort_values(["seed", "edge", "place"])
    if len(ordered) != np.prod(shape) or ordered.duplicated(["seed", "edge", "place"]).any() or place.isna().any():
        raise RowsError(f"{folder}: {name} must be there once for each seed, edge and operation: were rows edited?")
    if not pd.api.types.is_numeric_dtype(ordered[name]):
        raise RowsError(f"{folder}: {name} holds what is no number: were rows edited?")
    return ordered[name].to_numpy(dtype=np.float64).reshape(shape)


INDICATORS = {"weight": "α", "pt_score": "PT score"}
TARGETS = {"discretisation_accuracy": "discretisation accuracy", "effect": "true effect"}
"""What the indicators are compared with; the discretisation accuracy also with the true effect."""


def edge_correlations(found: dict[str, Floats], indicator: str, target: str) -> Floats:
    """Kendall's τ-b over the five operations, shape (n, 6): for each seed and edge; nan where all are equal."""
    values = np.broadcast_arrays(found[indicator], found[target])
    return np.array(
        [[rank_correlation(a, b) for a, b in zip(*of_seed, strict=True)] for of_seed in zip(*values, strict=True)]
    )


def edge_name(edge: int) -> str:
    source, target = EDGES[edge]
    return f"{source}→{target}"


def discretisation(study: Study) -> tuple[pd.DataFrame, str]:
    found = operations(study)
    pairs = [(indicator, target) for target in TARGETS for indicator in INDICATORS]
    pairs.append(("discretisation_accuracy", "effect"))
    taus = {pair: edge_correlations(found, *pair) for pair in pairs}
    results = study.variants[0].results
    columns = ("metric", "truth", "truth_checksum", "images", "preset", "changes", "device")
    sources = {name: study.values(name) for name in columns}
    records, rows = [], []
    for edge in (*range(len(EDGES)), None):
        name = "all" if edge is None else edge_name(edge)
        record: dict[str, object] = {"study": study.name, "edge": name, "n": len(results.runs)}
        cells = ["*mean of the edges*" if edge is None else name]
        for (indicator, target), values in taus.items():
            with_tau = present(values.mean(1) if edge is None else values[:, edge])
            record[f"tau_{indicator}_{target}_mean"], record[f"tau_{indicator}_{target}_std"] = with_tau
            cells.append(plus_minus(with_tau))
        rows.append(cells)
        records.append(record | sources)
    names = INDICATORS | TARGETS
    header = ["Edge", *(f"{names[indicator]} with {names[target]}" for indicator, target in taus)]
    note = (
        f"Kendall's τ-b over the five operations of an edge; mean ± sample standard deviation over "
        f"{seeds_text(study.counts)}. α: softmax weight in the trained DARTS supernet. PT score: accuracy that the "
        "supernet loses without the operation. Discretisation accuracy: of the supernet after the edge was decided for "
        "the operation and fine-tuned. True effect: mean true accuracy of all cells with the operation on that edge. "
        "With five operations, unrelated orders reach |τ| ≥ 0.6 on one edge about one time in four. "
        "A seed whose five values are all alike on an edge has no τ there, nor in the mean of the edges."
    )
    return pd.DataFrame(records), f"{markdown_table(header, rows)}\n\n{note}"


TABLES: dict[str, Callable[[Study], tuple[pd.DataFrame, str]]] = {
    "correlation": correlation,
    "collapse": collapse,
    "regularisers": regularisers,
    "budget": budget,
    "transfer": transfer,
    "precision": precision,
    "discretisation": discretisation,
}
"""The table of every study, as rows and as Markdown."""
