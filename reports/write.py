"""Writes the report of a results folder into that folder, from its rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data.folder import write_atomically
from reports.html import Figure, report_html
from reports.latex import summary_latex
from reports.provenance import read_provenance
from reports.replication import replication_markdown, replications
from reports.results import read_results
from reports.summary import Tables, summary_markdown
from reports.tables import comparisons, summary


def write_report(folder: Path, methods: Sequence[str] | None = None) -> list[Path]:
    """Writes report.html, summary.md, .csv and .tex, comparisons.csv, paper-vs-ours.md and .csv, and plots/ into
    `folder`; returns the written files.

    The methods come in the order given, else in that of their first row. A plot that these rows have nothing for is
    not written, one of an earlier report is removed, and summary.md says why.

    Raises:
        RowsError: where the rows are missing or wrong, or the provenance is damaged.
    """
    from reports import plots, style  # matplotlib is slow to import

    results = read_results(folder, methods)
    provenance = read_provenance(folder)
    (folder / "plots").mkdir(exist_ok=True)
    written: list[Path] = []
    figures: list[Figure] = []
    skipped: dict[str, str] = {}
    with style.applied():
        for name, plot in plots.draw_all(results):
            if isinstance(plot, plots.NotDrawn):
                skipped[name] = str(plot)
                for suffix in ("png", "svg"):
                    (folder / "plots" / f"{name}.{suffix}").unlink(missing_ok=True)
                continue
            images = style.images_of(plot)
            written += [write_file(folder / "plots" / f"{name}.{suffix}", image) for suffix, image in images.items()]
            figures.append(Figure(name, plot.caption, images["svg"]))
    tables = Tables(summary(results), comparisons(results), replications(results))
    for name, table, numbers in (
        ("summary", tables.summary, "%.4f"),
        ("comparisons", tables.comparisons, "%.6g"),  # a small p keeps its digits
        ("paper-vs-ours", tables.replications, "%.4f"),
    ):
        content = table.to_csv(index=False, float_format=numbers, lineterminator="\n")
        written.append(write_file(folder / f"{name}.csv", content.encode()))
    pictures = [(f"plots/{figure.name}.png", figure.caption) for figure in figures]
    for file, text in (
        ("summary.tex", summary_latex(results, tables.summary)),
        ("paper-vs-ours.md", replication_markdown(results, tables.replications)),
        ("summary.md", summary_markdown(results, tables, pictures, skipped)),
        ("report.html", report_html(results, tables, figures, skipped, provenance)),
    ):
        written.append(write_file(folder / file, text.encode()))
    return written


def write_file(path: Path, content: bytes) -> Path:
    """Puts `content` at `path` in one step: whoever looks sees the old file or the new one, never a part."""
    write_atomically(path, content)
    return path
