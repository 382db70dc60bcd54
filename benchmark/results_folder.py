"""The results folder as the runner writes it: rows, failures and the truth's distribution; one command at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from benchmark.errors import SettingsError
from benchmark.plan import Run, split_key
from data.folder import refuse_link, remove_partial_files, write_atomically
from data.truth import TITLES, TruthTable
from reports import run_name
from reports.rows import (
    EFFECT_COLUMNS,
    FAILURE_COLUMNS,
    HISTORY_COLUMNS,
    RUN_COLUMNS,
    SCORE_COLUMNS,
    SPACE_COLUMNS,
    completed,
    csv_bytes,
    read_csv,
    with_changes,
)

Row = dict[str, Any]

FAILURES = "failures"
"""The folder of the failed runs' tracebacks."""

OWN_FOLDERS = ("checkpoints", "plots", FAILURES, "tensorboard")
"""The folders within a results folder."""


@dataclass(frozen=True)
class Finished:
    """A run's rows."""

    row: Row
    history: list[Row]
    scores: list[Row]


@dataclass(frozen=True)
class Failed:
    """A run that cannot go on."""

    run: Run
    error: str
    """In one line."""
    details: str
    """The traceback, or what else is known."""
    transient: bool
    """Whether it is of the machine (memory, a killed process), so that the same command tries again."""


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keeps every other command out of the folder; the lock ends with this process, however that ends.

    Raises:
        SettingsError: where another process has it.
        DataError: where what is to be written into is a link.
    """
    for name in (".lock", *OWN_FOLDERS):
        refuse_link(out / name)
    lock = FileLock(out / ".lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise SettingsError(
            f"another command is writing into {out} now; wait for it to end, or choose another --out"
        ) from None
    except OSError as error:
        raise SettingsError(f"{out / '.lock'} cannot be used ({error.strerror}); choose another --out") from None
    try:
        for folder in (out, *(out / name for name in OWN_FOLDERS)):
            remove_partial_files(folder)
        yield
    finally:
        lock.release()


class ResultsFolder:
    """The rows of a results folder: those that were there, and each run's as it finishes or fails."""

    def __init__(self, out: Path, runs: Sequence[Run], truth: TruthTable) -> None:
        self.out = out
        self.runs = read_if_there(out / "runs.csv", RUN_COLUMNS)
        self.history = read_if_there(out / "history.csv", HISTORY_COLUMNS)
        self.scores = read_if_there(out / "scores.csv", SCORE_COLUMNS)
        finished = {_key(row) for row in self.runs}
        failures = read_if_there(out / "failures.csv", FAILURE_COLUMNS)
        self.failures = [row for row in failures if _key(row) not in finished]  # one may have been killed in between
        self.planned = {run.method: run.settings_hash for run in runs}
        for row in self.runs:
            if row["truth_checksum"] != truth.checksum[:12]:
                names = [name for name, title in TITLES.items() if title == row["truth"] != truth.name]
                go_on = f" or, to go on with these, --truth {names[0]}" if names else ""
                raise SettingsError(
                    f"{out} holds results looked up in another truth table ({row['truth']} with checksum "
                    f"{row['truth_checksum']}, and now it is {truth.name} with {truth.checksum[:12]}); choose another "
                    f"--out{go_on}"
                )
            if row["space"] != truth.space.name:
                raise SettingsError(
                    f"{out} holds results of the space {row['space']}, and now it is {truth.space.name}; choose "
                    "another --out, or the problem.operations they were made with"
                )
            if self.planned.get(row["method"], row["settings"]) != row["settings"]:
                preset = with_changes([row["preset"]], [row["changes"]])
                raise SettingsError(
                    f"{out} holds results of {row['method']} with other settings (preset {preset}, images "
                    f"{row['images']}, split {row['split']}); choose another --out, or the settings they were made with"
                )
        self._complete(runs, truth)

    def _complete(self, runs: Sequence[Run], truth: TruthTable) -> None:
        """Writes what a folder of an earlier version does not say of its runs, and of those planned now is known."""
        published = {run.method: run.facts(truth)["as_published"] for run in runs}
        for row in self.runs:
            row["as_published"] = published.get(row["method"], row["as_published"])
        if self.runs and _csv(self.runs) != (self.out / "runs.csv").read_bytes():
            write_rows(self.out / "runs.csv", self.runs)

    def missing(self, runs: Sequence[Run], retry_failed: bool = False) -> list[Run]:
        """Those of the runs that are yet to be carried out: failed ones where asked to, or where it may help."""
        done = {_key(row) for row in self.runs} - self._without_rows(runs)
        if not retry_failed:
            done |= {_key(row) for row in self.failures_of(runs) if not row["transient"]}
        missing = [run for run in runs if (run.method, run.seed) not in done]
        self._refuse_other_split(missing)
        return missing

    def _without_rows(self, runs: Sequence[Run]) -> set[tuple[str, int]]:
        """Runs that stand in runs.csv, but lack rows in a file that was removed since, as one that was damaged: from
        their last checkpoint they come to the same rows again."""
        epochs = Counter(_key(row) for row in self.history)
        scored = {_key(row) for row in self.scores}
        # In its last epoch: PT has no scores, though the supernet that it starts from had.
        with_scores = {
            key for key, row in {_key(row): row for row in self.history}.items() if is_present(row.get("tau"))
        }
        last = {(run.method, run.seed): run.checkpoint_name(len(run.stages) - 1) for run in runs}
        found = set()
        for row in self.runs:
            key = _key(row)
            lacks_scores = key in with_scores and key not in scored
            # Folders of earlier versions have no scores, and what was copied without checkpoints would begin anew.
            if key in last and (not epochs[key] or lacks_scores) and (self.out / "checkpoints" / last[key]).exists():
                found.add(key)
        return found

    def _refuse_other_split(self, runs: Sequence[Run]) -> None:
        """A search that was begun with halves, for want of the official split, would begin anew with it, or the other
        way round.

        Raises:
            SettingsError: where there is one.
        """
        begun = self.out / "checkpoints"
        for run in runs:
            if (other := run.other) is None or not (begun / other.checkpoint_name(0)).exists():
                continue
            if run.split.path:
                how = (
                    "since cifar-split.txt was not in the data folder then; to go on so, add "
                    f"--set problem.split.{split_key(run.method)}=halves, or choose another --out"
                )
            else:
                how = f"but {run.why}; import it again, or choose another --out"
            raise SettingsError(f"{run.name} was begun in {self.out} with the split {other.split.label}, {how}")

    def failures_of(self, runs: Sequence[Run]) -> list[Row]:
        """The rows of those runs that failed with their present settings."""
        settings = {(run.method, run.seed): run.settings_hash for run in runs}
        return [row for row in self.failures if settings.get(_key(row)) == row["settings"]]

    def add(self, news: Finished | Failed) -> None:
        """Write a run's rows. runs.csv comes last: a run counts as finished once it stands there."""
        if isinstance(news, Failed):
            self._add_failure(news)
            return
        key = _key(news.row)
        self.history = self._with_new(self.history, key, news.history)
        self.scores = self._with_new(self.scores, key, news.scores)
        self.runs = self._with_new(self.runs, key, [news.row])
        write_rows(self.out / "history.csv", self.history)
        if self.scores:
            write_rows(self.out / "scores.csv", self.scores)
        write_rows(self.out / "runs.csv", self.runs)
        if any(_key(row) == key for row in self.failures):
            self._write_failures(self._with_new(self.failures, key, []))
            (self.out / FAILURES / f"{run_name(*key)}.txt").unlink(missing_ok=True)

    def _add_failure(self, failed: Failed) -> None:
        run = failed.run
        path = self.out / FAILURES / f"{run.name}.txt"
        write_atomically(path, failed.details.encode("utf-8", "backslashreplace"))
        values = (
            run.method,
            run.seed,
            run.settings_hash,
            failed.error,
            int(failed.transient),
            f"{FAILURES}/{path.name}",
        )
        row = dict(zip(FAILURE_COLUMNS, values, strict=True))
        self._write_failures(self._with_new(self.failures, _key(row), [row]))

    def _write_failures(self, failures: list[Row]) -> None:
        self.failures = failures
        if failures:
            write_rows(self.out / "failures.csv", failures)
        else:
            (self.out / "failures.csv").unlink(missing_ok=True)

    def _with_new(self, rows: list[Row], key: tuple[str, int], new: list[Row]) -> list[Row]:
        return self._ordered([row for row in rows if _key(row) != key] + new)

    def _ordered(self, rows: list[Row]) -> list[Row]:
        """By method in the order asked for, then seed, so that the files do not depend on who finished first."""
        methods = list(dict.fromkeys([*self.planned, *(row["method"] for row in [*self.runs, *rows])]))
        return sorted(rows, key=lambda row: (methods.index(row["method"]), row["seed"], row.get("epoch", 0)))


