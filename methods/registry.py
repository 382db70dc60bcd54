"""The methods there are, by name: every entry point of the group `benchmark.methods`, whoever's package declares it."""

from __future__ import annotations

import dataclasses
import difflib
import re
from importlib.metadata import EntryPoint, distributions, entry_points
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from methods.search import Search

GROUP = "benchmark.methods"

FORM = re.compile(r"(?=.{1,40}\Z)[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""What a method may be called. The name is a part of names of files, of settings, and of tables."""

TAKEN = {
    *("base", "problem", "scale", "why", "like", "optimal"),
    *("false", "inf", "infinity", "na", "nan", "none", "null", "true"),
}
"""Names of that form that mean something else in a preset, or that readers of tables take for something else."""


class MethodError(Exception):
    """An unknown or unusable method; the message says which and what to do."""


class Registered(NamedTuple):
    """What the installed packages declare."""

    points: dict[str, EntryPoint]
    """By name, those that can be asked for."""
    broken: dict[str, str]
    """Of each that cannot, the reason."""


def names() -> list[str]:
    """The names of all installed methods. Nothing of them is imported."""
    return sorted(registered().points)


def registered() -> Registered:
    """All that is declared. Nothing of it is imported."""
    found, broken = _declared()
    values: dict[str, dict[str, EntryPoint]] = {}
    for point in found:
        values.setdefault(point.name, {})[point.value] = point  # a package that is found twice declares it twice
    points = {}
    for name, by_value in values.items():
        if len(by_value) > 1:
            broken[name] = f"{' and '.join(by_value)} all have this name; remove one of them"
        elif FORM.fullmatch(name) is None:
            broken[name] = (
                f"its package ({next(iter(by_value))}) calls it so, and a name has lower-case letters and digits only, "
                "begins with a letter, may join words by '-', and has at most 40 characters"
            )
        elif name in TAKEN:
            broken[name] = f"its package ({next(iter(by_value))}) calls it so, and that name has another meaning"
        else:
            points[name] = next(iter(by_value.values()))
    return Registered(points, broken)


def _declared() -> tuple[list[EntryPoint], dict[str, str]]:
    """The entry points, and of each package whose own cannot be read, why."""
    try:
        return list(entry_points(group=GROUP)), {}
    except Exception:  # one package's file is damaged: without it, then
        points: list[EntryPoint] = []
        broken = {}
        for package in distributions():
            try:
                points += package.entry_points.select(group=GROUP)
            except Exception as error:
                broken[str(package.metadata["Name"])] = f"its entry_points.txt cannot be read ({_said(error)})"
        return points, broken


def load(name: str) -> type[Search]:
    """The class of the method called `name`.

    Raises:
        MethodError: where there is none, or its module fails to import or holds no search.
    """
    points, broken = registered()
    if name not in points:
        if name in broken:
            raise MethodError(f"the method {shown(name)} cannot be used: {broken[name]}")
        close = difflib.get_close_matches(name, points, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(sorted(points))}"
        raise MethodError(f"there is no method called {shown(name)}; {hint}")
    point = points[name]
    try:
        method = point.load()
        reason = _lacking(method)
    except (Exception, SystemExit) as error:
        raise MethodError(
            f"method {name!r} ({point.value}) cannot be loaded: {_said(error)}; repair or remove it"
        ) from error
    if reason:
        raise MethodError(f"method {name!r} ({point.value}) {reason}")
    found: type[Search] = method
    return found


def of_others(name: str) -> bool:
    """Whether a method, or one of those that `A+B` names, comes with another package than this one."""
    return any(not load(part).__module__.startswith("methods.") for part in name.split("+") if part)


def _lacking(method: object) -> str:
    """What a class would need to be a method; empty where it is one."""
    from data.published import Published
    from methods.search import Search
    from spaces import Cell

    if not (isinstance(method, type) and issubclass(method, Search)):
        return "is no subclass of methods.search.Search"
    if missing := sorted(method.__abstractmethods__):
        return f"lacks {', '.join(missing)}, which methods.search.Search asks for"
    settings = getattr(method, "Settings", None)
    if not (isinstance(settings, type) and dataclasses.is_dataclass(settings)):
        return "has no dataclass Settings, which methods.search.Search asks for"
    if not isinstance(getattr(method, "source", None), str):
        return "has no text `source`, which methods.search.Search asks for"
    if not isinstance(getattr(method, "follows", ""), str | None):
        return "has a `follows` that is no name of a method"
    for name, kind, meant in (
        ("title", str, "text"),
        ("family", str, "text"),
        ("score_name", str, "text"),
        ("year", int | None, "whole number"),
        ("published_cell", Cell | None, "cell"),
    ):
        if not isinstance(getattr(method, name), kind):
            return f"has a `{name}` that is no {meant}"
    if not all(isinstance(fact, Published) for fact in method.published):
        return "has a `published` that data.published.reported did not make"
    return ""


def _said(error: BaseException) -> str:
    """What an error says, in one line."""
    try:
        text = " ".join(str(error).split())[:300]
    except Exception:  # whatever raised it may be anybody's
        text = ""
    return "".join(letter for letter in text if letter.isprintable()) or type(error).__name__


def shown(name: str) -> str:
    """A name as a message can hold it, whatever it is."""
    return repr(name) if len(name) <= 60 else f"{name[:60]!r}…"
