"""The variants of a study, and what they can depend on. A run has one variant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.errors import SettingsError
from benchmark.plan import Run, plan
from benchmark.settings import Table, override, read_preset, table_of
from data.folder import Progress
from reports import studies
from reports.study import Variant

if TYPE_CHECKING:
    from data.images import ImageSet


@dataclass(frozen=True)
class StudyInputs:
    """What the variants of a study can depend on; see `reports.study.Inputs`."""

    tables: Table
    """The preset with the command's changes."""
    folder: Path
    """Of images and truth tables."""
    device: str = "cpu"
    preset: str | None = None
    """What `tables` were before the command's changes."""
    progress: Progress | None = None
    """Told of images that are being fetched."""
    opened: dict[str, ImageSet] = field(default_factory=dict, init=False, compare=False)

    def setting(self, name: str) -> Any:
        """
        Raises:
            SettingsError: where the preset does not say.
        """
        return _setting(self.tables, name)

    def published(self, name: str) -> Any:
        """The value of a setting in the published protocol."""
        return _setting(read_preset("paper"), name)

    def is_changed(self, method: str, changes: Sequence[str]) -> bool:
        """Whether runs of `method` with these changes are others than without."""
        before, after = (plan(tables, [method], [0]) for tables in (self.tables, override(self.tables, changes)))
        return before[0].settings_hash != after[0].settings_hash

    def open_images(self, name: str) -> ImageSet:
        """An image set; each is opened once.

        Raises:
            DataError: where it cannot be had.
        """
        from data.images import open_images

        if name not in self.opened:
            self.opened[name] = open_images(name, self.folder, self.progress)
        return self.opened[name]

    @property
    def image_sets(self) -> list[str]:
        """Those in the data folder; the digits, which no truth table is about, are left out."""
        from data.cifar import CIFAR10, CIFAR100
        from data.inventory import status

        titles = {"cifar10": CIFAR10.title, "cifar100": CIFAR100.title, "imagenet16-120": "ImageNet16-120"}
        there = {item.what for item in status(self.folder) if item.state == "there"}
        return [name for name, title in titles.items() if title in there]


def _setting(tables: Table, name: str) -> Any:
    section, _, key = name.rpartition(".")
    table = tables.get("problem", {}) if section == "problem" else table_of(tables, section)
    if key not in table:
        raise SettingsError(f"this study needs {name}, which the preset does not say")
    return table[key]


def check_name(name: str) -> str:
    """The name of a study, as given.

    Raises:
        SettingsError: where there is no such study.
    """
    if name in (known := studies.names()):
        return name
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(known)}"
    raise SettingsError(f"there is no study called {name!r}; {hint}")


class PlannedVariant(NamedTuple):
    """A variant with its runs."""

    variant: Variant
    runs: list[Run]


def plan_variants(
    variants: Sequence[Variant], inputs: StudyInputs, seeds: Sequence[int], epochs: int | None = None
) -> list[PlannedVariant]:
    """The runs of each variant; `epochs`, if given, for every supernet.

    Raises:
        SettingsError, MethodError, DataError: as `plan`.
    """
    return [
        PlannedVariant(
            variant,
            plan(
                override(inputs.tables, variant.changes), variant.methods, seeds, epochs, inputs.preset, inputs.folder
            ),
        )
        for variant in variants
    ]
