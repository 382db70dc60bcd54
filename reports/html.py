"""`report.html`: the tables, plots and provenance of a results folder on one page that needs nothing beside itself."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import NamedTuple

import pandas as pd

from reports.paragraph import energy, methods_paragraph
from reports.provenance import Provenance, Setting
from reports.replication import (
    AGREES,
    CONDITIONS,
    DIFFERS,
    NOT_COMPARABLE,
    NOT_REPLICATED,
    NOT_SO_FAR,
    REPLICATED,
    SO_FAR,
    UNDECIDED,
    left_out,
    no_verdict,
    published_cells,
    published_sources,
    replication_section,
    verdict_counts,
)
from reports.results import Results, method_name, metric_name, seeds_text
from reports.section import Section
from reports.summary import Tables, facts, summary_sections, warnings
from reports.tables import chosen_cells, count, number
from spaces import EDGES, NONE, Cell
from spaces.drawing import NODES, STROKES

FILES = "runs.csv, history.csv, scores.csv, failures.csv, second-opinion.csv and space.csv"
"""What the page is made from; of some there may be none."""

VERDICTS = {
    **dict.fromkeys((REPLICATED, AGREES), ("yes", "✓")),
    **dict.fromkeys((NOT_REPLICATED, DIFFERS), ("no", "✗")),
    SO_FAR: ("open", "✓"),
    NOT_SO_FAR: ("open", "✗"),
    **dict.fromkeys((UNDECIDED, NOT_COMPARABLE), ("open", "○")),
}
"""The class and the sign of a verdict, which tells it without the colour."""


class Figure(NamedTuple):
    """A drawn plot as its files have it."""

    name: str
    caption: str
    svg: bytes


def report_html(
    results: Results,
    tables: Tables,
    figures: Sequence[Figure],
    skipped: Mapping[str, str],
    provenance: Provenance | None,
) -> str:
    """The text of `report.html`; the same from the same rows and provenance."""
    first, *others = summary_sections(results, tables)
    sections = {
        "results": ("Results", _results_part(results, first)),
        "published": ("Published numbers", _published_part(results, tables.replications)),
        **{f"table-{place}": (section.title, _table_part(section)) for place, section in enumerate(others, 1)},
        "cells": ("Chosen cells", _cells_part(results, [figure for figure in figures if figure.name == "cells"])),
        "plots": ("Plots", _plots_part([figure for figure in figures if figure.name != "cells"], skipped)),
        "methods": ("Methods paragraph", _paragraph_part(methods_paragraph(results, tables.comparisons, provenance))),
        "provenance": ("Provenance", _provenance_part(results, provenance)),
    }
    names = ", ".join(method_name(method) for method in results.methods)
    counts = [len(results.of(method)) for method in results.methods]
    lede = (
        f"{names}: {seeds_text(counts)}{' a method' * (len(counts) > 1)}, searched on {results.images}. The accuracies "
        f"are those that {results.truth} has for the chosen cells."
    )
    title = f"What the searches found: {names}"
    footer = f"Written by Replica-201 from the rows of this folder: {FILES}."
    return document(title, "What the searches found", lede, sections, footer)


def document(
    title: str, heading: str, lede: str, sections: Mapping[str, tuple[str, str]], footer: str, more_style: str = ""
) -> str:
    """A page that needs nothing beside itself; its script may be this very one only.

    Args:
        lede: the text below the heading.
        sections: for each identifier the title and the HTML of a section; the first is where a reader may skip to.
    """
    style, script = (_asset(f"report.{suffix}") for suffix in ("css", "js"))
    # Only this very script may run, whatever a name or a setting has in it.
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src '{_integrity(script)}'"
    links = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, (title, _) in sections.items())
    body = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title">\n<h2 id="{name}-title">{escape(title)}</h2>\n{content}\n'
        "</section>\n"
        for name, (title, content) in sections.items()
    )
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{style}{more_style}</style>
</head>
<body>
<a class="skip" href="#{next(iter(sections))}">Skip to the results</a>
<header class="wrap">
<h1>{escape(heading)}</h1>
<p class="lede">{escape(lede)}</p>
<nav aria-label="Contents"><ul>{links}</ul></nav>
</header>
<main class="wrap">
{body}</main>
<footer class="wrap">
<p>{escape(footer)}</p>
</footer>
<script>
{script}</script>
</body>
</html>
"""


