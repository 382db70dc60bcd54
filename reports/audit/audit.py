"""All findings of a table."""

from __future__ import annotations

from collections.abc import Sequence

from reports.audit.copied import copied
from reports.audit.edition import edition, mixed_table
from reports.audit.few_cells import few_cells
from reports.audit.finding import KINDS, Finding
from reports.audit.impossible import impossible
from reports.audit.misquoted import misquoted
from reports.audit.one_cell import one_cell
from reports.audit.order import order
from reports.audit.quotes import REFERENCES, Quote, known_method
from reports.audit.space import Space
from reports.audit.table import Table
from reports.audit.two_runs import two_runs


def audit(table: Table, space: Space, known: Sequence[Quote]) -> list[Finding]:
    """What is found, by row and kind; `known` is what rows may quote."""
    findings: list[Finding] = []
    cells: dict[int, str] = {}
    for place, row in enumerate(table.rows):
        search = known_method(row.name) not in REFERENCES
        of_edition = list(edition(place, row, space, known))
        other = {metric for finding in of_edition if finding.cells for metric in finding.columns}
        bounds = [one for one in impossible(place, row, space) if not set(one.columns) <= other]
        single = list(one_cell(place, row, space)) if search else []
        if single:
            cells[place] = " ".join(min(map(str, finding.cells)) for finding in single)
        findings += [*bounds, *single, *of_edition, *misquoted(place, row, space, known), *order(place, row, space)]
        if search and not single:
            findings += [*few_cells(place, row, space), *two_runs(place, row, space)]
    findings += [*mixed_table(table, known), *copied(table, space, cells)]
    kinds = list(KINDS)
    return sorted(findings, key=lambda finding: (finding.row, kinds.index(finding.kind)))
