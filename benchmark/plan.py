"""The plan of a study: which runs there are, and of which stages each is made."""

from __future__ import annotations

import dataclasses
import functools
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark.errors import SettingsError
from benchmark.settings import (
    ALL_OPERATIONS,
    NO_METHODS,
    ProblemSettings,
    Table,
    digest,
    merge,
    plain_default,
    plain_value,
    preset_label,
    read_preset,
    table_of,
    validate,
    written,
)
from data.folder import DataError
from data.splits import CIFAR_SPLIT, HALVES, OFFICIAL, Split, official_split, split_by_file
from data.truth import TruthTable
from methods import registry
from methods.registry import MethodError
from reports import run_name
from reports.rows import BETWEEN_CHANGES
from spaces import NASBENCH201, Space

PUBLISHED = "paper"
"""The preset that holds the published protocols."""

PUBLISHED_TRUTH = "NAS-Bench-201"
"""The table that all published numbers were looked up in."""

MOST_SELECTIONS = 8
"""In one method; more than any has a meaning for."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """One search of a run: the training of a supernet, or a selection that starts from a trained one."""

    method: str
    settings: Any


@dataclasses.dataclass(frozen=True)
class Run:
    """One method and one seed; its stages run one after the other. Equal stages of a seed are run only once."""

    method: str
    seed: int
    stages: tuple[Stage, ...]
    problem: ProblemSettings
    """As asked for, but for its split: that is this run's own."""
    split: Split
    asked: str = HALVES
    """The split that its settings ask for."""
    why: str = ""
    """Why it has halves where they ask for `CIFAR_SPLIT`, as the end of a sentence."""
    preset: str = ""
    """The preset's name, as rows have it."""
    changes: str = ""
    """How it differs from the preset, written as for `--set`; images and split have columns of their own."""
    published: bool = False
    """Whether its problem and settings are those of the published protocol."""

    @property
    def name(self) -> str:
        """METHOD-seedN."""
        return run_name(self.method, self.seed)

    @property
    def other(self) -> Run | None:
        """This run as another moment could have planned it: with the official split where that was not to be had, or
        with halves where it was."""
        if self.asked != CIFAR_SPLIT:
            return None
        return dataclasses.replace(self, split=Split() if self.split.path else OFFICIAL)

    @property
    def settings_hash(self) -> str:
        """Hash of everything that shapes the run, but the seed."""
        return self.hash_of(len(self.stages))

    def hash_of(self, stages: int) -> str:
        """Hash of everything that shapes the first so many stages, but the seed."""
        problem = dataclasses.replace(self.problem, split=self.split.identity)
        return digest(problem, *(part for stage in self.stages[:stages] for part in (stage.method, stage.settings)))

    def checkpoint_name(self, stage: int) -> str:
        """Name of the file that holds the state of stage 0, 1, …: the same for all runs that share the stage."""
        return f"{run_name(self.stages[stage].method, self.seed)}-{self.hash_of(stage + 1)}.safetensors"

    def facts(self, truth: TruthTable) -> dict[str, object]:
        """What its row says of the conditions that it ran under."""
        return {
            "preset": self.preset,
            "changes": self.changes,
            "split": self.split.label,
            "as_published": self.published and truth.name == PUBLISHED_TRUTH,
        }


