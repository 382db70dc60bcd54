"""One number as a paper prints it: `91.55 ± 0.00`, `91.55(0.00)`, `91.55±.3`, `91.55`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

EPSILON = 1e-9
"""Percentage points below which two accuracies are the same: floating point, and never an image."""

_NUMBER = r"(?:\d{1,3}(?:\.\d{0,6})?|\.\d{1,6})"
_CELL = re.compile(
    rf"(?P<mean>{_NUMBER})\s*%?\s*(?:(?:±|\+/[-−–]|\+[-−–])\s*(?P<std>{_NUMBER})|"
    rf"[(\[]\s*(?:±|\+/-|\+-)?\s*(?P<bracketed>\d*\.\d+)\s*[)\]])?\s*%?"
)
_EMPTY = re.compile(r"[-−–—/.·?\s]*|n\.?\s*/?\s*a\.?|none|nan|tbd", re.IGNORECASE)
_MARKS = re.compile(r"[*†‡§¶#↑↓✓✗∗⋆★ᵃᵇᶜ¹²³]+")


class Printed(NamedTuple):
    """A mean and, where there is one, its deviation, as printed."""

    mean: str
    std: str | None
    errors: bool = False
    """Whether the mean is of wrong answers, and the accuracy what is left of 100."""

    @property
    def accuracy(self) -> float:
        """Percent."""
        return float(100 - Decimal(self.mean)) if self.errors else float(self.mean)

    @property
    def unit(self) -> float:
        """What the last digit of the mean counts, in percentage points."""
        return _unit(self.mean)

    @property
    def half(self) -> float:
        """How far from the printed mean the true one may be."""
        return self.unit / 2 + EPSILON

    @property
    def spread(self) -> float | None:
        """The deviation in percentage points."""
        return None if self.std is None else float(self.std)

    @property
    def spread_unit(self) -> float:
        """What the last digit of the deviation counts."""
        return _unit(self.std or "0")

    @property
    def spread_half(self) -> float:
        return self.spread_unit / 2 + EPSILON

    @property
    def bounds(self) -> tuple[float, float]:
        """Between what the true mean lies, whether it was rounded or cut off."""
        rounded, cut = self.unit / 2, self.unit
        if self.errors:
            return self.accuracy - cut - EPSILON, self.accuracy + rounded + EPSILON
        return self.accuracy - rounded - EPSILON, self.accuracy + cut + EPSILON

    @property
    def largest_spread(self) -> float:
        """What the true deviation does not exceed, whether it was rounded or cut off."""
        return float(self.std or 0) + self.spread_unit + EPSILON

    @property
    def still(self) -> bool:
        """Whether the deviation is printed as zero."""
        return self.spread == 0

    def __str__(self) -> str:
        return self.mean if self.std is None else f"{self.mean} ± {self.std}"


def read_number(text: str, errors: bool = False) -> Printed | None:
    """The number in a cell of a table; None where the cell is empty.

    Raises:
        ValueError: where there is something else.
    """
    bare = " ".join(_MARKS.sub(" ", text).split())
    if _EMPTY.fullmatch(bare):
        return None
    match = _CELL.fullmatch(bare)
    if match is None:
        raise ValueError(f"{text[:60]!r} is no accuracy")
    mean, std = (_plain(part) for part in (match["mean"], match["std"] or match["bracketed"]))
    assert mean is not None
    if Decimal(mean) > 100 or (std is not None and Decimal(std) > 100):
        raise ValueError(f"{text[:60]!r} is more than 100 %")
    return Printed(mean, std, errors)


def looks_like_number(text: str) -> bool:
    """Whether a cell is an accuracy with a decimal point, as no head of a column is."""
    try:
        number = read_number(text)
    except ValueError:
        return False
    return number is not None and ("." in number.mean or number.std is not None)


def _plain(text: str | None) -> str | None:
    """`.3` as `0.3` and `91.` as `91`."""
    return None if text is None else f"0{text}" if text.startswith(".") else text.removesuffix(".")


def _unit(text: str) -> float:
    return float(10.0 ** -len(text.partition(".")[2]))
