"""`benchmark audit`: a table of published numbers against the truth, on the terminal and as files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.cli.shared import a_path, add_data_dir, terminal
from benchmark.outputs import make_out_folder
from data.folder import data_folder

if TYPE_CHECKING:
    from rich.console import Console

    from reports.audit.finding import Finding
    from reports.audit.table import Table

HELP = "check a table of published numbers against all cells of the benchmark"

EXAMPLES = """\
examples:
  python -m benchmark audit table.tex
  python -m benchmark audit table.csv --columns 'C10=cifar10_test' --columns 'C100=cifar100_test' --out out/audit
  python -m benchmark audit errors.md --errors --strict

The first column names the methods; the others are named by a metric, as “CIFAR-10 valid”. Cells are 91.55 ± 0.00,
91.55(0.00), 91.55 or empty; a column “runs” may say how many searches are behind a row. A CSV may also have a line for
each number, in the columns method, dataset, split, mean, std, runs, source."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Hold each number of a published table against all cells of NAS-Bench-201: what is impossible, what is a "
        "single cell, what differs from its source. A finding is a\nquestion to the authors, not a verdict on them."
    )
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    parser.set_defaults(execute=execute)
    parser.add_argument("table", type=a_path, metavar="TABLE", help="CSV, Markdown or LaTeX")
    parser.add_argument(
        "--columns",
        action="append",
        default=[],
        metavar="HEAD=METRIC",
        help="what a column means that its head can't tell: HEAD is the head or the number of the column, METRIC as "
        "cifar10_test, or - to leave it out; for more columns, give it again",
    )
    parser.add_argument("--errors", action="store_true", help="the numbers are errors, not accuracies")
    parser.add_argument(
        "--strict", action="store_true", help="exit code 1 where a number is impossible, however many runs there were"
    )
    parser.add_argument("--out", type=a_path, metavar="DIR", help="write audit.md, audit.csv and audit.html there, too")
    add_data_dir(parser)


def execute(options: argparse.Namespace) -> int:
    """Audit the table; the exit code is 1 where that is asked for and something is impossible."""
    from benchmark.method_facts import published_numbers
    from data.truth import open_truth
    from reports.audit.audit import audit
    from reports.audit.quotes import quotes
    from reports.audit.space import Space
    from reports.audit.table import read_table
    from reports.audit.write import write_audit

    if options.out is not None:
        make_out_folder(options.out)
    table = read_table(options.table, options.columns, options.errors)
    truth = open_truth(None, data_folder(options.data_dir))
    findings = audit(table, Space(truth), quotes(published_numbers()))
    if options.out is not None:
        write_audit(table, findings, truth.label, options.out)
    show(table, findings, terminal())
    return int(options.strict and any(one.kind == "impossible" and one.severity == "error" for one in findings))


def show(table: Table, findings: Sequence[Finding], console: Console) -> None:
    """Print the findings, a row each, and what could not be read."""
    from rich.table import Table as Grid

    from reports.audit.finding import SEVERITIES
    from reports.audit.heads import title
    from reports.audit.report import CAVEAT, counted, not_read, row_name

    if findings:
        grid = Grid(show_lines=True)
        for head in ("Row", "Finding", "Columns", "Evidence"):
            grid.add_column(head, overflow="fold", ratio=3 if head == "Evidence" else 1)
        styles = dict(zip(SEVERITIES, ("bold red", "yellow", ""), strict=True))
        for finding in findings:
            columns = ", ".join(map(title, finding.columns))
            kind = f"{finding.kind} ({finding.severity})"
            name = row_name(table, finding.row)
            grid.add_row(name, kind, columns, finding.evidence, style=styles[finding.severity])
        console.print(grid, soft_wrap=False)
    console.print(not_read(table))
    console.print(f"{counted(table, findings)} {CAVEAT}")