def plan(
    tables: Table,
    methods: Sequence[str],
    seeds: Sequence[int],
    epochs: int | None = None,
    preset: str | None = None,
    folder: Path | None = None,
) -> list[Run]:
    """The runs of every method with every seed, seed by seed; `epochs`, if given, for every supernet.

    Args:
        preset: what `tables` were before the command's changes, as `read_preset` takes it.
        folder: of data, where the official split may lie.

    Raises:
        SettingsError: for settings that cannot be used.
        MethodError: for an unknown method.
        DataError: for a split file that cannot be read.
    """
    asked = with_canonical_operations(validate(tables.get("problem", {}), ProblemSettings, "problem"))
    for method in methods:
        if method.startswith("+") or method.count("+") > MOST_SELECTIONS:
            raise SettingsError(f"{method[:60]!r} is no method: a selection follows a supernet's method, as bdarts+pt")
    stages = {}
    for method in methods:
        with of_method(method):
            stages[method] = _stages(tables, method, epochs)
        check_space(method, asked.space)
    known = registry.names()  # asked once, since it looks through all installed packages
    for section in tables:
        if section not in (*NO_METHODS, *known):
            raise SettingsError(f"[{section}] is neither [problem] nor a method; methods: {', '.join(known)}")
    if unknown := [name for name in asked.split if name not in known] if isinstance(asked.split, dict) else []:
        raise SettingsError(f"problem.split names {unknown[0]!r}, which is no method; methods: {', '.join(known)}")
    problem = dataclasses.replace(asked, split=HALVES)
    label, model = ("", tables) if preset is None else (preset_label(preset), read_preset(preset))
    runs = {}
    for method in methods:
        asked_split = split_of(asked.split, method)
        split, why = _split(asked_split, asked, folder)
        with of_method(method):
            run = Run(
                method=method,
                seed=seeds[0],
                stages=stages[method],
                problem=problem,
                split=split,
                asked=asked_split,
                why=why,
                preset=label,
                changes=_changes(model, method, stages[method], problem),
                published=_is_published(method, stages[method], problem, split),
            )
            pickle.dumps((run, run.settings_hash))  # for other processes
        runs[method] = run
    return [dataclasses.replace(runs[method], seed=seed) for seed in seeds for method in methods]


def with_canonical_operations(problem: ProblemSettings) -> ProblemSettings:
    """The same problem, its operations named in the space's own order.

    Raises:
        SettingsError: for operations that make no space.
    """
    space = problem.space
    operations = ALL_OPERATIONS if space == NASBENCH201 else ",".join(space.operations)
    return dataclasses.replace(problem, operations=operations)


def check_space(method: str, space: Space) -> None:
    """
    Raises:
        SettingsError: where a stage of `method` has no meaning in the space.
    """
    start, _, name = method.rpartition("+")
    search = registry.load(name)
    if missing := [operation for operation in search.needs_operations if operation not in space.operations]:
        raise SettingsError(f"{name} has no meaning without {missing[0]}, which problem.operations leaves out")
    if search.follows is not None:
        check_space(start or search.follows, space)


@contextmanager
def of_method(name: str) -> Iterator[None]:
    """Turns an error of a third party's method, or of its settings, into one sentence.

    Raises:
        MethodError: instead.
    """
    try:
        yield
    except (SettingsError, MethodError, DataError):
        raise
    except Exception as error:
        if not registry.of_others(name):
            raise
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise MethodError(
            f"the settings of {name!r} cannot be used ({said}); repair that method, or leave it out"
        ) from error


def stage_names(method: str, stages: Sequence[str]) -> list[str]:
    """What the tables of a preset call the stages of `method`, given the methods of these: the supernet that a
    selection starts from by default is a part of its own table, as `pt.supernet`."""
    followers = [*stages[1:], None]
    return [
        f"{follower}.supernet" if follower == method else stage
        for stage, follower in zip(stages, followers, strict=True)
    ]


def _stages(tables: Table, method: str, epochs: int | None) -> tuple[Stage, ...]:
    found = []
    for name, table in _stage_tables(tables, method):
        settings = registry.load(name).Settings
        if epochs is not None and any(field.name == "epochs" for field in dataclasses.fields(settings)):
            table["epochs"] = epochs
        found.append(Stage(name, validate(table, settings, name)))
    return tuple(found)


