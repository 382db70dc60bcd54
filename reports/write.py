"""Writes the report of a results folder into that folder, from its rows alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from data.folder import make_folder, refuse_link, write_atomically
from reports import RowsError
from reports.child import any_backend, follow_parent
from reports.latex import summary_latex
from reports.method_facts import Describe
from reports.page import Figure, report_html
from reports.plots import PLOTS
from reports.provenance import read_provenance
from reports.replication import replication_markdown, replications
from reports.results import Results, read_results
from reports.rows import csv_bytes
from reports.summary import Tables, summary_markdown
from reports.tables import comparisons, summary


class PlotFiles(NamedTuple):
    """A plot as files."""

    caption: str
    images: dict[str, bytes]
    """By suffix."""


def write_report(
    folder: Path, methods: Sequence[str] | None = None, jobs: int = 1, describe: Describe | None = None
) -> list[Path]:
    """Writes report.html, summary.md, .csv and .tex, comparisons.csv, paper-vs-ours.md and .csv, and plots/ into
    `folder`; returns the written files.

    The methods come in the order given, else in that of their first row. A plot that these rows have nothing for is
    not written, one of an earlier report is removed, and summary.md says why.

    Args:
        jobs: processes that draw the plots, which are the same by however many. With more than one, a script that
            calls this must be safe to import, as for every use of `multiprocessing`.
        describe: as for `read_results`.

    Raises:
        RowsError: where the rows are missing or wrong, or the provenance is damaged.
    """
    results = read_results(folder, methods, describe)
    provenance = read_provenance(folder)
    refuse_link(folder / "plots")
    make_folder(folder / "plots")
    written: list[Path] = []
    figures: list[Figure] = []
    skipped: dict[str, str] = {}
    with ExitStack() as stack:
        drawings = _drawings(results, jobs, stack)
        tables = Tables(summary(results), comparisons(results), replications(results))
        for name, drawn in zip(PLOTS, _all_of(drawings), strict=True):
            if isinstance(drawn, str):
                skipped[name] = drawn
                for suffix in ("png", "svg"):
                    (folder / "plots" / f"{name}.{suffix}").unlink(missing_ok=True)
                continue
            for suffix, image in drawn.images.items():
                written.append(write_file(folder / "plots" / f"{name}.{suffix}", image))
            figures.append(Figure(name, drawn.caption, drawn.images["svg"]))
    for name, table, numbers in (
        ("summary", tables.summary, "%.4f"),
        ("comparisons", tables.comparisons, "%.6g"),  # a small p keeps its digits
        ("paper-vs-ours", tables.replications, "%.4f"),
    ):
        content = csv_bytes(table, numbers)
        written.append(write_file(folder / f"{name}.csv", content))
    pictures = [(f"plots/{figure.name}.png", figure.caption) for figure in figures]
    for file, text in (
        ("summary.tex", summary_latex(results, tables.summary)),
        ("paper-vs-ours.md", replication_markdown(results, tables.replications)),
        ("summary.md", summary_markdown(results, tables, pictures, skipped)),
        ("report.html", report_html(results, tables, figures, skipped, provenance)),
    ):
        written.append(write_file(folder / file, text.encode("utf-8", "backslashreplace")))
    return written


def _drawings(results: Results, jobs: int, stack: ExitStack) -> Iterator[PlotFiles | str]:
    """The plots in their order, drawn side by side where that is asked for and the system has room for it."""
    if jobs > 1:
        with suppress(OSError, ImportError, NotImplementedError):  # as where /dev/shm cannot be written to
            return stack.enter_context(_pool(jobs)).map(partial(draw, results), PLOTS)
    return map(partial(draw, results), PLOTS)  # each when it is asked for


def draw(results: Results, name: str) -> PlotFiles | str:
    """The plot in the house style, or why there is none."""
    with any_backend():  # matplotlib is slow to import
        from reports import plots
        from reports.plots import marks, style

    with style.house_style():
        try:
            plot = plots.draw(name, results)
        except marks.NotDrawn as reason:
            return str(reason)
        return PlotFiles(plot.caption, style.images_of(plot))


def _all_of(drawings: Iterator[PlotFiles | str]) -> Iterator[PlotFiles | str]:
    """The drawings, as they come.

    Raises:
        RowsError: where a process of the pool was ended from outside.
    """
    try:
        yield from drawings
    except BrokenProcessPool:
        raise RowsError("a process that drew plots was ended from outside; write the report again") from None


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(min(jobs, len(PLOTS)), get_context("spawn"), follow_parent)


def write_file(path: Path, content: bytes) -> Path:
    """Writes `content` to `path` in one step: a reader sees the old file or the new one, never a part."""
    write_atomically(path, content)
    return path
