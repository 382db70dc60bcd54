"""The cells of a table as plain text, out of CSV, Markdown or LaTeX; what they mean is for `table`."""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Iterator
from typing import NamedTuple

from reports.audit import TableError
from reports.audit.latex import plain, tabulars

MOST_BYTES = 1_000_000
"""Of a file; a paper's whole source is smaller."""

LONGEST_LINE = 10_000
"""Letters of a line in CSV or Markdown."""


class Line(NamedTuple):
    """A row of a table."""

    number: int
    """Of the line in the file on which it begins."""
    cells: list[str]


class Grid(NamedTuple):
    """One table of a file."""

    lines: list[Line]
    heads: int | None
    """How many of the lines are heads; None where only the numbers tell."""


def read_grids(content: bytes, name: str) -> list[Grid]:
    """Every table of a file; the content tells the format.

    Raises:
        TableError: where there is none, or it is damaged; says which line.
    """
    if len(content) > MOST_BYTES:
        raise TableError(f"{name} is no table of a paper: it has {len(content):,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TableError(f"{name}, line {line}: is not UTF-8; save the table as UTF-8") from None
    if "\0" in text:
        raise TableError(
            f"{name}, line {text.count(chr(10), 0, text.index(chr(0))) + 1}: holds a zero byte; it is no text"
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if r"\begin{tabu" in text or r"\begin{longtable" in text:
        return [Grid([Line(*row) for row in rows], None) for rows in tabulars(text, name)]
    for number, letters in enumerate(map(len, text.split("\n")), 1):
        if letters > LONGEST_LINE:
            raise TableError(f"{name}, line {number}: has {letters:,} letters; a row of a table has fewer")
    grids = list(_markdown(text))
    return grids or [_csv(text, name)]


def _markdown(text: str) -> Iterator[Grid]:
    """Tables as GitHub's Markdown has them: a line of heads, a rule, and rows until a line without a bar."""
    lines = text.split("\n")
    rule = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
    place = 1
    while place < len(lines):
        if "|" in lines[place] and rule.fullmatch(lines[place]) and "|" in lines[place - 1]:
            rows = [Line(place, _bars(lines[place - 1]))]
            place += 1
            while place < len(lines) and "|" in lines[place]:
                rows.append(Line(place + 1, _bars(lines[place])))
                place += 1
            yield Grid(rows, 1)
        place += 1


def _bars(line: str) -> list[str]:
    bare = line.strip().removeprefix("|")
    if bare.endswith("|") and not bare.endswith(r"\|"):
        bare = bare[:-1]
    return [_unmarked(cell.replace(r"\|", "|")) for cell in re.split(r"(?<!\\)\|", bare)]


def _unmarked(text: str) -> str:
    """A cell without the marks of Markdown and HTML, and without its formulas' LaTeX."""
    text = re.sub(r"\[\^?\[?\d*\]?\]\([^)]{0,300}\)|\[\^\w{1,30}\]", "", text)  # references
    text = re.sub(r"!?\[([^\]]{0,300})\]\([^)]{0,300}\)", r"\1", text)
    text = re.sub(r"<br\s*/?>", " ", text)
    text = re.sub(r"<sup>.*?</sup>|<[^<>]{1,200}>", "", text)
    text = re.sub(r"(\*\*|__|~~|`)(?=\S)(.+?)(?<=\S)\1", r"\2", html.unescape(text))
    text = re.sub(r"(?<!\w)([*_])(?=\S)(.+?)(?<=\S)\1(?!\w)", r"\2", text)
    return plain(text) if "$" in text or re.search(r"\\[A-Za-z]", text) else " ".join(text.split())


def _csv(text: str, name: str) -> Grid:
    first = next((line for line in text.split("\n") if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text.split("\n"), delimiter=delimiter, strict=True)
    rows = []
    number = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(Line(number, [" ".join(_unmarked(cell).split()) for cell in cells]))
            number = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"{name}, line {number}: is no CSV ({error})") from None
    if not rows or len(rows[0].cells) < 2:
        raise TableError(
            f"{name}, line {rows[0].number if rows else 1}: holds no table; give a CSV, a Markdown table, or a LaTeX "
            "tabular"
        )
    return Grid(rows, 1)
