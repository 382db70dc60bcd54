"""What a study is: a question, the variants whose runs answer it, and a table and a picture of their rows.

Each is a file of `reports.studies`, and an object of the class `Study`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from reports.results import Results, metric_name, seeds_text
from reports.rows import BETWEEN_CHANGES, with_changes
from reports.statistics import Floats

if TYPE_CHECKING:  # matplotlib and PyTorch are slow to import
    from data.images import ImageSet
    from reports.plots.style import Plot


@dataclass(frozen=True)
class Variant:
    """One results folder of a study, as it is to be run."""

    name: str
    """Of the folder, below the study's."""
    methods: tuple[str, ...]
    factors: dict[str, Any] = field(default_factory=dict)
    """How it differs from the others: columns of `variants.csv`."""
    changes: tuple[str, ...] = ()
    """The settings that differ from the preset, written as for `--set`."""


class Inputs(Protocol):
    """What the variants of a study can depend on: the preset with the command's changes, the data and the device."""

    @property
    def device(self) -> str:
        """`cpu`, `cuda`, …"""

    @property
    def image_sets(self) -> list[str]:
        """The image sets at hand, by name, that a truth table may know."""

    def setting(self, name: str) -> Any:
        """The value of a setting, named as for `--set`."""

    def published(self, name: str) -> Any:
        """The value that it has in the published protocol."""

    def is_changed(self, method: str, changes: Sequence[str]) -> bool:
        """Whether runs of `method` with these changes are others than without."""

    def open_images(self, name: str) -> ImageSet:
        """An image set."""


@dataclass(frozen=True)
class VariantResults:
    """The results folder of one variant, and how it differs from the others."""

    name: str
    factors: dict[str, str]
    results: Results
    folder: Path


@dataclass(frozen=True)
class StudyResults:
    """The variants of a study in the order of `variants.csv`; all have one truth table."""

    name: str
    variants: tuple[VariantResults, ...]

    @property
    def first(self) -> Results:
        """Of the first variant."""
        return self.variants[0].results

    @property
    def metric(self) -> str:
        """The main metric of the first variant."""
        return self.first.metric

    @property
    def methods(self) -> list[str]:
        """The methods of all variants, in order of appearance."""
        return list(dict.fromkeys(method for _, method in self.each()))

    def title(self, method: str) -> str:
        """The name a method has in the table and the picture."""
        return next(variant.results.title(method) for variant, found in self.each() if found == method)

    @property
    def titles(self) -> dict[str, str]:
        """Of all methods."""
        return {method: self.title(method) for method in self.methods}

    def score_name(self, method: str) -> str:
        """What a method ranks the cells by."""
        return next(variant.results.score_name(method) for variant, found in self.each() if found == method)

    def where(self, **factors: str) -> VariantResults | None:
        """The first variant with these factors."""
        wanted = factors.items()
        return next((variant for variant in self.variants if wanted <= variant.factors.items()), None)

    def each(self) -> Iterator[tuple[VariantResults, str]]:
        """Every variant with each of its methods."""
        for variant in self.variants:
            for method in variant.results.methods:
                yield variant, method

    def accuracies(self, metric: str) -> Floats:
        """Of all runs, %, shape (runs,)."""
        return np.concatenate([variant.results.runs[metric].to_numpy(dtype=np.float64) for variant in self.variants])

    def values(self, column: str) -> str:
        """The distinct values of a column of all runs, in order of appearance."""
        found = (value for variant in self.variants for value in variant.results.values(column))
        return " / ".join(dict.fromkeys(found))

    @property
    def metrics(self) -> str:
        """The main metrics, as papers call them."""
        return " / ".join(dict.fromkeys(metric_name(variant.results.metric) for variant in self.variants))

    @property
    def images(self) -> str:
        return " / ".join(dict.fromkeys(variant.results.images for variant in self.variants))

    @property
    def preset(self) -> str:
        """The preset, and the changes to it that all variants share."""
        of_method: dict[str, list[list[str]]] = {}
        for variant, method in self.each():
            for changes in variant.results.values("changes", method):
                of_method.setdefault(method, []).append(changes.split(BETWEEN_CHANGES))
        common = [
            BETWEEN_CHANGES.join(change for change in lists[0] if all(change in other for other in lists))
            for lists in of_method.values()
        ]
        presets = [preset for variant in self.variants for preset in variant.results.values("preset")]
        return with_changes(presets, common)

    @property
    def counts(self) -> list[int]:
        """The number of seeds of every variant and method."""
        return [len(variant.results.of(method)) for variant, method in self.each()]

    @property
    def seeds(self) -> str:
        return seeds_text(self.counts)

    @property
    def truth_name(self) -> str:
        """The truth table with the main metrics."""
        return f"{self.values('truth')}, {self.metrics}"

    def source(self, note: str) -> str:
        """The line under every figure: where its numbers come from."""
        return (
            f"Truth: {self.truth_name} · searched on {self.images} · preset {self.preset} · "
            f"n = {self.seeds} a variant and method · {note}"
        )


def no_complaint(rows: pd.DataFrame) -> str:
    return ""


@dataclass(frozen=True)
class Study:
    """A question and how it is answered."""

    question: str
    variants: Callable[[Inputs], list[Variant]]
    """What is to be run."""
    table: Callable[[StudyResults], tuple[pd.DataFrame, str]]
    """The rows of `study.csv`, and the text of `study.md` about them."""
    picture: Callable[[StudyResults], Plot]
    factors: Mapping[str, str] = field(default_factory=dict)
    """The columns of `variants.csv` that it needs, each with the form of its values, a regular expression."""
    complaint: Callable[[pd.DataFrame], str] = no_complaint
    """Why the rows of `variants.csv` cannot be used, to follow the name of the file; "" if they can."""


def even_count(images: ImageSet, count: int) -> int:
    """The largest number up to `count` of which every class has the same share, one an image at least."""
    return max(1, count // images.classes) * images.classes
