"""What a table of published numbers says for itself: each number held against all cells of NAS-Bench-201.

A table is read (`table`, with a reader for each format), its numbers are looked up (`space`), and each kind of finding
has a file of its own. `report` puts the findings into words, `page` on a page.
"""

from reports import RowsError


class TableError(RowsError):
    """A table of published numbers that can't be read; the message says which line, and what to do."""
