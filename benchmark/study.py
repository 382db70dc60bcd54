"""`benchmark study`: the runs of a study's variants, which its file in `reports.studies` asks for.

Each variant is a results folder of its own, `OUT/VARIANT`, which `benchmark report` understands as any other;
`variants.csv` says what tells them apart, and `reports.study_report` compares them.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.plan import Run, plan
from benchmark.settings import ProblemSettings, SettingsError, Table, checked, override, read_preset, table_of
from reports import studies
from reports.study import Variant

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.provenance import Command
    from benchmark.runner import Setup
    from data.images import ImageSet
    from data.truth import TruthTable


@dataclass(frozen=True)
class StudyInputs:
    """What the variants of a study can depend on; see `reports.study.Inputs`."""

    tables: Table
    """The preset with the command's changes."""
    folder: Path
    """Of images and truth tables."""
    device: str = "cpu"
    preset: str | None = None
    """What the tables are but for the command's changes."""

    def setting(self, name: str) -> Any:
        """
        Raises:
            SettingsError: where the preset does not say.
        """
        return _setting(self.tables, name)

    def published(self, name: str) -> Any:
        return _setting(read_preset("paper"), name)

    def is_changed(self, method: str, changes: Sequence[str]) -> bool:
        before, after = (plan(tables, [method], [0]) for tables in (self.tables, override(self.tables, changes)))
        return before[0].settings_hash != after[0].settings_hash

    def open_images(self, name: str) -> ImageSet:
        from data.images import open_images

        return open_images(name, self.folder)

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


def plan_study(name: str, inputs: StudyInputs, seeds: Sequence[int]) -> list[tuple[Variant, list[Run]]]:
    """The variants of a study with their runs.

    Raises:
        SettingsError: for settings that cannot be used.
        DataError: for images that cannot be had.
    """
    checked(inputs.tables.get("problem", {}), ProblemSettings, "problem")
    return [
        (
            variant,
            plan(override(inputs.tables, variant.changes), variant.methods, seeds, None, inputs.preset, inputs.folder),
        )
        for variant in studies.load(name).variants(inputs)
    ]


def carry_out(
    name: str,
    planned: Sequence[tuple[Variant, list[Run]]],
    setup: Setup,
    truth: TruthTable,
    jobs: int,
    console: Console,
    command: Command,
    retry_failed: bool,
    tensorboard: bool,
) -> list[tuple[Path, dict[str, Any]]]:
    """Run what is missing of every variant, each in its folder below `setup.out`.

    With `tensorboard` the curves of all variants stand below one folder, so that they can be seen side by side.

    Returns:
        The rows of the runs that failed, as in `failures.csv`, each with its variant's folder.

    Raises:
        SettingsError: where a folder holds other results, or another command is writing into it.
    """
    from benchmark.progress import Progress
    from benchmark.results_folder import Results, locked, read_if_there, write_effects, write_rows, write_space
    from benchmark.runner import main_metric
    from benchmark.second_opinion import write_second_opinions
    from benchmark.tensorboard import FOLDER, with_curves
    from benchmark.workers import Batch, run_all
    from data.folder import make_folder, refuse_link

    out = setup.out
    if other := {row["study"] for row in read_if_there(out / "variants.csv", ("study",))} - {name}:
        raise SettingsError(f"{out} holds the study {other.pop()}; choose another --out")
    with ExitStack() as locks:
        folders = []
        for variant, runs in planned:
            folder = out / variant.name
            refuse_link(folder)
            make_folder(folder / "checkpoints")
            locks.enter_context(locked(folder))
            of_variant = truth.within(runs[0].problem.space)
            results = Results(folder, runs, of_variant)
            folders.append((variant, results, runs, results.missing(runs, retry_failed)))
            write_space(folder, of_variant)
            if "discretisation" in variant.methods:
                write_effects(folder, of_variant, main_metric(truth, runs[0].problem.images))
        write_rows(out / "variants.csv", [{"study": name, "variant": v.name, **v.factors} for v, _ in planned])
        missing = sum(len(runs) for _, _, _, runs in folders)
        total = sum(len(runs) for _, runs in planned)
        with Progress(console, total, total - missing) as progress:
            batches = [
                Batch(
                    replace(setup, out=results.out),
                    runs,
                    results,
                    command.recorded(results, asked, len(runs), truth),
                    with_curves(
                        progress.of(variant.name if len(planned) > 1 else ""),
                        out / FOLDER / variant.name if tensorboard else None,
                    ),
                )
                for variant, results, asked, runs in folders
            ]
            run_all(batches, jobs)
        for notice in write_second_opinions([results for _, results, _, _ in folders], truth):
            console.print(notice)
    return [(results.out, row) for _, results, asked, _ in folders for row in results.failures_of(asked)]


def describe_plan(planned: Sequence[tuple[Variant, list[Run]]]) -> str:
    """A line a variant: its folder, its methods, and what it has otherwise than the preset."""
    width = max(len(variant.name) for variant, _ in planned)
    return "\n".join(
        f"  {variant.name:<{width}}  {', '.join(variant.methods)}{'  ' if variant.changes else ''}"
        + " ".join(variant.changes)
        for variant, _ in planned
    )
