"""Writes what an audit found into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reports.audit.finding import Finding
from reports.audit.page import audit_html
from reports.audit.report import audit_csv, audit_markdown
from reports.audit.table import Table
from reports.write import write_file


def write_audit(table: Table, findings: Sequence[Finding], truth: str, folder: Path) -> list[Path]:
    """Writes `audit.md`, `audit.csv` and `audit.html` into `folder`; returns their paths.

    Raises:
        DataError: where the folder cannot be written to.
    """
    texts = {
        "audit.md": audit_markdown(table, findings, truth),
        "audit.csv": audit_csv(table, findings),
        "audit.html": audit_html(table, findings, truth),
    }
    return [write_file(folder / name, text.encode()) for name, text in texts.items()]
