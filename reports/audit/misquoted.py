"""`misquoted`: rows of a known method that are its published ones but for some digits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from reports.audit.finding import Finding
from reports.audit.heads import title
from reports.audit.numbers import Printed
from reports.audit.quotes import Quote, known_method
from reports.audit.space import Space
from reports.audit.table import Row
from reports.audit.words import listed, named, odds

BY_CHANCE = 1e-3
"""How often an independent result may come as near to the source by chance, for it to be told."""

NEAR_BY_CHANCE = 0.3
"""How often a result within a point of another differs from it by one digit only: of 200 such numbers with two decimals
19 or 20 differ in one of these, 10 in the digit before, and several have two digits swapped; taken as more, since
results gather."""


class Likeness(NamedTuple):
    """A row beside one source."""

    quote: Quote
    equal: tuple[str, ...]
    near: tuple[str, ...]
    """Metrics whose numbers are those of the source but for one digit or two in the wrong order."""
    far: tuple[str, ...]
    chance: float


def misquoted(place: int, row: Row, space: Space, known: Sequence[Quote]) -> Iterator[Finding]:
    """One finding at most, against the source that the row is most like."""
    method = known_method(row.name)
    of_method = [quote for quote in known if quote.method == method]
    anywhere = {
        metric
        for metric, number in row.numbers.items()
        if any(metric in quote.numbers and as_quoted(number, quote.numbers[metric]) for quote in of_method)
    }
    likenesses = [likeness(row, quote, space) for quote in of_method]
    likenesses = [one for one in likenesses if one.equal or one.near]
    if not likenesses:
        return
    best = max(likenesses, key=lambda one: (len(one.equal) + len(one.near), len(one.equal)))
    wrong = tuple(metric for metric in (*best.near, *best.far) if metric not in anywhere)
    evident = len(best.equal) >= 2 or (bool(best.equal) and bool(best.near)) or len(best.near) >= 2
    chance = min(1.0, len(of_method) * best.chance)
    if not wrong or not evident or chance > BY_CHANCE:
        return
    shown = [
        f"{title(metric)} {_marked(row.numbers[metric], best.quote.numbers[metric])} where the source has "
        f"{_shown(best.quote.numbers[metric], row.numbers[metric])}"
        for metric in wrong
    ]
    same = (
        f"{len(best.equal)} of {len(best.equal) + len(best.near) + len(best.far)} numbers are equal"
        if best.equal
        else ""
    )
    evidence = f"{'; '.join(shown)} ({best.quote.source}){'; ' + same if same else ''}; by chance {odds(chance)}"
    yield Finding(
        place,
        "misquoted",
        "warning",
        wrong,
        evidence,
        f"{named(row)} seems to quote {best.quote.source}, but has {listed(shown)}. Is this a slip, or another result?",
        digits={
            metric: differing(row.numbers[metric].mean, best.quote.numbers[metric].mean)
            for metric in wrong
            if not row.numbers[metric].errors
        },
    )


def likeness(row: Row, quote: Quote, space: Space) -> Likeness:
    """Which of the numbers that both have are equal, near, or far apart; and how often chance does the same: for each
    equal or near number, the share of the cells around that are printed like it or as near to it, in any column."""
    equal, near, far, chance = [], [], [], []
    for metric in (metric for metric in row.numbers if metric in quote.numbers):
        number, source = row.numbers[metric], quote.numbers[metric]
        if as_quoted(number, source):
            equal.append(metric)
            chance.append(space.share(metric, number))
        elif _one_slip(number, source):
            near.append(metric)
            chance.append(NEAR_BY_CHANCE)
        else:
            far.append(metric)
    compared = len(equal) + len(near) + len(far)
    ways = math.comb(compared, len(equal)) * math.comb(compared - len(equal), len(near))
    return Likeness(quote, tuple(equal), tuple(near), tuple(far), ways * math.prod(chance))


def as_quoted(number: Printed, source: Printed) -> bool:
    """Whether a number is the source's, perhaps with fewer digits, and without a deviation or with the same."""
    if number.errors:
        return abs(number.accuracy - source.accuracy) <= max(number.half, source.half)
    return _same(number.mean, source.mean) and (
        number.std is None or source.std is None or _same(number.std, source.std)
    )


def _same(text: str, source: str) -> bool:
    """Whether a number is that of the source, rounded or cut to its own digits where it has fewer."""
    digits, digits_there = (len(number.partition(".")[2]) for number in (text, source))
    apart = abs(Decimal(text) - Decimal(source))
    if digits >= digits_there:
        return not apart
    return source.startswith(text) or apart * 2 <= Decimal(1).scaleb(-digits)


def _one_slip(number: Printed, source: Printed) -> bool:
    """Whether one digit was mistyped, or two beside each other swapped, in the mean or, the mean being right, in the
    deviation."""
    if number.errors:
        return False
    if _same(number.mean, source.mean):
        return True
    one, other = number.mean, source.mean
    if len(one) != len(other):
        return False
    places = differing(one, other)
    if len(places) == 1:
        return True
    return (
        len(places) == 2
        and places[1] - places[0] <= 2
        and [one[place] for place in places] == [other[place] for place in reversed(places)]
    )


def differing(text: str, source: str) -> tuple[int, ...]:
    """The places at which a number is not written as in its source."""
    if Decimal(text) == Decimal(source):
        return ()
    if len(text) != len(source):
        return tuple(range(len(text)))
    return tuple(place for place, pair in enumerate(zip(text, source, strict=True)) if pair[0] != pair[1])


def _marked(number: Printed, source: Printed) -> str:
    """The number, with the digits that differ in brackets: `93.[3]5`."""
    if number.errors:
        return str(number)
    places = differing(number.mean, source.mean)
    text = "".join(f"[{digit}]" if place in places else digit for place, digit in enumerate(number.mean))
    text = text.replace("][", "")
    if number.std is None:
        return text
    other = source.std is not None and not _same(number.std, source.std)
    return f"{text} ± {f'[{number.std}]' if other else number.std}"


def _shown(source: Printed, beside: Printed) -> str:
    if beside.errors:
        return f"an error of {100 - Decimal(source.mean)}"
    return source.mean if beside.std is None else str(source)