def _key(row: Row) -> tuple[str, int]:
    return row["method"], row["seed"]


def is_present(value: object) -> bool:
    """Whether a cell of a row has a value."""
    return value is not None and value == value


def read_if_there(path: Path, columns: Iterable[str]) -> list[Row]:
    """The rows of a file, none where it is absent.

    Raises:
        SettingsError: where it cannot be read or lacks one of the columns.
    """
    if not path.exists():
        return []
    try:
        rows = read_csv(path)
        if path.name == "runs.csv":
            rows = completed(rows)
        if lacking := [column for column in columns if column not in rows]:
            raise ValueError(f"it has no column {lacking[0]!r}")
        for column in {"seed", "epoch"}.intersection(rows):
            rows[column] = pd.to_numeric(rows[column]).astype("int64")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path} cannot be read ({error}); repair it, or remove it, so that this command makes its rows anew from "
            "the checkpoints, or choose another --out"
        ) from None
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def write_rows(path: Path, rows: list[Row]) -> None:
    """A CSV file of these rows, whole or not at all."""
    write_atomically(path, _csv(rows))


def _csv(rows: list[Row]) -> bytes:
    return csv_bytes(pd.DataFrame(rows))


def write_effects(out: Path, truth: TruthTable, metric: str) -> None:
    """effects.csv: the mean true accuracy of all cells with an operation on an edge, for every such pair."""
    rows = []
    for edge, choices in enumerate(truth.space.choices.T):
        for number, operation in enumerate(truth.space.operations):
            mean = truth.accuracies[metric][choices == number].mean()
            rows.append(dict(zip(EFFECT_COLUMNS, (edge, operation, metric, mean), strict=True)))
    write_rows(out / "effects.csv", rows)


def write_space(out: Path, truth: TruthTable) -> None:
    """space.csv: mean and quantiles of each metric over all cells."""
    rows = []
    quantiles = [i / 200 for i in range(201)]
    for metric in truth.accuracies:
        values = [("mean", truth.mean(metric)), *zip(quantiles, truth.quantiles(metric, quantiles), strict=True)]
        rows += [dict(zip(SPACE_COLUMNS, (metric, *value), strict=True)) for value in values]
    write_rows(out / "space.csv", rows)
