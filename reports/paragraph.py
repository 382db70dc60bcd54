"""The Methods paragraph of a paper, from what the rows and the provenance say."""

from __future__ import annotations

import pandas as pd

from reports.inference import EXACT_PAIRS, RESAMPLES
from reports.provenance import Provenance
from reports.results import Results, listed, metric_name, seeds_text
from reports.tables import number


def methods_paragraph(results: Results, comparisons: pd.DataFrame, provenance: Provenance | None) -> str:
    """Plain text, ready to paste. `comparisons` are those of `reports.tables.comparisons`."""
    parts = [_searches(results), _scale(results, provenance), _truth(results), _statistics(results, comparisons)]
    return " ".join([*parts, _effort(results, provenance)])


def _searches(results: Results) -> str:
    names = listed([results.title(method) for method in results.methods])
    seeds = {method: _ranges([int(seed) for seed in results.of(method)["seed"]]) for method in results.methods}
    counts = [len(results.of(method)) for method in results.methods]
    if len(set(seeds.values())) == 1:
        which = f"with {seeds_text(counts)}{' each' * (len(counts) > 1)} ({next(iter(seeds.values()))})"
    else:
        which = "with the seeds " + listed([f"{text} ({results.title(method)})" for method, text in seeds.items()])
    return f"We ran {names} on the search space of {results.cells.title} ({len(results.cells):,} cells), {which}."


def _scale(results: Results, provenance: Provenance | None) -> str:
    program = f"preset {results.preset} of Replica-201 {' / '.join(results.values('version'))}"
    if provenance is None:
        return f"The searches saw {results.images} ({program})."
    commits = [commit[:12] for commit in provenance.distinct(lambda entry: entry.commit or "") if commit]
    if commits:
        changed = any(entry.changed for entry in provenance.commands)
        program += f", commit {' / '.join(commits)}{' with local changes' * changed}"
    images, side = provenance.value("problem.training_images"), provenance.value("problem.resolution")
    details = []
    if images is not None:
        details.append("all training images" if images == "all" else f"{images:,} training images")
    if side is not None:
        details.append("at full resolution" if side == "full" else f"of {side} × {side} pixels")
    scale = f" ({' '.join(details)})" if details else ""
    text = f"The searches saw {results.images}{scale}"
    channels, cells = provenance.value("problem.channels"), provenance.value("problem.cells_per_stage")
    if channels is not None and cells is not None:
        text += f", in networks of C = {channels} and N = {cells}"
    return f"{text}; {program}."


def _truth(results: Results) -> str:
    metric = results.metric
    return (
        f"The accuracy of a chosen cell is not measured by us but looked up in {results.truth} "
        f"({metric_name(metric)}; checksum {' / '.join(results.values('truth_checksum'))}), where the best cell has "
        f"{number(results.best(metric))} % and the average cell {number(results.mean(metric))} %; regret is the "
        "distance to the best, in percentage points."
    )


def _statistics(results: Results, comparisons: pd.DataFrame) -> str:
    single = all(len(results.of(method)) == 1 for method in results.methods)
    if single:
        return "There is a single run of each method, so no spread is given."
    text = (
        "We report the mean ± sample standard deviation (n − 1) over seeds, with Student's 95 % interval of the mean."
    )
    if comparisons.empty:
        return text
    text += (
        " Methods are compared pairwise on their common seeds: two-sided exact sign test, and two-sided permutation "
        "test of the mean difference under flips of sign ("
    )
    most = int(comparisons["n"].max())
    text += (
        "all sign patterns" if most <= EXACT_PAIRS else f"{RESAMPLES:,} random sign patterns beyond {EXACT_PAIRS} pairs"
    )
    text += f"), and the probability of improvement with its percentile bootstrap interval ({RESAMPLES:,} resamples)"
    if len(comparisons) > 1:
        text += f"; p values are not corrected for the {len(comparisons)} comparisons"
    return f"{text}."


def _effort(results: Results, provenance: Provenance | None) -> str:
    seconds = listed(
        [
            f"{number(mean, 0 if mean >= 10 else 1)} s ({results.title(method)})"
            for method in results.methods
            for mean in [float(results.of(method)["search_seconds"].mean())]
        ]
    )
    text = f"On average a search took {seconds}"
    if provenance is None:
        return f"{text} on {' / '.join(results.values('device'))}."
    machines = provenance.distinct(lambda entry: entry.gpu or f"{entry.processor}, {entry.cores} cores")
    python, torch, numpy = (
        " / ".join(provenance.distinct(lambda entry, name=name: entry.packages.get(name, "?")))  # type: ignore[misc]
        for name in ("python", "torch", "numpy")
    )
    return f"{text} on {' / '.join(machines)}, with Python {python}, PyTorch {torch} and NumPy {numpy}."


def _ranges(numbers: list[int]) -> str:
    """`0–4, 7` for 0, 1, 2, 3, 4, 7."""
    runs: list[list[int]] = []
    for value in sorted(numbers):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)
