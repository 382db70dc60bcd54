"""`audit.html`: the findings, and the table as given with its offending numbers marked."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from reports.audit.finding import KINDS, SEVERITIES, Finding, Severity
from reports.audit.heads import title
from reports.audit.report import BOUNDS, CAVEAT, counted, not_read
from reports.audit.table import Row, Table
from reports.page import asset, cell_symbol, document
from spaces import Cell

SIGNS = {"error": "✗", "warning": "!", "note": "?"}
"""Tells a severity without its colour."""

MOST_DRAWN = 4
"""So many cells of a finding are drawn; the others are in its evidence or in audit.csv."""


def audit_html(table: Table, findings: Sequence[Finding], truth: str) -> str:
    """The text of `audit.html`; the same from the same table."""
    sections = {
        "table": ("The table as given", _table_part(table, findings)),
        "findings": ("Findings", _findings_part(table, findings)),
        "sentences": ("In words for a review", _sentences_part(findings)),
        "reading": ("How to read this", _reading_part(table, truth)),
    }
    return document(
        "audit.html",
        title=f"What {table.file} says for itself",
        heading=f"What {table.file} says for itself",
        lede=f"{counted(table, findings)} {CAVEAT}",
        contents={name: heading for name, (heading, _) in sections.items()},
        sections={name: html for name, (_, html) in sections.items()},
        more_style=asset("audit.css"),
        footer=f"Written by Replica-201 from {table.file}. {truth}.",
    )


def _table_part(table: Table, findings: Sequence[Finding]) -> str:
    head = "".join(f'<th scope="col"{_word(place)}>{escape(name)}</th>' for place, name in enumerate(table.heads))
    lines = []
    for place, row in enumerate(table.rows):
        of_row = [(number, finding) for number, finding in enumerate(findings, 1) if finding.row == place]
        cells = [f'<th scope="row" class="word">{_name(row)}</th>']
        for column, metric in enumerate(table.columns[1:], start=1):
            marks = [(number, finding) for number, finding in of_row if metric in finding.columns]
            cells.append(f"<td>{_marked(row, column, metric, marks)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>\n")
    note = (
        "A number is marked by the gravest of its findings; the small figures lead to them. Digits that differ from a "
        "source are underlined."
    )
    return (
        '<div class="scroll" role="region" tabindex="0" aria-labelledby="as-given">\n<table>\n'
        f'<caption id="as-given" class="hidden">{escape(table.file)}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f'<tbody>\n{"".join(lines)}</tbody>\n</table>\n</div>\n<p class="note">{note}</p>'
    )


def _name(row: Row) -> str:
    return escape(row.name) + (f' <span class="source">{escape(row.source)}</span>' if row.source else "")


def _marked(row: Row, column: int, metric: str | None, marks: Sequence[tuple[int, Finding]]) -> str:
    text = row.texts[column] if column < len(row.texts) else ""
    if not marks or metric is None:
        return escape(text)
    gravest = min((finding.severity for _, finding in marks), key=list(SEVERITIES).index)
    digits = {place for _, finding in marks for place in finding.digits.get(metric, ())}
    start = text.find(row.numbers[metric].mean)
    letters = [
        f"<u>{escape(letter)}</u>" if start >= 0 and place - start in digits else escape(letter)
        for place, letter in enumerate(text)
    ]
    links = " ".join(f'<a href="#finding-{number}" title="{finding.kind}">{number}</a>' for number, finding in marks)
    return f'<mark class="{gravest}">{"".join(letters)}</mark><sup>{links}</sup>'


def _findings_part(table: Table, findings: Sequence[Finding]) -> str:
    if not findings:
        return "<p>None: nothing in these numbers speaks against them. That is no proof that they are right.</p>"
    drawn = list(dict.fromkeys(cell for finding in findings for cell in finding.cells[:MOST_DRAWN]))
    names = {cell: f"cell-{place}" for place, cell in enumerate(drawn)}
    lines = []
    for number, finding in enumerate(findings, 1):
        row = table.rows[finding.row]
        pictures = "".join(_drawing(cell, names[cell]) for cell in finding.cells[:MOST_DRAWN])
        cells = (
            f'<th scope="row" class="word" id="finding-{number}">{number}</th>'
            f'<td class="word">{_name(row)}</td>'
            f'<td class="word">{finding.kind}</td>'
            f'<td class="word">{_severity(finding.severity)}</td>'
            f'<td class="word text">{escape(", ".join(map(title, finding.columns)))}</td>'
            f'<td class="word text evidence">{_breakable(finding.evidence)}</td><td>{pictures}</td>'
        )
        lines.append(f"<tr>{cells}</tr>\n")
    head = "".join(
        f'<th scope="col" class="word"{" data-fixed" * (name == "Drawn")}>{name}</th>'
        for name in ("No.", "Row", "Finding", "Severity", "Columns", "Evidence", "Drawn")
    )
    symbols = "".join(cell_symbol(cell, name) for cell, name in names.items())
    return (
        f'<svg width="0" height="0" style="position:absolute" aria-hidden="true">{symbols}</svg>\n'
        '<div class="scroll" role="region" tabindex="0" aria-labelledby="all-findings">\n<table>\n'
        f'<caption id="all-findings" class="hidden">Findings</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{''.join(lines)}</tbody>\n</table>\n</div>\n"
        '<p class="note">In the small drawings the input is at the left and the output at the right: thick lines are '
        "3×3 convolutions, thin ones 1×1, dashed ones skip connections, dotted ones poolings.</p>"
    )


def _drawing(cell: Cell, name: str) -> str:
    return (
        f'<svg class="cell" viewBox="0 0 76 52" role="img" aria-label="{escape(str(cell))}"><use href="#{name}"/></svg>'
    )


def _breakable(text: str) -> str:
    return escape(text).replace("|+|", "|+<wbr>|")


def _sentences_part(findings: Sequence[Finding]) -> str:
    if not findings:
        return "<p>None.</p>"
    items = "".join(f"<li>{_breakable(finding.sentence)}</li>" for finding in findings)
    return f"<p>{escape(CAVEAT)}</p>\n<ol>{items}</ol>"


def _reading_part(table: Table, truth: str) -> str:
    kinds = "".join(f"<dt>{kind}</dt><dd>{escape(meaning)}</dd>" for kind, meaning in KINDS.items())
    severities = "".join(
        f"<dt>{_severity(name)}</dt><dd>{escape(meaning)}</dd>" for name, meaning in SEVERITIES.items()
    )
    return (
        f"<p>{escape(not_read(table))} Truth: {escape(truth)}. {escape(BOUNDS)}</p>\n"
        f"<h3>Findings</h3>\n<dl>{kinds}</dl>\n<h3>Severities</h3>\n<dl>{severities}</dl>"
    )


def _severity(name: Severity) -> str:
    return f'<span class="{name}">{SIGNS[name]} {name}</span>'


def _word(place: int) -> str:
    return ' class="word"' if place == 0 else ""
