"""What papers report of known methods: each edition of their numbers, as an audited table may quote them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.published import Published, literature
from reports.audit.numbers import Printed

REFERENCES = ("optimal", "resnet")
"""Rows that are no searches."""

_NAMES = {
    "optimal": r"optimal|optimum|oracle|best|upper ?bound|.*\boptimal\b.*",
    "resnet": r"resnet(?:-?\d+)?",
    "darts2": r"darts ?[-,]?\s*(?:v2|2nd|second|2nd order|second order)|darts2",
    "darts": r"darts(?: ?[-,]?\s*(?:v1|1st|first|1st order|first order))?",
    "darts-minus": r"darts ?[-−–]|darts minus",
    "bdarts": r"(?:β|beta|b) ?-?darts",
    "lambda-darts": r"(?:λ|lambda) ?-?darts",
    "pc-darts": r"pc ?-?darts",
    "rf-darts": r"rf ?-?darts|rf-?darts",
    "pt": r"darts ?[-+]? ?pt|pt",
    "pt-fixed": r"(?:darts ?[-+]? ?)?pt ?[-,]? ?fixed(?: ?α| ?alpha)?|darts ?\+? ?pt ?fixed",
    "rlnas": r"rlnas",
    "rlnas-accuracy": r"rlnas[-, ]+accuracy",
    "spos": r"spos",
    "spos-angle": r"spos[-, ]+angle",
    "gdas": r"gdas",
    "snas": r"snas",
    "dsnas": r"dsnas",
    "drnas": r"drnas",
    "idarts": r"idarts",
    "rsps": r"rsps|rs ?-?ps|random search (?:with )?(?:weight|parameter) sharing",
    "setn": r"setn",
    "enas": r"enas",
    "reinforce": r"reinforce|rl",
    "random-search": r"random ?-?search|rs|random",
    "naswot": r"naswot|nas ?w/?o ?t|nas without training",
    "te-nas": r"te ?-?nas",
    "zico": r"zico",
    "zen": r"zen(?:-?nas|-?score)?",
    "grad-norm": r"grad ?[-_]?norm",
    "snip": r"snip",
    "grasp": r"grasp",
    "fisher": r"fisher",
    "jacob-cov": r"jacob ?[-_]?cov",
    "synflow": r"synflow",
    "params": r"#? ?params|#? ?parameters",
    "flops": r"#? ?flops",
}
"""How papers write a method's name."""

SAME_ON_CIFAR10 = "a search on each data set"
"""An edition that has its CIFAR-10 columns in common with those that search on CIFAR-10 only."""


@dataclass(frozen=True)
class Quote:
    """The numbers of one method in one source."""

    method: str
    source: str
    edition: str
    """Sources with one edition are parts of the same numbers."""
    numbers: dict[str, Printed]
    """By metric."""


def quotes(published: Mapping[str, Sequence[Published]]) -> tuple[Quote, ...]:
    """All that is known: what each method's own paper reports, then the literature."""
    found: dict[tuple[str, str, str], dict[str, Printed]] = {}

    def add(method: str, metric: str, number: Printed, source: str, note: str) -> None:
        key = (method, source, "")
        if metric in found.get(key, {}):
            key = (method, source, note)
        found.setdefault(key, {})[metric] = number
        editions[key] = _edition(source, note)

    editions: dict[tuple[str, str, str], str] = {}
    for method, facts in published.items():
        for fact in facts:
            std = None if fact.std is None else f"{fact.std:.2f}"
            add(method, fact.metric, Printed(f"{fact.mean:.2f}", std), fact.source, fact.note)
    for row in literature():
        number = Printed(row["mean"], row["std"] or None)
        add(row["method"], f"{row['dataset']}_{row['split']}", number, row["source"], row["note"])
    return tuple(Quote(key[0], key[1], editions[key], numbers) for key, numbers in found.items())


def known_method(name: str) -> str | None:
    """The method that a row's name means, as it is registered or published; None where it is none of them."""
    bare = re.sub(r"\[[^\]]*\]", " ", name.casefold())
    bare = re.sub(r"\((?![^)]*(?:order|1st|2nd|first|second|v1|v2|fixed|angle|accuracy))[^)]*\)", " ", bare)
    bare = " ".join(re.sub(r"[()†‡*]", " ", bare).split()).strip(" ,:;")
    for method, pattern in _NAMES.items():
        if bare == method or re.fullmatch(pattern, bare):
            return method
    return None


def _edition(source: str, note: str) -> str:
    if match := re.search(r"BN (running|batch) statistics", note):
        return f"NAS-Bench-201's table with {match[1]} statistics of batch normalisation"
    return SAME_ON_CIFAR10 if "search on the data set itself" in note else source
