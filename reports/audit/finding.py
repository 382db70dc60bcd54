"""What an audit finds in a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from spaces import Cell

Kind = Literal["impossible", "one-cell", "few-cells", "edition", "misquoted", "copied", "order"]

KINDS: dict[Kind, str] = {
    "impossible": "no cells of the benchmark have these numbers",
    "one-cell": "all columns agree with one cell to the printed digits",
    "few-cells": "mean and deviation are those of very few cells",
    "edition": "another edition of the benchmark, or of its baselines",
    "misquoted": "near to the numbers of its source, but not equal",
    "copied": "the same numbers as in another row",
    "order": "columns that seem to be swapped",
}
"""What each kind means."""

Severity = Literal["error", "warning", "note"]

SEVERITIES: dict[Severity, str] = {
    "error": "cannot be, whatever was run",
    "warning": "chance or an honest run hardly does this, or it depends on what the table leaves out",
    "note": "worth a word in the paper; it may well be right",
}
"""How much a finding asks for, the most first."""


@dataclass(frozen=True)
class Finding:
    """One finding in one row."""

    row: int
    """Place in the table's rows."""
    kind: Kind
    severity: Severity
    columns: tuple[str, ...]
    """The metrics that it is about."""
    evidence: str
    """The numbers that speak for it, and with which probability chance does the same where that can be said."""
    sentence: str
    """What a reviewer could paste."""
    cells: tuple[Cell, ...] = ()
    digits: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By metric, the places in the printed mean that differ from the source."""
