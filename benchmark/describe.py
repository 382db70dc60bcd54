"""What `benchmark methods` prints."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmark.settings import (
    PRESETS,
    ProblemSettings,
    Table,
    read_preset,
    reason_of,
    reason_of_problem,
    table_of,
    written,
)
from data.splits import HALVES
from methods import registry

if TYPE_CHECKING:
    from methods.search import Search


def overview() -> str:
    """The methods by family, each with its year, what it is, and its paper and program; of those that cannot be used,
    with the reason."""
    points, broken = registry.registered()
    families: dict[str, list[tuple[str, type[Search]]]] = {}
    for name in sorted(points):
        try:
            method = registry.load(name)
        except registry.MethodError as error:
            broken[name] = str(error)
        else:
            families.setdefault(_plain(method.family) or "of no family", []).append((name, method))
    width = max((len(name) for methods in families.values() for name, _ in methods), default=0)
    lines = []
    for family in sorted(families, key=lambda family: (FAMILIES.index(family) if family in FAMILIES else 99, family)):
        lines += [family, *(line for entry in families[family] for line in _entry(*entry, width)), ""]
    if broken:
        lines += ["Installed, but not to be used:"]
        lines += [*(f"{registry.shown(name)}: {reason}" for name, reason in sorted(broken.items())), ""]
    return "\n".join([*lines, "benchmark methods NAME shows a method's settings, their values and sources."])


FAMILIES = ("gradient", "one-shot", "selection", "zero-cost", "table", "measurement")
"""The order in which families are shown; others come after them."""


def _entry(name: str, method: type[Search], width: int) -> list[str]:
    """Two lines of a method."""
    year = method.year if isinstance(method.year, int) else ""
    return [
        f"  {name:<{width}}  {year:<4}  {first_line(method)}".rstrip(),
        f"  {'':<{width + 6}}  {_plain(method.source)}",
    ]


def _plain(text: object) -> str:
    """A third party's text as a terminal can show it."""
    return "".join(letter for letter in str(text) if letter.isprintable())


def describe(name: str) -> str:
    """A method's source and, for each preset, its settings with their meaning and where the value comes from.

    Raises:
        MethodError: where there is no such method.
    """
    method = registry.load(name)
    lines = [f"{name}: {first_line(method)}", f"source: {method.source}"]
    if method.follows:
        lines.append(f"starts from the trained supernet of: {method.follows}")
    if method.needs_truth:
        lines.append("searches on the table of true accuracies itself, which no other method is given")
    lines += ["", "problem.split", *textwrap.wrap(field_docs(ProblemSettings)["split"], 110)]
    presets = {preset: read_preset(preset) for preset in PRESETS}
    values = {preset: table_of(tables, name) for preset, tables in presets.items()}
    lines += _of_presets({preset: split_in(tables, name) for preset, tables in presets.items()})
    meanings = field_docs(method.Settings)
    for key in (field.name for field in dataclasses.fields(method.Settings)):
        lines += ["", f"{name}.{key}", *textwrap.wrap(meanings.get(key, ""), 110)]
        lines += _of_presets(
            {
                preset: (written(values[preset][key]), reason_of(tables, name, key) or "an option, at its default")
                for preset, tables in presets.items()
                if key in values[preset]
            }
        )
    if method.follows:
        lines += ["", f"the supernet's settings are those of {method.follows}, except"]
        for preset, tables in presets.items():
            for key, value in values[preset]["supernet"].items():
                lines.append(f"    {preset:<6} {f'{key} = {written(value)}':<26} {reason_of(tables, name, key, True)}")
    return "\n".join(lines)


def _of_presets(found: Mapping[str, tuple[str, str]]) -> list[str]:
    """A line a value, with the presets that have it and where it comes from."""
    presets: dict[tuple[str, str], list[str]] = {}
    for preset, (value, reason) in found.items():
        presets.setdefault((value, reason), []).append(preset)
    return [f"    {', '.join(who):<20} {value:<14} {reason}" for (value, reason), who in presets.items()]


def first_line(method: type) -> str:
    """The first line of a class' docstring, or of that of the class it is made from. It is read from the source, since
    Python keeps none with -OO."""
    for cls in method.__mro__:
        definition = _definition(cls)
        text = (ast.get_docstring(definition) if definition else None) or cls.__dict__.get("__doc__")
        if isinstance(text, str) and text.strip() and cls is not object:
            line = text.strip().partition("\n")[0]
            return "".join(letter for letter in line if letter.isprintable())
    return ""


def _definition(cls: type) -> ast.ClassDef | None:
    """The source of a class; None where it has none that can be read, as a third party's may not."""
    try:
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    return definition if isinstance(definition, ast.ClassDef) else None


def field_docs(settings: type) -> dict[str, str]:
    """The string literal under each field of a dataclass and its bases, by field."""
    docs: dict[str, str] = {}
    for cls in reversed(settings.__mro__):
        if not dataclasses.is_dataclass(cls) or (definition := _definition(cls)) is None:
            continue
        for field, doc in zip(definition.body, definition.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                match doc:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        docs[field.target.id] = " ".join(text.split())
    return docs


def split_in(tables: Table, method: str) -> tuple[str, str]:
    """The split that a preset has for a method, and where it comes from."""
    asked = tables["problem"].get("split", HALVES)
    if isinstance(asked, str):
        return asked, reason_of_problem(tables, "split") or "the program's default"
    if method in asked:
        return asked[method], "as in the preset"
    of_protocol = registry.load(method)
    return of_protocol.split, of_protocol.split_source or "the program's default"
