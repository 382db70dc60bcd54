"""The methods there are, by name: every entry point of the group `benchmark.methods`, whoever's package declares it."""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from methods.search import Search

GROUP = "benchmark.methods"


class MethodError(Exception):
    """An unknown or unusable method; the message says which and what to do."""


def names() -> list[str]:
    """The names of all installed methods. Nothing of them is imported."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def load(name: str) -> type[Search]:
    """The class of the method called `name`.

    Raises:
        MethodError: where there is none, or its module fails to import or holds no search.
    """
    found = list(entry_points(group=GROUP, name=name))
    if not found:
        close = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(names())}"
        raise MethodError(f"there is no method called {name!r}; {hint}")
    from methods.search import Search

    try:
        method = found[0].load()
    except Exception as error:
        raise MethodError(
            f"method {name!r} ({found[0].value}) cannot be loaded: {error}; repair or remove it"
        ) from error
    if not (isinstance(method, type) and issubclass(method, Search)):
        raise MethodError(f"method {name!r} ({found[0].value}) is no subclass of methods.search.Search")
    return method
