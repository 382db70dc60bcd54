"""`report.html`: the tables, plots and provenance of a results folder on one page that needs nothing beside itself."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports import replication
from reports.paragraph import methods_paragraph
from reports.provenance import FACTS, Entry, Provenance, Setting
from reports.results import Results, metric_name, seeds_text
from reports.section import Section
from reports.summary import Tables, facts, summary_sections, warnings
from reports.tables import chosen_cells, count, number
from spaces import NASBENCH201, Cell, Space

VERDICTS = {
    **dict.fromkeys((replication.REPLICATED, replication.AGREES), ("yes", "✓")),
    **dict.fromkeys((replication.NOT_REPLICATED, replication.DIFFERS), ("no", "✗")),
    replication.SO_FAR: ("open", "✓"),
    replication.NOT_SO_FAR: ("open", "✗"),
    **dict.fromkeys((replication.UNDECIDED, replication.NOT_COMPARABLE), ("open", "○")),
}
"""The class and the sign of a verdict, so that a verdict can be read without colours."""


class Figure(NamedTuple):
    """A drawn plot as its files have it."""

    name: str
    caption: str
    svg: bytes


@functools.cache
def _templates() -> Environment:
    pages = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,  # since anything may stand in the rows
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    pages.globals |= {"inline_svg": inline_svg, "slug": _slug, "spans": spans, "zip": zip}
    pages.globals |= {"verdicts": VERDICTS, "verdict_of": lambda text: text.partition(" (n = ")[0]}
    return pages


def document(template: str, **values: object) -> str:
    """A page that needs nothing beside itself, with the style and the script that all share.

    Args:
        template: one that extends `base.html`, which wants `title`, `heading`, `lede` and `contents`.
    """
    pages = _templates()
    style, script = asset("report.css"), asset("report.js")
    values |= {"style": style, "script": script, "integrity": _integrity(script)}
    return pages.get_template(template).render(values)


def asset(name: str) -> str:
    """The text of a file beside the templates."""
    return PackageLoader("reports").get_source(_templates(), name)[0]


def cell_symbol(cell: Cell, name: str) -> str:
    """The small drawing of a cell of NAS-Bench-201 as an SVG symbol that a page refers to by name."""
    parts: Any = _templates().get_template("parts.html").module
    return str(parts.symbol(name, _strokes(NASBENCH201, cell), _places(NASBENCH201)))


def report_html(
    results: Results,
    tables: Tables,
    figures: Sequence[Figure],
    skipped: Mapping[str, str],
    provenance: Provenance | None,
) -> str:
    """The text of `report.html`; the same from the same rows and provenance."""
    summary, *others = summary_sections(results, tables)
    contents = {"results": "Results", "published": "Published numbers"}
    contents |= {f"table-{place}": section.title for place, section in enumerate(others, 1)}
    contents |= {"cells": "Chosen cells", "plots": "Plots", "methods": "Methods paragraph", "provenance": "Provenance"}
    names = ", ".join(results.title(method) for method in results.methods)
    counts = [len(results.of(method)) for method in results.methods]
    searches = tables.replications[tables.replications["method"] != "optimal"]
    # One symbol a cell, which all its rows share.
    symbols = {str(genotype): f"cell-{place}" for place, genotype in enumerate(results.runs["genotype"].unique())}
    commands = provenance.commands if provenance else ()
    return document(
        "report.html",
        contents=contents,
        title=f"What the searches found: {names}",
        heading="What the searches found",
        lede=f"{names}: {seeds_text(counts)}{' a method' * (len(counts) > 1)}, searched on {results.images}. The "
        f"accuracies are those that {results.truth} has for the chosen cells.",
        warnings=warnings(results),
        summary=summary,
        made_from=facts(results),
        others=others,
        conditions=replication.CONDITIONS,
        counts=replication.verdict_counts(searches).capitalize(),
        no_verdict=replication.no_verdict(tables.replications),
        published=replication.replication_section(results, tables.replications),
        sources=replication.published_sources(tables.replications),
        remarks=[*replication.published_cells(results), *replication.left_out(results)],
        figures=figures,
        skipped=skipped,
        nodes=_places(results.cells),
        drawings={name: _strokes(results.cells, results.cells.parse(genotype)) for genotype, name in symbols.items()},
        cells=_cells(results, symbols),
        paragraph=methods_paragraph(results, tables.comparisons, provenance),
        commands=_commands(results, provenance) if provenance and commands else None,
        together=_conditions(results, provenance),
        settings=_settings(provenance.settings) if provenance else {},
    )


def _cells(results: Results, symbols: Mapping[str, str]) -> Section:
    """A row a run with its own cell drawn small."""
    header = ["Method", "Seed", *(f"{metric_name(metric)} (%)" for metric in results.metrics)]
    header += ["Regret (points)", "Rank", "Skips", "Epochs", "Search (s)", "Drawn", "Cell"]
    runs = results.runs.merge(chosen_cells(results)[["method", "seed", "skip_connects"]], on=["method", "seed"])
    rows = []
    for row in runs.to_dict("records"):
        cells = [results.name(str(row["method"])), str(row["seed"])]
        cells += [number(row[metric]) for metric in [*results.metrics, "regret"]]
        cells += [count(row["rank"]), str(row["skip_connects"]), count(row["epochs"]), number(row["search_seconds"], 1)]
        rows.append([*cells, symbols[str(row["genotype"])], str(row["genotype"])])
    note = (
        f"One row a run. {results.flattered}"
        "In the small drawings the input is at the left and the output at the right; the colours are "
        "those of the figure above, and an edge with none is left out. Search: seconds of the search itself; a "
        "supernet that several methods share counts for each of them."
    )
    return Section("Every run and its cell", header, rows, note)


def _places(space: Space) -> list[tuple[str, str]]:
    """Of the nodes in a small drawing."""
    return [(f"{8 + 20 * x:g}", f"{44 - 18.5 * y:g}") for x, y in space.nodes]


def _strokes(space: Space, cell: Cell) -> list[dict[str, str]]:
    """The lines of a cell's small drawing."""
    strokes, places = [], _places(space)
    for (source, target), operation in zip(space.edges, space.choices_of(cell), strict=True):
        if operation == space.none:
            continue
        colour, width, dashes = space.strokes[operation][1:]
        path = f"M{' '.join(places[source])}L{' '.join(places[target])}"
        dashed = "" if dashes == "solid" else " ".join(f"{1.3 * length:g}" for length in dashes[1])
        strokes.append({"path": path, "colour": colour, "width": f"{width:g}", "dashes": dashed})
    return strokes


