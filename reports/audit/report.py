"""The findings as files: `audit.md`, `audit.csv` and `audit.html`."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence

from reports.audit.finding import KINDS, SEVERITIES, Finding
from reports.audit.heads import title
from reports.audit.table import Row, Table
from reports.tables import markdown_table

CAVEAT = "A finding is a question to the authors, not a verdict on them."

BOUNDS = (
    "The accuracies of the cells are the means over all runs, as NATS-Bench has them; NAS-Bench-201's own files hold "
    "fewer runs of many cells, whose means differ by some tenths of a point."
)
"""What all findings rest on."""

CSV_COLUMNS = ("row", "kind", "severity", "columns", "evidence", "cells")
"""Of `audit.csv`; columns and cells are separated by spaces."""


def counted(table: Table, findings: Sequence[Finding]) -> str:
    """One sentence on how much was found."""
    rows = f"{len(table.rows)} row{'s' * (len(table.rows) != 1)}"
    if not findings:
        return f"No findings in {rows}."
    kinds = Counter(finding.kind for finding in findings)
    shown = ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS if kinds[kind])
    hit = len({finding.row for finding in findings})
    return f"{len(findings)} finding{'s' * (len(findings) != 1)} in {hit} of {rows}: {shown}."


def not_read(table: Table) -> str:
    """Which columns were audited as what, and which were not."""
    pairs = zip(table.heads, table.columns, strict=True)
    read = ", ".join(f"“{head}” as {title(metric)}" for head, metric in pairs if metric)
    left = table.left_out
    return f"Read: {read}." + (f" Not read: {', '.join(f'“{head}”' for head in left)}." if left else "")


def audit_markdown(table: Table, findings: Sequence[Finding], truth: str) -> str:
    """The text of `audit.md`."""
    parts = [f"# What {_safe(table.file)} says for itself", f"{counted(table, findings)} **{CAVEAT}**"]
    if findings:
        header = ["No.", "Row", "Finding", "Severity", "Columns", "Evidence"]
        rows = [
            [
                str(number),
                _safe(row_name(table, finding.row)),
                finding.kind,
                finding.severity,
                ", ".join(map(title, finding.columns)),
                _safe(finding.evidence),
            ]
            for number, finding in enumerate(findings, 1)
        ]
        parts += ["## Findings", markdown_table(header, rows, len(header))]
        meanings = {str(name): meaning for of in (KINDS, SEVERITIES) for name, meaning in of.items()}
        used = {name for finding in findings for name in (finding.kind, finding.severity)}
        parts.append("\n".join(f"- *{name}*: {meaning}." for name, meaning in meanings.items() if name in used))
        sentences = [f"{number}. {_safe(finding.sentence)}" for number, finding in enumerate(findings, 1)]
        parts += ["## In words for a review", "\n".join(sentences)]
    heads = [_safe(head) for head in table.heads]
    given = [[_safe(row.name), *_cells(table, place, row, findings)] for place, row in enumerate(table.rows)]
    parts += ["## The table as given", markdown_table(heads, given)]
    parts.append(f"{_safe(not_read(table))} Bold numbers have a finding. Truth: {truth}. {BOUNDS}")
    return "\n\n".join(parts) + "\n"


def audit_csv(table: Table, findings: Sequence[Finding]) -> str:
    """The text of `audit.csv`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for finding in findings:
        name, columns = row_name(table, finding.row), " ".join(finding.columns)
        cells = " ".join(map(str, finding.cells))
        writer.writerow([name, finding.kind, finding.severity, columns, finding.evidence, cells])
    return text.getvalue()


def row_name(table: Table, place: int) -> str:
    """The row's name, with its line where another row has the same."""
    row = table.rows[place]
    alone = sum(other.name == row.name for other in table.rows) == 1
    return row.name if alone else f"{row.name} (line {row.line})"


def _cells(table: Table, place: int, row: Row, findings: Sequence[Finding]) -> list[str]:
    marked = {metric for finding in findings if finding.row == place for metric in finding.columns}
    texts = [*row.texts[1:], *[""] * (len(table.heads) - len(row.texts))]
    return [
        f"**{_safe(text)}**" if metric in marked and text else _safe(text)
        for text, metric in zip(texts, table.columns[1:], strict=True)
    ]


def _safe(text: str) -> str:
    """Text from a table that is no Markdown and no HTML."""
    return re.sub(r"([\\`*_\[\]<|])", r"\\\1", text)
