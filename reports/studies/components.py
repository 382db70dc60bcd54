"""What gradient methods are made of, every combination of it: a sampler, a regulariser, and a rule that selects.

All that trains the weights w is DARTS's in all of them; what belongs to α (its learning rate, its start, FairDARTS's
zero-one loss) is as in the method that has the sampler.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, product

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports import RowsError
from reports.inference import SIGNIFICANCE, mean_interval, permutation_test, smallest_p
from reports.plots import marks
from reports.plots.layout import frame
from reports.plots.style import GREY, INK, WIDTH, Plot
from reports.statistics import Floats, spread
from reports.study import Inputs, Study, StudyResults, Variant
from reports.tables import interval_text, markdown_table, number, p_text, plus_minus

SAMPLERS = {"softmax": "darts", "Dirichlet": "drnas", "Gumbel": "snas", "sigmoid": "fairdarts", "exponentiated": "gaea"}
"""The method that has each of them."""

REGULARISERS = {"none": ("none", 0.0), "β": ("beta", 50.0), "L2": ("l2", 50.0), "Λ": ("lambda", 0.25)}
"""Setting and strength λ, that the linear schedule ends at: of β and Λ the published ones, of L2 that of β."""

SELECTIONS = ("magnitude", "PT")

FACTORS: dict[str, tuple[str, ...]] = {
    "sampler": tuple(SAMPLERS),
    "regulariser": tuple(REGULARISERS),
    "selection": SELECTIONS,
}
"""The levels of each; the first is the one that the others are compared with."""

OF_THE_WEIGHTS = (
    *("epochs", "batch_size", "lr", "lr_min", "momentum", "nesterov", "weight_decay", "clip", "clip_counts_alpha"),
    *("skip_first_lr", "alpha_first", "train_batches"),
)
"""The settings that all samplers take from DARTS."""

OTHERWISE = {
    "darts": ("pt.supernet={}",),  # whose supernet PT's program trains otherwise
    "gaea": ("gaea.exclude_none=false", "gaea.cosine_length=1"),
}
"""What it takes beside them, for the others to differ in nothing but the sampler."""


def variants(inputs: Inputs) -> list[Variant]:
    """A folder for each sampler and regulariser; the rules select from the very same supernets."""
    shared = {name: inputs.setting(f"darts.{name}") for name in OF_THE_WEIGHTS}
    found = []
    for (sampler, method), (regulariser, (setting, strength)) in product(SAMPLERS.items(), REGULARISERS.items()):
        of_weights = () if method == "darts" else tuple(f"{method}.{name}={_toml(v)}" for name, v in shared.items())
        of_alpha = (
            f"{method}.regulariser={setting}",
            f"{method}.schedule=linear",
            f"{method}.strength={strength}",
            f"{method}.strength_epochs={shared['epochs']}",
        )
        changes = (*OTHERWISE.get(method, ()), *of_weights, *of_alpha)
        factors = {"sampler": sampler, "regulariser": regulariser}
        folder = f"{sampler.lower()}-{setting}"
        found.append(Variant(folder, (f"{method}+pt",), factors, changes))
    return found


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def accuracies(study: StudyResults) -> Floats:
    """The main metric of every run, %, shape (n, samplers, regularisers, selections), of the n seeds that all have.

    Raises:
        RowsError: where a combination is missing, or no seed has all.
    """
    columns, names = [], list(product(SAMPLERS, REGULARISERS))
    for sampler, regulariser in names:
        variant = study.where(sampler=sampler, regulariser=regulariser)
        if variant is None:
            raise RowsError(f"the study lacks the sampler {sampler} with the regulariser {regulariser}: run it again")
        runs = variant.results.runs.set_index("seed")
        both = [f"other_{study.metric}", study.metric]
        if missing := [column for column in both if column not in runs]:
            raise RowsError(f"{variant.folder / 'runs.csv'} has no column {missing[0]!r}")
        columns.append(runs[both].set_axis(pd.MultiIndex.from_product([[variant.name], SELECTIONS]), axis=1))
    joined = pd.concat(columns, axis=1).dropna().sort_index()
    if joined.empty:
        raise RowsError("no seed has a run of every combination: run what is missing")
    shape = len(joined), *(len(levels) for levels in FACTORS.values())
    return joined.to_numpy(dtype=np.float64).reshape(shape)


def contrast(values: Floats, chosen: Mapping[str, str]) -> Floats:
    """Of values of shape (n, samplers, regularisers, selections) an effect for each of the n seeds.

    With one factor `chosen`, it is what its level does in place of the factor's first, on average over all other
    factors' levels; with two, how much more than that the one does where the other has its level too.
    """
    for axis, (factor, levels) in enumerate(FACTORS.items(), start=1):
        if factor in chosen:
            values = np.take(values, [levels.index(chosen[factor])], axis) - np.take(values, [0], axis)
        else:
            values = values.mean(axis, keepdims=True)
    return values.ravel()


def effects() -> list[dict[str, str]]:
    """The main effects, then the interactions of two factors, each by the levels that it is of."""
    found = []
    for order in (1, 2):
        for factors in combinations(FACTORS, order):
            for levels in product(*(FACTORS[factor][1:] for factor in factors)):
                found.append(dict(zip(factors, levels, strict=True)))
    return found


def table(study: StudyResults) -> tuple[pd.DataFrame, str]:
    values = accuracies(study)
    columns = ("metric", "truth", "truth_checksum", "images", "preset", "changes", "device", "version")
    sources = {name: study.values(name) for name in columns}
    records: list[dict[str, object]] = []
    rows, means = [], []
    for chosen in effects():
        found = contrast(values, chosen)
        with_spread, interval, p = spread(found), mean_interval(found), permutation_test(found)
        kind, name = "main effect" if len(chosen) == 1 else "interaction", " × ".join(chosen.values())
        record: dict[str, object] = {
            "study": study.name,
            "kind": kind,
            "name": name,
            **dict.fromkeys(FACTORS, ""),
            **chosen,
        }
        record |= {"n": len(found), "mean": with_spread.mean, "std": with_spread.std}
        records.append(record | {"low": interval.low, "high": interval.high, "permutation_test_p": p} | sources)
        rows.append([name, plus_minus(with_spread, sign="+"), interval_text(interval, sign="+"), p_text(p)])
    for levels, of_runs in zip(product(*FACTORS.values()), values.reshape(len(values), -1).T, strict=True):
        with_spread = spread(of_runs)
        record = {"study": study.name, "kind": "combination", "name": " + ".join(levels)}
        record |= dict(zip(FACTORS, levels, strict=True))
        records.append(record | {"n": len(of_runs), "mean": with_spread.mean, "std": with_spread.std} | sources)
        if levels[-1] == SELECTIONS[0]:
            means.append([*levels[:-1]])
        means[-1].append(plus_minus(with_spread))
    references = {factor: levels[0] for factor, levels in FACTORS.items()}
    n = len(values)
    note = (
        f"Effects on {study.metrics}, in points, of a level in place of its factor's first "
        f"({', '.join(references.values())}), averaged over all levels of the other factors; × is how much more the "
        "first does where the second is there too. Both are taken seed by seed, since all combinations share their "
        f"seeds: mean ± sample standard deviation over n = {n}, Student's 95 % interval, and the two-sided p of the "
        f"permutation test of the mean (signs of the seeds), not corrected for {len(rows)} effects (Bonferroni: "
        f"{SIGNIFICANCE / len(rows):.2g} for 0.05); the smallest p that it can give is {smallest_p(n):.2g}. All that "
        "trains the weights is DARTS's; PT and magnitude select from the very same supernets."
    )
    head = ["Effect", "Points", "95 % interval", "p (permutation)"]
    grid = markdown_table(["Sampler", "Regulariser", *SELECTIONS], means, left=2)
    text = f"{markdown_table(head, rows)}\n\n{note}\n\n## Every combination: {study.metrics} (%)\n\n{grid}"
    return pd.DataFrame(records), text


def picture(study: StudyResults) -> Plot:
    """The effects with their intervals, every seed a dot; beside them the mean of every combination."""
    values, listed = accuracies(study), effects()
    figure = Figure(figsize=(WIDTH, 5.6))
    axes, grid = figure.subplots(1, 2, width_ratios=[1.7, 1])
    places = np.arange(len(listed), dtype=np.float64)
    for place, chosen in zip(places, listed, strict=True):
        found = contrast(values, chosen)
        interval = mean_interval(found)
        colour = INK if len(chosen) == 1 else GREY
        axes.plot(found, np.full(len(found), place), ".", color=colour, markersize=2.5, alpha=0.5)
        axes.plot([interval.low, interval.high], [place, place], color=colour, linewidth=1.4)
        axes.plot(found.mean(), place, "D", color=colour, markersize=3.5)
    marks.rule(axes, 0, axis="x")
    axes.set_yticks(places, [" × ".join(chosen.values()) for chosen in listed], fontsize=6.5)
    axes.set_ylim(len(listed) - 0.4, -0.6)
    axes.set_xlabel(f"effect on {study.metrics} (points)")
    means = values.mean(0).reshape(-1, len(SELECTIONS))
    grid.imshow(means, cmap="Blues_r", aspect="auto")
    middle = (means.min() + means.max()) / 2
    for (row, column), mean in np.ndenumerate(means):
        colour = "white" if mean < middle else INK
        grid.text(column, row, number(mean, 1), ha="center", va="center", fontsize=6.5, color=colour)
    names = [f"{sampler}, {regulariser}" for sampler, regulariser in product(SAMPLERS, REGULARISERS)]
    grid.set_yticks(range(len(names)), names, fontsize=6.5)
    grid.set_xticks(range(len(SELECTIONS)), SELECTIONS)
    grid.tick_params(length=0)
    grid.grid(False)
    grid.spines[:].set_visible(False)
    grid.set_title(f"Mean {study.metrics} (%)", loc="left", fontsize=7.5)
    keys = [
        marks.key("main effect, 95 % interval", color=INK, marker="D", markersize=3.5, linewidth=1.4),
        marks.key("interaction", color=GREY, marker="D", markersize=3.5, linewidth=1.4),
        marks.key("one seed", color=INK, marker=".", linestyle="none", alpha=0.5),
    ]
    first = ", ".join(levels[0] for levels in FACTORS.values())
    note = f"Each in place of its factor's first ({first}), averaged over the other factors. Grid: dark is worse."
    frame(figure, "What gradient methods are made of", keys, study.source(note))
    caption = (
        f"What each sampler, regulariser and selection does to the true accuracy ({study.truth_name}) in place of "
        f"{first}, on average over all combinations with the others, and how pairs of them interact ({study.seeds}); "
        "beside it the mean of each combination."
    )
    return Plot(figure, caption)


STUDY = Study(
    "Of a gradient method, what do sampler, regulariser and selection contribute?",
    variants,
    table,
    picture,
    {"sampler": "|".join(SAMPLERS), "regulariser": "|".join(REGULARISERS)},
)
