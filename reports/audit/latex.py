"""The tables of a LaTeX file, as papers write them, as rows of plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from reports.audit import TableError

_ENVIRONMENTS = r"(?:tabular[*xy]?|tabulary|longtable\*?|tabu)"
_BEGIN, _END = (re.compile(rf"\\{word}\{{{_ENVIRONMENTS}\}}") for word in ("begin", "end"))
_RULES = re.compile(
    r"\\(?:toprule|midrule|bottomrule|hline|Xhline|firsthline|lasthline|endhead|endfirsthead|endfoot|endlastfoot|"
    r"cmidrule|cline|specialrule|addlinespace|rowcolor|noalign|arrayrulecolor|morecmidrules|hdashline|cdashline|"
    r"tabucline|hhline)(?![A-Za-z])\*?"
)
_ARGUMENTS = r"(?:\s*(?:\([^)]{0,100}\)|\[[^\]]{0,100}\]|\{[^}]{0,200}\}))*"
_DROPPED = {
    *(
        "cite",
        "citep",
        "citet",
        "citealp",
        "citeauthor",
        "citeyear",
        "ref",
        "cref",
        "label",
        "footnote",
        "footnotemark",
    ),
    *(
        "citeauthor",
        "tablefootnote",
        "tnote",
        "textsuperscript",
        "phantom",
        "hphantom",
        "vspace",
        "hspace",
        "color",
        "cellcolor",
    ),
    *("rowcolor", "fontsize", "rule", "raisebox", "thanks", "url"),
}
"""Commands that go with all their arguments."""

_SECOND = {"textcolor": 2, "href": 2, "scalebox": 2, "colorbox": 2, "multicolumn": 3, "multirow": 3, "rotatebox": 2}
"""Commands of which that argument alone is text."""

_SYMBOLS = {
    **{"pm": "±", "alpha": "α", "beta": "β", "lambda": "λ", "Lambda": "Λ", "epsilon": "ε", "sigma": "σ", "times": "×"},
    **{"%": "%", "&": "&", "_": "_", "#": "", "$": "", "{": "", "}": "", "-": "", "/": "", "textendash": "–"},
    **{"textemdash": "—", "textpm": "±", "checkmark": "✓", "quad": " ", "qquad": " ", "newline": " ", "mathpm": "±"},
    **{",": " ", ";": " ", ":": " ", "!": "", " ": " ", "\\": " ", "slash": "/", "cdot": "·", "backslash": ""},
}
"""Commands that stand for a sign; every other one goes, and leaves its arguments."""


MOST_ROWS = 1_000
"""Of a table."""


class _Cell(NamedTuple):
    text: str
    columns: int
    rows: int


def tabulars(text: str, name: str) -> Iterator[list[tuple[int, list[str]]]]:
    """Each tabular as rows: the line on which a row begins, and its cells as plain text. A cell over several columns or
    rows stands in each of them.

    Raises:
        TableError: where one does not end, or a brace does not close; says the line.
    """
    text = re.sub(r"(?<!\\)((?:\\\\)*)%.*", r"\1", text)  # comments; their lines stay
    position = 0
    while begin := _BEGIN.search(text, position):
        line = text.count("\n", 0, begin.start()) + 1
        end = _matching_end(text, begin.end())
        if end is None:
            raise TableError(f"{name}, line {line}: the tabular that begins here does not end")
        body = begin.end()
        arguments = 2 if re.match(r"\\begin\{(?:tabular[*xy]|tabulary)", begin.group()) else 1
        for _ in range(arguments):
            body = _skip_argument(text, body, name)
        yield _rows(text, body, end.start(), name)
        position = end.end()


def _matching_end(text: str, position: int) -> re.Match[str] | None:
    depth = 1
    either = re.compile(rf"\\(begin|end)\{{{_ENVIRONMENTS}\}}")
    for match in either.finditer(text, position):
        depth += 1 if match[1] == "begin" else -1
        if depth == 0:
            return match
    return None


def _skip_argument(text: str, position: int, name: str) -> int:
    """Behind the next argument in braces, with what is in brackets before it."""
    while match := re.compile(r"\s*\[[^\]]{0,200}\]").match(text, position):
        position = match.end()
    opening = re.compile(r"\s*\{").match(text, position)
    if opening is None:
        raise TableError(f"{name}, line {text.count(chr(10), 0, position) + 1}: a tabular without its columns")
    return _closing(text, opening.end() - 1, name) + 1


def _closing(text: str, opening: int, name: str) -> int:
    """The place of the brace that closes the one at `opening`."""
    depth, place = 0, opening
    while place < len(text):
        character = text[place]
        if character == "\\":
            place += 1
        elif character in "{}":
            depth += 1 if character == "{" else -1
            if depth == 0:
                return place
        place += 1
    raise TableError(f"{name}, line {text.count(chr(10), 0, opening) + 1}: the brace that opens here does not close")


def _rows(text: str, start: int, end: int, name: str) -> list[tuple[int, list[str]]]:
    rows: list[tuple[int, list[str]]] = []
    below: dict[int, tuple[str, int]] = {}  # of each column, the text that goes on in it, and for how many rows
    for count, (line, raw) in enumerate(_raw_rows(text, start, end, name)):
        if count > MOST_ROWS:
            raise TableError(f"{name}, line {line}: a tabular with more than {MOST_ROWS:,} rows is none of a paper")
        cells: list[str] = []
        for written in raw:
            cell = _spanning(written)
            for _ in range(cell.columns):
                place = len(cells)
                above, left = below.get(place, ("", 0))
                cells.append(cell.text or above if left else cell.text)
                if cell.rows > 1:
                    below[place] = (cell.text, cell.rows - 1)
                elif left:
                    below[place] = (above, left - 1)
        if any(cells):
            rows.append((line, cells))
    return rows


def _raw_rows(text: str, start: int, end: int, name: str) -> Iterator[tuple[int, list[str]]]:
    """The rows between two places, split where `&` and `\\\\` stand outside of braces and inner tabulars."""
    depth, inner, place, begun = 0, 0, start, start
    cells: list[str] = []
    first = start
    while place < end:
        character = text[place]
        if character == "\\":
            if match := _BEGIN.match(text, place):
                inner, place = inner + 1, match.end()
            elif match := _END.match(text, place):
                inner, place = inner - 1, match.end()
            elif (text[place + 1 : place + 2] == "\\" and not depth and not inner) or (
                not depth and not inner and re.compile(r"\\(?:tabularnewline|cr)(?![A-Za-z])").match(text, place)
            ):
                yield _row_line(text, first), [*cells, text[begun:place]]
                cells = []
                end_of_row = re.compile(r"\\(?:\\|[A-Za-z]+)\*?\s*(?:\[[^\]\n]*\])?").match(text, place)
                assert end_of_row is not None
                place = end_of_row.end()
                first = begun = place
            else:
                place += 2
            continue
        if character in "{}":
            depth += 1 if character == "{" else -1
            if depth < 0:
                raise TableError(f"{name}, line {text.count(chr(10), 0, place) + 1}: a brace closes that never opened")
        elif character == "&" and not depth and not inner:
            cells.append(text[begun:place])
            begun = place + 1
        place += 1
    if depth:
        raise TableError(f"{name}, line {_row_line(text, first)}: a brace does not close in this row")
    if cells or text[begun:end].strip():
        yield _row_line(text, first), [*cells, text[begun:end]]


def _row_line(text: str, first: int) -> int:
    """The line of the first letter of a row, rules aside."""
    place = first
    while match := re.compile(rf"\s+|{_RULES.pattern}{_ARGUMENTS}").match(text, place):
        if match.end() == place:
            break
        place = match.end()
    return text.count("\n", 0, place) + 1


def _spanning(written: str) -> _Cell:
    """A cell with the columns and rows that it covers."""
    bare = re.sub(rf"{_RULES.pattern}{_ARGUMENTS}", " ", written).strip()
    columns = rows = 1
    if match := re.search(r"\\multicolumn\s*\{\s*(\d{1,2})\s*\}", bare):
        columns = max(1, int(match[1]))
    if match := re.search(r"\\multirow\s*(?:\[[^\]]*\])?\s*\{\s*(\d{1,2})\s*\}", bare):
        rows = max(1, int(match[1]))
    return _Cell(plain(bare), columns, rows)


def plain(text: str) -> str:
    """What a reader sees of a piece of LaTeX: no commands, no braces, no superscripts, blanks in one width."""
    return " ".join(_Plain(text).text().split())


class _Plain:
    """A walk through a piece of LaTeX, group by group."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.place = 0

    def text(self) -> str:
        pieces: list[str] = []
        while self.place < len(self.source):
            pieces.append(self.piece())
        return "".join(pieces)

    def piece(self) -> str:
        character = self.source[self.place]
        self.place += 1
        if character == "\\":
            return self.command()
        if character == "^":
            raised = self.argument()
            return plain(raised) if re.search(r"\\pm(?![A-Za-z])|±", raised) and _shallow(raised) else ""
        if character == "-" and self.source.startswith("-", self.place):
            self.place += 1
            return "–"
        return {"$": "", "{": "", "}": "", "_": "" if self.source[self.place : self.place + 1] in "{±\\" else "_"}.get(
            character, " " if character == "~" else character
        )

    def command(self) -> str:
        match = re.compile(r"[A-Za-z]+\*?|.?", re.DOTALL).match(self.source, self.place)
        assert match is not None
        self.place = match.end()
        name = match.group().removesuffix("*")
        if name in ("begin", "end"):
            self.argument()
            if name == "begin":
                self.options()
                self.argument()  # the columns of an inner tabular
            return ""
        if name in _SYMBOLS:
            return _SYMBOLS[name]
        if name in _DROPPED:
            self.options()
            while self.source[self.place : self.place + 1] == "{":
                self.argument()
            return ""
        if name in _SECOND:
            self.options()
            parts = [self.argument() for _ in range(_SECOND[name])]
            return _Plain(parts[-1]).text() if _shallow(parts[-1]) else ""
        self.options()
        return " " if name and name[0].isalpha() and self.source[self.place : self.place + 1] != "{" else ""

    def options(self) -> None:
        while match := re.compile(r"\[[^\]]{0,200}\]").match(self.source, self.place):
            self.place = match.end()

    def argument(self) -> str:
        """The next group without its braces, or the next sign or command."""
        rest = re.compile(r"\s*").match(self.source, self.place)
        assert rest is not None
        self.place = rest.end()
        if not self.source.startswith("{", self.place):
            match = re.compile(r"\\[A-Za-z]+|\\?.?", re.DOTALL).match(self.source, self.place)
            assert match is not None
            self.place = match.end()
            return match.group()
        depth, start = 0, self.place + 1
        while self.place < len(self.source):
            character = self.source[self.place]
            if character == "\\":
                self.place += 1
            elif character in "{}":
                depth += 1 if character == "{" else -1
            self.place += 1
            if depth == 0:
                return self.source[start : self.place - 1]
        return self.source[start:]


def _shallow(text: str) -> bool:
    """Whether groups lie in each other as deep as a person would write them, and not to fill the stack."""
    return text.count("{") < 100
