"""What the installed methods say of themselves, for the reports, which import none of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from data.folder import write_atomically
from data.published import Published
from methods import registry
from methods.search import Search
from reports.method_facts import FILE, MethodFacts, encoded, read_method_facts


def write_method_facts(folder: Path, methods: Iterable[str]) -> None:
    """Writes `methods.json`: what these methods, where they are installed, say of themselves now, beside what the file
    says of others.

    Raises:
        RowsError: where the file is damaged.
    """
    found = read_method_facts(folder)
    for method in dict.fromkeys(methods):
        found |= {name: facts_of(cls) for name, cls in _stages(method)}
    write_atomically(folder / FILE, encoded(dict(sorted(found.items()))))


def installed(name: str) -> MethodFacts | None:
    """What the method called `name` says of itself; None where there is none that can be used."""
    try:
        return facts_of(registry.load(name))
    except registry.MethodError:
        return None


def published_numbers() -> dict[str, Sequence[Published]]:
    """Of every installed method that can be used, the numbers that its paper reports."""
    found: dict[str, Sequence[Published]] = {}
    for name in registry.names():
        with suppress(registry.MethodError):
            found[name] = registry.load(name).published
    return found


def facts_of(method: type[Search]) -> MethodFacts:
    """What a method's class says of it."""
    return MethodFacts(
        title=method.title,
        score_name=method.score_name,
        family=method.family,
        year=method.year,
        source=method.source,
        published=tuple(method.published),
        published_cell=None if method.published_cell is None else str(method.published_cell),
    )


def _stages(method: str) -> Iterator[tuple[str, type[Search]]]:
    """The methods whose names stand in the rows of a run of `method`: itself or the parts of `A+B`, and what it starts
    from. What is not installed is left out."""
    for part in method.split("+"):
        with suppress(registry.MethodError):
            cls = registry.load(part)
            yield part, cls
            if cls.follows:
                yield from _stages(cls.follows)
