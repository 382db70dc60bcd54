"""What `benchmark methods` prints."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import tomlkit

from benchmark.settings import PRESETS, ProblemSettings, preset_documents, read_preset, table_of
from data.splits import HALVES
from methods import registry


def overview() -> str:
    """A line a method; of those that cannot be used, with the reason."""
    points, broken = registry.registered()
    lines = []
    for name in sorted(points):
        try:
            lines.append(f"{name:<15} {first_line(registry.load(name))}".rstrip())
        except registry.MethodError as error:
            broken[name] = str(error)
    if broken:
        lines += ["", "Installed, but not to be used:"]
        lines += [f"{registry.shown(name)}: {reason}" for name, reason in sorted(broken.items())]
    return "\n".join([*lines, "", "benchmark methods NAME shows a method's settings, their values and sources."])


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
    lines += _of_presets({preset: written_split(preset_documents(preset), name) for preset in PRESETS})
    meanings = field_docs(method.Settings)
    for field in dataclasses.fields(method.Settings):
        lines += ["", f"{name}.{field.name}", *textwrap.wrap(meanings.get(field.name, ""), 110)]
        lines += _of_presets({preset: preset_value(preset, [name, field.name]) for preset in PRESETS})
        if field.default is not dataclasses.MISSING:
            lines.append(f"    default {field.default!r}")
    if method.follows:
        lines += ["", f"the supernet's settings are those of {method.follows}, except"]
        for preset in PRESETS:
            for key in table_of(read_preset(preset), name).get("supernet", {}):
                value, reason = preset_value(preset, [name, "supernet", key])
                lines.append(f"    {preset:<6} {f'{key} = {value}':<26} {reason}")
    return "\n".join(lines)


def _of_presets(found: Mapping[str, tuple[str | None, str]]) -> list[str]:
    """A line a value, with the presets that have it and where it comes from."""
    presets: dict[tuple[str, str], list[str]] = {}
    for preset, (value, reason) in found.items():
        if value is not None:
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


def preset_value(preset: str, path: list[str]) -> tuple[str | None, str]:
    """A setting's value in a preset as written there, and the comment behind it; None where it is not set."""
    return written_value(preset_documents(preset), path)


def written_value(documents: Sequence[tomlkit.TOMLDocument], path: list[str]) -> tuple[str | None, str]:
    """As `preset_value`, of a preset's documents that are read already."""
    section = path[0]
    while True:
        for document in documents:
            item: Any = document
            for key in (section, *path[1:]):
                item = item.item(key) if key in item else {}
            if item != {}:
                return item.as_string(), item.trivia.comment.lstrip("# ")
        model = next((document[section]["like"] for document in documents if "like" in document.get(section, {})), None)
        if model is None:
            return None, ""
        section = model


def written_split(documents: Sequence[tomlkit.TOMLDocument], method: str) -> tuple[str, str]:
    """The split that a preset has for a method, and the comment behind it."""
    for document in documents:
        item: Any = document.get("problem", {})
        for key in ("split", method):
            if isinstance(item, Mapping):
                item = item.item(key) if key in item else {}  # type: ignore[attr-defined]
        if item != {}:
            return str(item.unwrap()), item.trivia.comment.lstrip("# ")
    return HALVES, ""