def _results_part(results: Results, section: Section) -> str:
    parts = [_aside(*warning) for warning in warnings(results)]
    return "\n".join([*parts, _table_part(section), "<h3>Made from</h3>", _list(facts(results))])


def _published_part(results: Results, table: pd.DataFrame) -> str:
    searches = table[table["method"] != "optimal"]
    section = replication_section(results, table)
    parts = [f"<p>{_inline(CONDITIONS)}</p>"]
    if not searches.empty:
        parts.append(f"<p><strong>{escape(verdict_counts(searches).capitalize())}.</strong></p>")
        parts += [_aside(*claim) for claim in no_verdict(table)]
    if len(table):
        parts.append(_table_part(section))
        sources = "".join(f"<li>{escape(source)}</li>" for source in published_sources(table))
        parts.append(f'<ol class="sources note">{sources}</ol>')
    return "\n".join([*parts, *(f"<p>{_inline(text)}</p>" for text in [*published_cells(results), *left_out(results)])])


def _table_part(section: Section) -> str:
    rows = [[_verdict(cell) for cell in row] for row in section.rows]
    table = _table(section.title, section.header, rows, section.left, section.references, section.prose)
    return f'{table}\n<p class="note">{_inline(section.note)}</p>'


def _cells_part(results: Results, figures: Sequence[Figure]) -> str:
    """The picture of the commonest cells, and a row a run with its own cell drawn small."""
    runs = results.runs.merge(chosen_cells(results)[["method", "seed", "skip_connects"]], on=["method", "seed"])
    drawings = {str(genotype): f"cell-{place}" for place, genotype in enumerate(runs["genotype"].unique())}
    header = ["Method", "Seed", *(f"{metric_name(metric)} (%)" for metric in results.metrics)]
    header += ["Regret (points)", "Rank", "Skips", "Epochs", "Search (s)", "Drawn", "Cell"]
    rows = []
    for row in runs.to_dict("records"):
        genotype = str(row["genotype"])
        cells = [results.name(str(row["method"])), str(row["seed"])]
        cells += [number(row[metric]) for metric in [*results.metrics, "regret"]]
        cells += [count(row["rank"]), str(row["skip_connects"]), count(row["epochs"]), number(row["search_seconds"], 1)]
        drawn = f'<svg class="cell" viewBox="0 0 76 52" aria-hidden="true"><use href="#{drawings[genotype]}"/></svg>'
        nodes = escape(genotype).replace("|+|", "|+<wbr>|")  # a line a node, where it has to break
        rows.append([*map(escape, cells), drawn, f"<code>{nodes}</code>"])
    symbols = "".join(cell_symbol(Cell.parse(genotype), name) for genotype, name in drawings.items())
    note = (
        f"One row a run. {results.flattered}"
        "In the small drawings the input is at the left and the output at the right; the colours are "
        "those of the figure above, and an edge with none is left out. Search: seconds of the search itself; a "
        "supernet that several methods share counts for each of them."
    )
    return "\n".join(
        [
            *map(_figure, figures),
            f'<svg width="0" height="0" style="position:absolute" aria-hidden="true">{symbols}</svg>',
            _table("Every run and its cell", header, rows, last="genotype"),
            f'<p class="note">{note}</p>',
        ]
    )


def cell_symbol(cell: Cell, name: str) -> str:
    """A cell as the small drawing that its rows share."""
    places = [(8 + 20 * x, 44 - 18.5 * y) for x, y in NODES]
    edges = []
    for (source, target), operation in zip(EDGES, cell.operations, strict=True):
        if operation == NONE:
            continue
        stroke = STROKES[operation]
        (x0, y0), (x1, y1) = places[source], places[target]
        dashes = "" if stroke.dashes == "solid" else " ".join(f"{1.3 * length:g}" for length in stroke.dashes[1])
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        edges.append(
            f'<path d="M{x0:g} {y0:g}L{x1:g} {y1:g}" stroke="{stroke.colour}" stroke-width="{stroke.width:g}"{dashed}/>'
        )
    nodes = "".join(f'<circle cx="{x:g}" cy="{y:g}" r="3"/>' for x, y in places)
    return (
        f'<symbol id="{name}" viewBox="0 0 76 52">{"".join(edges)}'
        f'<g fill="#fff" stroke="#1a1a1a" stroke-width=".8">{nodes}</g></symbol>'
    )


