"""Reads a study's folder, and writes its report into it: a table over the variants, a picture, and their sources."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from data.folder import make_folder, refuse_link
from reports import RowsError, studies
from reports.child import any_backend
from reports.method_facts import Describe
from reports.results import read_results
from reports.rows import csv_bytes, read_rows
from reports.study import StudyResults, VariantResults
from reports.tables import FEW_SEEDS
from reports.warnings import digits_warning, failures_warning, quoted
from reports.write import write_file

VARIANT_COLUMNS = {"study": "name of the study", "variant": "name of the variant's results folder below the study's"}
"""Columns of `variants.csv`. The others say what the variants differ in; they are the `factors` of the study."""


def read_study(folder: Path, describe: Describe | None = None) -> StudyResults:
    """The rows of the study in `folder`.

    Raises:
        RowsError: where its rows or those of a variant are missing or wrong.
    """
    path = folder / "variants.csv"
    rows = read_rows(folder, path.name, VARIANT_COLUMNS).astype(object)
    names = rows["study"].unique()
    if len(names) != 1 or names[0] not in studies.names():
        raise RowsError(f"{path}: the study must be one of {', '.join(studies.names())}")
    _check_factors(path, str(names[0]), rows)
    variants = tuple(
        VariantResults(
            str(row["variant"]),
            {str(key): str(value) for key, value in row.items() if key not in VARIANT_COLUMNS},
            read_results(folder / str(row["variant"]), describe=describe),
            folder / str(row["variant"]),
        )
        for _, row in rows.iterrows()
    )
    tables = {checksum for variant in variants for checksum in variant.results.values("truth_checksum")}
    if len(tables) > 1:
        raise RowsError(f"{folder} mixes the truth tables {' and '.join(sorted(tables))}: each needs its own folder")
    return StudyResults(str(names[0]), variants)


def _check_factors(path: Path, name: str, rows: pd.DataFrame) -> None:
    study = studies.load(name)
    for column, form in study.factors.items():
        if column not in rows:
            raise RowsError(f"{path} has no column {column!r}: it was not written by this program, or was edited")
        for value in map(str, rows[column]):
            if not re.fullmatch(form, value):
                raise RowsError(f"{path}: {value!r} in column {column!r} is none of this program's: was it edited?")
    if complaint := study.complaint(rows.astype(str)):
        raise RowsError(f"{path} {complaint}")
    if not (twice := rows["variant"][rows["variant"].duplicated()]).empty:
        raise RowsError(f"{path} names the variant {twice.iloc[0]} twice: remove all but one")


def write_study(folder: Path, describe: Describe | None = None) -> list[Path]:
    """Writes study.md, study.csv and plots/study.png and .svg into `folder`; returns the written files.

    Raises:
        RowsError: where the rows are missing or wrong.
    """
    with any_backend():  # matplotlib is slow to import
        from reports.plots import style

    results = read_study(folder, describe)
    study = studies.load(results.name)
    refuse_link(folder / "plots")
    make_folder(folder / "plots")
    with style.house_style():
        plot = study.picture(results)
        images = style.images_of(plot)
    written = [write_file(folder / "plots" / f"study.{suffix}", image) for suffix, image in images.items()]
    table, text = study.table(results)
    written.append(write_file(folder / "study.csv", csv_bytes(table, "%.4f")))
    parts = [f"# {study.question}", _facts(results), *_warnings(results), text]
    parts.append(f"![{plot.caption}](plots/study.png)\n\n*{plot.caption}*")
    written.append(write_file(folder / "study.md", ("\n\n".join(parts) + "\n").encode("utf-8", "backslashreplace")))
    return written


def _facts(study: StudyResults) -> str:
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


def _warnings(study: StudyResults) -> list[str]:
    found = [warning for variant in study.variants for warning in failures_warning(variant.results, variant.name)]
    found += digits_warning(variant.results for variant in study.variants)
    if min(study.counts) < FEW_SEEDS:
        found.append(("Few seeds prove little.", f"With {study.seeds} a mean can turn with the next seed."))
    return quoted(found)