def inline_svg(figure: Figure, label: str) -> str:
    """The drawing of an SVG file as part of a page: its identifiers begin with the figure's name, so that those of
    two figures cannot meet, and its style sheet, which would be the whole page's, is the page's own. `label` is the
    identifier of the text that describes it."""
    text = figure.svg.decode()
    head = re.search(r'<svg [^>]*?width="([\d.]+)pt"[^>]*?(viewBox="[^"]*")[^>]*>', text)
    if head is None:
        raise ValueError(f"the SVG of {figure.name} does not begin as Matplotlib's do")
    text = text[head.end() :]
    text = re.sub(
        r"<!--.*?-->|<metadata>.*?</metadata>|<title>.*?</title>|<style.*?</style>", "", text, flags=re.DOTALL
    )
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # Matplotlib's names of its own parts, which nothing refers to
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{figure.name}-", text)
    text = re.sub(r">\s+<", "><", text)
    width = f"{float(head[1]) * 4 / 3:.0f}px"
    return f'<svg {head[2]} role="img" aria-labelledby="{label}" style="--width:{width}">{text.strip()}'


def _conditions(results: Results, provenance: Provenance | None) -> dict[str, str]:
    """What all commands ran with; where they differ, what each did."""
    seconds = float(results.runs["search_seconds"].sum())
    searched = {
        "Search time": f"{duration(seconds)} in all {len(results.runs)} rows; a shared supernet counts for each"
    }
    if provenance is None or not provenance.commands:
        return searched
    facts: dict[str, Callable[[Entry], str]] = {
        "preset": lambda entry: entry.preset,
        "images": lambda entry: entry.images,
        "truth table": lambda entry: entry.truth,
        "its SHA-256": lambda entry: entry.truth_checksum,
        "device": lambda entry: entry.device,
        **FACTS,
        "packages": lambda entry: ", ".join(f"{name} {version}" for name, version in entry.packages.items()),
    }
    told = {name[0].upper() + name[1:]: " / ".join(provenance.distinct(fact)) for name, fact in facts.items()}
    return told | searched


def _commands(results: Results, provenance: Provenance) -> Section:
    header = ["Started (UTC)", "Command", "Wall time", "Runs to do", "Methods", "Seeds"]
    rows = [
        [
            entry.started.replace("T", " ").removesuffix("Z"),
            entry.command,
            "stopped" if entry.wall_seconds is None else duration(entry.wall_seconds),
            f"{entry.to_do} of {entry.runs}",
            ", ".join(map(results.title, entry.methods)),
            ", ".join(map(str, entry.seeds)),
        ]
        for entry in provenance.commands
    ]
    note = (
        "Wall time: of the searches, including the start-up of their processes; the times of a study's variants "
        "overlap. Runs to do: those of the command's methods and seeds that had not finished before."
    )
    return Section("Commands", header, rows, note, prose=("Command", "Methods", "Seeds"))


def _settings(settings: Sequence[Setting]) -> dict[str, Section]:
    """A table for each method, and for the problem."""
    groups: dict[str, list[list[str]]] = {}
    for setting in settings:
        group, _, name = setting.name.rpartition(".")
        groups.setdefault(group, []).append([name, _value(setting.value), setting.source, setting.meaning])
    header = ["Setting", "Value", "Source", "Meaning"]
    return {
        group: Section(f"Settings of {group}", header, rows, "", prose=("Source", "Meaning"))
        for group, rows in groups.items()
    }


def _value(value: object) -> str:
    """As it would be written in a preset."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """`7.6 s`, `6 min 40 s`, `2 h 3 min`."""
    if seconds < 60:
        return f"{number(seconds, 0 if seconds >= 10 else 1)} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


def spans(text: str) -> Iterator[tuple[str, str]]:
    """The pieces of `text`, each with the HTML element for its Markdown: `code`, `em`, or none."""
    for match in re.finditer(r"`([^`]+)`|\*([^*]+)\*|[^`*]+|.", text):
        code, emphasis = match.groups()
        yield ("code", code) if code else ("em", emphasis) if emphasis else ("", match[0])


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", text).strip("-").lower()


def _integrity(script: str) -> str:
    """The hash of everything between the script's tags, by which the page's policy allows it to run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(f"\n{script}".encode()).digest()).decode()
