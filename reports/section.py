"""A table with its notes, as text cell by cell: what `summary.md` and `report.html` both show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reports.tables import markdown_table


class Section(NamedTuple):
    """The words of one table."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str
    """What is to be read below it; `code` and *emphasis* are marked as in Markdown."""
    left: int = 1
    """The number of columns of words, flush left."""
    references: tuple[int, ...] = ()
    """Rows that are no searches."""
    prose: tuple[str, ...] = ()
    """The columns of longer text, by their heads, flush left too."""

    def markdown(self) -> str:
        """The table and its note, without the title."""
        rows = [[f"*{row[0]}*", *row[1:]] if place in self.references else row for place, row in enumerate(self.rows)]
        return f"{markdown_table(self.header, rows, self.left, self.prose)}\n\n{self.note}"