def _plots_part(figures: Sequence[Figure], skipped: Mapping[str, str]) -> str:
    missing = [f"<p><code>{escape(name)}</code> is not drawn: {escape(why)}.</p>" for name, why in skipped.items()]
    return "\n".join([*map(_figure, figures), *missing])


def _figure(figure: Figure) -> str:
    label = f"{figure.name}-caption"
    return (
        f'<figure>\n<div class="scroll" role="region" tabindex="0" aria-labelledby="{label}">'
        f'{inline_svg(figure, label)}</div>\n<figcaption id="{label}">{escape(figure.caption)}</figcaption>\n</figure>'
    )


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


def _paragraph_part(paragraph: str) -> str:
    return (
        "<p>What was done, as the rows and the provenance say it, to be pasted into a paper.</p>\n"
        f'<blockquote><p id="paragraph">{escape(paragraph)}</p></blockquote>\n'
        '<button type="button" class="copy" data-copies="paragraph" hidden>Copy</button>'
    )


def _provenance_part(results: Results, provenance: Provenance | None) -> str:
    seconds = float(results.runs["search_seconds"].sum())
    searched = {
        "Search time": f"{duration(seconds)} in all {len(results.runs)} rows; a shared supernet counts for each"
    }
    if provenance is None or not provenance.commands:
        return (
            "<p>Provenance was not recorded: this folder has no <code>provenance.json</code>, so nothing is known of "
            "it beyond what its rows say under <a href='#results'>Results</a>.</p>\n" + _list(searched)
        )
    together = {
        "Preset": provenance.distinct(lambda entry: entry.preset),
        "Images": provenance.distinct(lambda entry: entry.images),
        "Truth table": provenance.distinct(lambda entry: entry.truth),
        "Its SHA-256": provenance.distinct(lambda entry: entry.truth_checksum),
        "Device": provenance.distinct(lambda entry: entry.device),
        "GPU": provenance.distinct(lambda entry: entry.gpu or "none used"),
        "Processor": provenance.distinct(lambda entry: f"{entry.processor}, {entry.cores} cores"),
        "System": provenance.distinct(lambda entry: entry.system),
        "Kernels": provenance.distinct(lambda entry: entry.computed_by),
        "Packages": provenance.distinct(
            lambda entry: ", ".join(f"{name} {version}" for name, version in entry.packages.items())
        ),
        "Commit": provenance.distinct(
            lambda entry: (
                f"{entry.commit}{', with local changes' * entry.changed}" if entry.commit else "not run from a checkout"
            )
        ),
    }
    rows = [
        [
            f"<time>{escape(entry.started.replace('T', ' ').removesuffix('Z'))}</time>",
            f"<code>{escape(entry.command)}</code>",
            "stopped" if entry.wall_seconds is None else duration(entry.wall_seconds),
            f"{entry.to_do} of {entry.runs}",
            escape(", ".join(map(method_name, entry.methods))),
            escape(", ".join(map(str, entry.seeds))),
        ]
        for entry in provenance.commands
    ]
    header = ["Started (UTC)", "Command", "Wall time", "Runs to do", "Methods", "Seeds"]
    note = (
        "Wall time: of the searches, start-up of their processes included; those of a study's variants overlap. "
        "Runs to do: those of the command's methods and seeds that it had to carry out."
    )
    known = [entry for entry in provenance.commands if entry.energy_joules is not None]
    if known:
        header.insert(3, "Energy")
        for row, entry in zip(rows, provenance.commands, strict=True):
            row.insert(3, "–" if entry.energy_joules is None else energy(entry.energy_joules))
        kinds = " or ".join(dict.fromkeys(entry.device_kind for entry in known))
        note += f" Energy: of the whole {kinds} in that time, all that ran on it included."
    groups: dict[str, list[Setting]] = {}
    for setting in provenance.settings:
        groups.setdefault(setting.name.rpartition(".")[0], []).append(setting)
    return "\n".join(
        [
            _table("Commands", header, rows, prose=("Command", "Methods", "Seeds")),
            f'<p class="note">{note}</p>',
            _list({name: " / ".join(values) for name, values in together.items()} | searched),
            "<h3>Settings</h3>",
            "<p>Every setting of these runs, its value, and where the value comes from.</p>",
            *(_settings(name, settings) for name, settings in groups.items()),
        ]
    )


