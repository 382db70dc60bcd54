"""The plan of a study: which runs there are, and of which stages each is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.settings import HALVES, ProblemSettings, SettingsError, Table, checked, digest, over, table_of
from data.splits import split_checksum
from methods import registry
from reports import run_name

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
    split: str
    """What tells the split apart: that of `problem`, or its file's checksum as planned, wherever the file lies."""

    @property
    def name(self) -> str:
        return run_name(self.method, self.seed)

    @property
    def settings_hash(self) -> str:
        return self.hash_of(len(self.stages))

    def hash_of(self, stages: int) -> str:
        """Hash of everything that shapes the first so many stages, but the seed."""
        problem = dataclasses.replace(self.problem, split=self.split)
        return digest(problem, *(part for stage in self.stages[:stages] for part in (stage.method, stage.settings)))

    def checkpoint_name(self, stage: int) -> str:
        """Name of the file that holds the state of stage 0, 1, …: the same for all runs that share the stage."""
        return f"{run_name(self.stages[stage].method, self.seed)}-{self.hash_of(stage + 1)}.safetensors"


def plan(tables: Table, methods: Sequence[str], seeds: Sequence[int], epochs: int | None = None) -> list[Run]:
    """The runs of every method with every seed, seed by seed; `epochs`, if given, for every supernet.

    Raises:
        SettingsError: for settings that cannot be used.
        MethodError: for an unknown method.
        DataError: for a split file that cannot be read.
    """
    problem = checked(tables.get("problem", {}), ProblemSettings, "problem")
    split = HALVES if problem.split == HALVES else split_checksum(Path(problem.split))
    for method in methods:
        if method.startswith("+") or method.count("+") > MOST_SELECTIONS:
            raise SettingsError(f"{method[:60]!r} is no method: a selection follows a supernet's method, as bdarts+pt")
    stages = {method: _stages(tables, method, epochs) for method in methods}
    known = registry.names()  # asked once, since it looks through all installed packages
    for section in tables:
        if section != "problem" and section not in known:
            raise SettingsError(f"[{section}] is neither [problem] nor a method; methods: {', '.join(known)}")
    return [Run(method, seed, stages[method], problem, split) for seed in seeds for method in methods]


def _stages(tables: Table, method: str, epochs: int | None, changes: Table | None = None) -> tuple[Stage, ...]:
    """`changes` are what the method that follows wants otherwise than the table of `method` has it."""
    start, _, name = method.rpartition("+")
    search = registry.load(name)
    table = over(table_of(tables, name), changes or {})
    of_supernet = table.pop("supernet", {})
    before: tuple[Stage, ...] = ()
    if search.follows is not None:
        # [pt.supernet] is of the supernet that PT starts from by default; that of bdarts+pt is as [bdarts] has it.
        before = _stages(
            tables, start or search.follows, epochs, of_supernet if start in ("", search.follows) else None
        )
        if reason := search.accepts(registry.load(before[-1].method)):
            raise SettingsError(f"{method} is no method: {name} cannot start from {start}, for {reason}")
    elif start or of_supernet:
        raise SettingsError(
            f"{start or name}{'+' + name if start else '.supernet'} has no meaning: {name} is no selection "
            "rule that starts from another method's supernet"
        )
    if epochs is not None and any(field.name == "epochs" for field in dataclasses.fields(search.Settings)):
        table["epochs"] = epochs
    return (*before, Stage(name, checked(table, search.Settings, name)))


def chains(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs in groups: those of one group share their first stage, so they go one after the other."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.checkpoint_name(0), []).append(run)
    return list(groups.values())
