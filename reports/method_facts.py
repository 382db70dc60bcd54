"""What the methods of a results folder say of themselves: `methods.json`, by the methods' names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from data.published import Published
from reports import RowsError
from reports.rows import readable
from spaces import Cell, CellError

FILE = "methods.json"


@dataclass(frozen=True)
class MethodFacts:
    """Of one method; of one that the file lacks, as in folders of earlier versions, nothing is known."""

    title: str = ""
    """The name that papers give it; "" for one that goes by its own."""
    score_name: str = ""
    """What it ranks the cells by, with the unit; "" where it scores none or does not say."""
    family: str = ""
    year: int | None = None
    source: str = ""
    """The paper and the program that its defaults follow."""
    published: tuple[Published, ...] = ()
    """The published numbers that its runs are held against."""
    published_cell: str | None = None
    """Where those are all of one cell, and of no other: that cell."""


Describe = Callable[[str], MethodFacts | None]
"""What is known of a method, by its name; None where nothing is."""


def read_method_facts(folder: Path) -> dict[str, MethodFacts]:
    """By method; nothing where the folder has no `methods.json`.

    Raises:
        RowsError: where the file is damaged.
    """
    path = folder / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, MethodFacts])
        return {method: _readable(facts) for method, facts in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, CellError, msgspec.DecodeError) as error:
        raise RowsError(
            f"{path} cannot be read ({str(error)[:200]}); remove it, and the methods that are installed are "
            "asked instead"
        ) from None


def encoded(facts: Mapping[str, MethodFacts]) -> bytes:
    """The content of `methods.json`."""
    return msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n"


def title(facts: Mapping[str, MethodFacts], method: str) -> str:
    """The name a method has in the tables and plots; a selection over another's supernet as `β-DARTS + PT`."""
    start, plus, selection = method.rpartition("+")
    if plus:
        return f"{title(facts, start)} + {title(facts, selection).removeprefix('DARTS-')}"
    return (facts[method].title if method in facts else "") or method


def _readable(facts: MethodFacts) -> MethodFacts:
    """The same, of texts that no page takes for more than text."""
    if facts.published_cell is not None:
        Cell.parse(facts.published_cell)
    return replace(
        facts,
        title=readable(facts.title),
        score_name=readable(facts.score_name),
        family=readable(facts.family),
        source=readable(facts.source),
        published=tuple(
            replace(fact, metric=readable(fact.metric), source=readable(fact.source), note=readable(fact.note))
            for fact in facts.published
        ),
    )