def _settings(group: str, settings: Sequence[Setting]) -> str:
    rows = [
        [
            f"<code>{escape(setting.name.rpartition('.')[2])}</code>",
            f"<code>{escape(_value(setting.value))}</code>",
            escape(setting.source),
            escape(setting.meaning),
        ]
        for setting in settings
    ]
    prose = ("Source", "Meaning")
    table = _table(f"Settings of {group}", ["Setting", "Value", "Source", "Meaning"], rows, prose=prose)
    return f"<details><summary>{escape(group)} <span>({len(settings)})</span></summary>{table}</details>"


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


def _table(
    caption: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    left: int = 1,
    references: Sequence[int] = (),
    prose: Sequence[str] = (),
    last: str = "",
) -> str:
    """A table of cells that are HTML already; its references stay at its foot, however it is sorted.

    The first `left` columns are words, `prose` names columns of longer text, and `last` is the class of the last.
    """
    label = "table-" + re.sub(r"\W+", "-", caption).strip("-").lower()
    classes = ["word" if place < left else "word text" if name in prose else "" for place, name in enumerate(header)]
    classes[-1] = classes[-1] or last
    marks = [f' class="{names}"' if names else "" for names in classes]

    def line(cells: Sequence[str]) -> str:
        first = f'<th scope="row"{marks[0]}>{cells[0]}</th>'
        others = (f"<td{mark}>{cell}</td>" for mark, cell in zip(marks[1:], cells[1:], strict=True))
        return f"<tr>{first}{''.join(others)}</tr>\n"

    head = "".join(
        f'<th scope="col"{mark}{" data-fixed" * (name == "Drawn")}>{_heading(name)}</th>'
        for mark, name in zip(marks, header, strict=True)
    )
    body: list[str] = []
    foot: list[str] = []
    for place, row in enumerate(rows):
        (foot if place in references else body).append(line(row))
    below = f"<tfoot>\n{''.join(foot)}</tfoot>\n" if foot else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-labelledby="{label}">\n<table>\n'
        f'<caption id="{label}" class="hidden">{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{''.join(body)}</tbody>\n{below}"
        "</table>\n</div>"
    )


def _heading(name: str) -> str:
    """The head of a column, which may break between words but not within CIFAR-10."""
    return re.sub(r"\S+-\S+", r'<span class="whole">\g<0></span>', escape(name))


def _list(entries: Mapping[str, str]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{_inline(text)}</dd>' for name, text in entries.items())}</dl>"


def _aside(claim: str, text: str) -> str:
    return f"<aside><p><strong>{escape(claim)}</strong> {_inline(text)}</p></aside>"


def _verdict(cell: str) -> str:
    verdict = cell.partition(" (n = ")[0]
    if verdict not in VERDICTS:
        return escape(cell)
    kind, sign = VERDICTS[verdict]
    return f'<span class="verdict {kind}">{sign} {cell}</span>'


def _inline(text: str) -> str:
    """`text` with its `code` and *emphasis*."""
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", safe)


def _asset(name: str) -> str:
    return (files("reports") / name).read_text(encoding="utf-8")


def _integrity(script: str) -> str:
    """The hash by which a page's policy names a script: of all that stands between its tags."""
    return "sha256-" + base64.b64encode(hashlib.sha256(f"\n{script}".encode()).digest()).decode()