def _stage_tables(tables: Table, method: str, changes: Table | None = None) -> list[tuple[str, Table]]:
    """The method of each stage with its settings as written. `changes` are what the following method sets differently
    from the table of `method`."""
    start, _, name = method.rpartition("+")
    search = registry.load(name)
    table = merge(table_of(tables, name), changes or {})
    of_supernet = table.pop("supernet", {})
    before: list[tuple[str, Table]] = []
    if search.follows is not None:
        # [pt.supernet] is of the supernet that PT starts from by default; that of bdarts+pt is as [bdarts] has it.
        before = _stage_tables(tables, start or search.follows, of_supernet if start in ("", search.follows) else None)
        if reason := search.accepts(registry.load(before[-1][0])):
            raise SettingsError(f"{method} is no method: {name} cannot start from {start}, for {reason}")
    elif start or of_supernet:
        raise SettingsError(
            f"{start or name}{'+' + name if start else '.supernet'} has no meaning: {name} is no selection "
            "rule that starts from another method's supernet"
        )
    return [*before, (name, table)]


def _changes(model: Table, method: str, stages: Sequence[Stage], problem: ProblemSettings) -> str:
    """The settings of a run that its preset, `model`, has otherwise or not at all, each as `--set` would change it."""
    written_in = [table for _, table in _stage_tables(model, method)]
    names = stage_names(method, [stage.method for stage in stages])
    parts = [("problem", problem, model.get("problem", {}))]
    parts += zip(names, (stage.settings for stage in stages), written_in, strict=True)
    found = []
    for name, settings, table in parts:
        for field in dataclasses.fields(settings):
            value = getattr(settings, field.name)
            if name == "problem" and field.name in FACTS_OF_THEIR_OWN:
                continue
            if plain_value(value) != (table[field.name] if field.name in table else plain_default(field)):
                found.append(f"{name}.{field.name}={written(value)}")
    return BETWEEN_CHANGES.join(found)


FACTS_OF_THEIR_OWN = ("images", "split")
"""Settings of the problem that have columns of their own."""


def split_of(asked: str | dict[str, str], method: str) -> str:
    """The split that a problem's settings ask for `method`: the one of all, one for it alone, or its protocol's."""
    key = split_key(method)
    return asked if isinstance(asked, str) else asked.get(key, registry.load(key).split)


def split_key(method: str) -> str:
    """The method whose split a run of `method` has: that whose supernet it trains, as darts2 of darts2+pt."""
    start, _, name = method.rpartition("+")
    return name if start in ("", registry.load(name).follows) else split_key(start)


def _split(asked: str, problem: ProblemSettings, folder: Path | None) -> tuple[Split, str]:
    """The split asked for; or the halves, and why the official one is not to be had.

    Raises:
        SettingsError: for a split file that cannot be of these images.
        DataError: for one that cannot be read.
    """
    if asked == HALVES:
        return Split(), ""
    if asked != CIFAR_SPLIT:
        if problem.training_images != "all":
            raise SettingsError(
                'a split file is of all images: set problem.training_images to "all", or problem.split to "halves"'
            )
        return split_by_file(Path(asked)), ""
    if problem.images != "cifar10":
        return Split(), f"AutoDL-Projects' cifar-split.txt is of CIFAR-10, not of {problem.images}"
    if problem.training_images != "all":
        return Split(), f"AutoDL-Projects' cifar-split.txt is of all images, not of {problem.training_images:,}"
    official = None if folder is None else official_split(folder)
    if official:
        return official, ""
    return Split(), "AutoDL-Projects' cifar-split.txt is not in the data folder (python -m benchmark data status)"


def _is_published(method: str, stages: tuple[Stage, ...], problem: ProblemSettings, split: Split) -> bool:
    """Whether these are the published protocol of a method: what `paper` says of it, on any number of threads."""
    tables = _published()
    as_published = validate(tables["problem"], ProblemSettings, "problem")
    same_problem = problem == dataclasses.replace(as_published, threads=problem.threads, split=HALVES)
    of_protocol = OFFICIAL if split_of(as_published.split, method) == CIFAR_SPLIT else Split()
    same_split = split.identity == of_protocol.identity
    return same_problem and same_split and stages == _stages(tables, method, None)


@functools.cache
def _published() -> Table:
    return read_preset(PUBLISHED)


def chains(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs in groups: those of one group share their first stage, so they go one after the other."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.checkpoint_name(0), []).append(run)
    return list(groups.values())
