"""The rows of a results folder: what the runner writes and every table and plot is made of.

- `runs.csv`: one row a finished run (method × seed).
- `history.csv`: one row a run and epoch.
- `scores.csv`: of each finished run whose search scores cells, a random sample of the scores.
- `failures.csv`: one row a failed run; absent where none failed.
- `space.csv`: the distribution of the ground truth over the whole space, so that a folder explains itself.
- `second-opinion.csv`: of each finished run, what its cell reaches in another truth table; older folders have none.

Accuracies are in percent. A *metric* is a data set and a split joined by `_`, as `cifar10_test`; which metrics a
folder has depends on its truth table.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from pathlib import Path

import pandas as pd

from reports import RowsError
from spaces import NASBENCH201

RUN_COLUMNS = {
    "method": "name of the method",
    "seed": "seed of the run",
    "genotype": "the cell it chose, as a NAS-Bench-201 string",
    "metric": "the metric that `regret` and `rank` speak of",
    "regret": "best accuracy of the space minus the chosen cell's, percentage points",
    "rank": "1 + the number of the space's cells that are strictly better",
    "other_selection": "a second selection rule on the same trained supernet, or empty",
    "other_genotype": "the cell that rule would have chosen",
    "asks": "of a search on the truth table itself, the metric that it chose by; else empty",
    "epochs": "epochs of the search, selection included",
    "search_seconds": "time of the search without start-up and truth queries; a shared supernet counts for each user",
    "device": "the device's name",
    "images": "the image set searched on",
    "preset": "the preset's name",
    "changes": "the settings that the run had otherwise than its preset, as for `--set`, separated by `; `",
    "split": "the training images to train on and to validate on: `halves`, or the name of the file that says them",
    "as_published": "True where problem, settings and truth table are those of the published protocol, else False",
    "settings": "hash of every setting that shapes the result",
    "space": "the cells searched: the space's name, and of a restricted one its operations",
    "truth": "the truth table's name",
    "truth_checksum": "its checksum",
    "version": "version of this program",
}
"""Columns of `runs.csv`. Beside them stand the metrics of `genotype`, and as `other_METRIC` of `other_genotype`."""

HISTORY_COLUMNS = {
    "method": "name of the method",
    "seed": "seed of the run",
    "epoch": "1 for the first epoch; the selection's epochs are counted on after the supernet's",
    "phase": "name of the search that this epoch was part of: the supernet's or the selection's",
    "genotype": "the cell the search would choose after this epoch",
    "skip_connects": "edges of that cell with skip_connect",
}
"""Columns of `history.csv`. Beside them stand the metrics of `genotype` and what the searches measured (a value
is empty where a search does not measure it): `train_loss`, `train_accuracy` (%), `valid_loss`, `valid_accuracy` (%),
`asked_accuracy` (%, the true one of the cell that a search on the table asked for in this epoch), `largest_weight`
(the largest softmax weight of α over all edges and operations), `weights` (the softmax weights of the operations,
edge by edge in the space's order, separated by spaces), `angle` (radians),
`tau` (Kendall's τ-b, over all cells, of the search's scores with the true accuracies by the main metric; the
score is the sum of the log weights of the cell's operations, or its angle), and of `discretisation`, which measures one
operation on one edge an epoch: `edge` (from 0), `operation` (its name), `weight` (its softmax weight of α), `pt_score`
(percentage points of supernet accuracy that masking it costs), `discretisation_accuracy` (%, of the supernet with that
operation alone on that edge, after fine-tuning)."""

SCORE_COLUMNS = {
    "method": "name of the method",
    "seed": "seed of the run",
    "score": "what the finished search ranks a cell by, as `tau`",
    "accuracy": "the cell's true accuracy by the main metric, %",
}
"""Columns of `scores.csv`: SCORED_CELLS cells of a run, by score. Which cells they are is not said, so that the file is
a picture of how scores and accuracies go together, and no part of the truth table."""

BETWEEN_CHANGES = "; "
"""Stands between two of the settings in `changes`."""

SCORED_CELLS = 250

FAILURE_COLUMNS = {
    "method": "name of the method",
    "seed": "seed of the run",
    "settings": "hash of every setting that shapes the result",
    "error": "what went wrong, in one line",
    "transient": "1 where it is of the machine (memory, a killed process), and the same command tries again; else 0",
    "details": "file with the traceback, in this folder",
}
"""Columns of `failures.csv`: one row a run that failed and has not been finished since."""

SPACE_COLUMNS = {
    "metric": "the metric",
    "statistic": "`mean`, or a quantile: a number from 0 (worst cell) to 1 (best cell)",
    "accuracy": "its value, %",
}
"""Columns of `space.csv`."""

EFFECT_COLUMNS = {
    "edge": "from 0, in the space's order",
    "operation": "name of the operation",
    "metric": "the metric",
    "accuracy": "mean over all cells with that operation on that edge, %",
}
"""Columns of `effects.csv`, which the study `discretisation` puts beside its rows."""


SECOND_FILE = "second-opinion.csv"

SECOND_METRIC = "cifar10_test"
"""The one metric that both truth tables have."""

SECOND_COLUMNS = {
    "method": "name of the method",
    "seed": "seed of the run",
    "metric": "the metric",
    "accuracy": "what the run's cell reaches in the other truth table, %",
    "truth": "the other truth table's name",
    "truth_checksum": "its checksum",
}
"""Columns of `second-opinion.csv`."""


TEXT = dict.fromkeys(
    (
        *("method", "genotype", "metric", "other_selection", "other_genotype", "asks", "device", "images", "preset"),
        *(
            "changes",
            "split",
            "as_published",
            "settings",
            "space",
            "truth",
            "truth_checksum",
            "version",
            "phase",
            "operation",
        ),
        *("weights", "error", "details", "statistic", "study", "variant"),
    ),
    str,
)
"""Columns that are text, whatever they look like: hexadecimal digits as 12345e678901, a method called nan, or nothing
at all. Measurements are the one thing in a row that has no type of its own: they are text exactly where `is_number`
says that some value is none, which the runner sees to when they are written."""

NUMBER = re.compile(r"[+-]?((\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|nan|inf|infinity)", re.ASCII | re.IGNORECASE)


def is_number(text: str) -> bool:
    """Whether a cell of a CSV with this text is read as a number."""
    return NUMBER.fullmatch(text.strip()) is not None


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes a cell for a formula by, which it then computes."""


def shielded(value: object) -> object:
    """A value as it stands in a CSV: text that a spreadsheet would take for a formula behind an apostrophe, by which
    spreadsheets mark text, too."""
    return f"'{value}" if isinstance(value, str) and value.lstrip(" '").startswith(FORMULA) else value


def unshielded(value: object) -> object:
    """The inverse of `shielded`."""
    return value[1:] if isinstance(value, str) and value.startswith("'") and shielded(value[1:]) == value else value


def csv_bytes(rows: pd.DataFrame, float_format: str | None = None) -> bytes:
    """The content of a CSV; every one that this program writes is made here."""
    safe = rows.rename(columns=shielded)
    for place, kind in enumerate(safe.dtypes):
        if isinstance(kind, pd.StringDtype) or pd.api.types.is_object_dtype(kind):
            values = [shielded(value) for value in safe.iloc[:, place]]
            safe.isetitem(place, pd.array(values, dtype=kind))
    text: str = safe.to_csv(index=False, float_format=float_format, lineterminator="\n")
    return text.encode("utf-8", "backslashreplace")


TO_BE_READ = {"<": "‹", ">": "›", "`": "'", "|": "¦", "\\": "/", "](": "] (", "://": ": //", "www.": "www ."}
"""What Markdown takes for a command, and what stands for it in names and errors that are shown."""


def readable(text: str) -> str:
    """A text of somebody else's in one line that no page takes for more than text."""
    for command, instead in TO_BE_READ.items():
        text = text.replace(command, instead)
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


AS_WRITTEN = ("genotype", "other_genotype", "variant", "details", "weights")
"""Columns whose text is no name and shown nowhere: cells, which are checked, files, and numbers."""


def read_csv(path: Path) -> pd.DataFrame:
    """The rows of a CSV that `csv_bytes` made: text as it was written, and only an empty cell is no value.

    Raises:
        OSError, ValueError: where it cannot be read.
    """
    rows = pd.read_csv(path, dtype=TEXT, keep_default_na=False, na_values=[""], encoding="utf-8")
    for column in rows:
        if isinstance(rows[column].dtype, pd.StringDtype) and rows[column].str.startswith("'").any():
            rows[column] = rows[column].map(unshielded, na_action="ignore").astype("str")
    return rows


ASKED_THE_TABLE = ("random-search", "evolution")
"""Methods that earlier versions let choose by the truth table without saying so in `asks`."""


def completed(runs: pd.DataFrame) -> pd.DataFrame:
    """Rows of `runs.csv` with the columns that folders of earlier versions lack, derived from those that they have."""
    if not {"method", "images", "preset"} <= set(runs):
        return runs  # what is missing there is said by whoever wants it
    found = runs.copy()
    if "changes" not in found:
        # The preset's name was followed by them, and they by how they were asked for.
        parts = [str(text).partition(" with ") for text in found["preset"].fillna("")]
        found["preset"], found["changes"] = [part[0] for part in parts], [part[2] for part in parts]
    if "split" not in found:
        by_file = found["changes"].fillna("").astype(str).str.extract(r"problem\.split=(?:.*/)?([^,;/]+)", expand=False)
        found["split"] = by_file.fillna("halves")
    if "as_published" not in found:
        found["as_published"] = "False"  # a file of that name passed for the preset `paper`, so its name is no proof
    if "asks" not in found:
        pairs = zip(found["method"], found["images"], strict=True)
        found["asks"] = [_asked(str(images), runs) if method in ASKED_THE_TABLE else "" for method, images in pairs]
    if "space" not in found:
        found["space"] = NASBENCH201.name
    for column in ("asks", "preset", "changes"):
        found[column] = found[column].fillna("")
    return found


def with_changes(presets: Iterable[str], changes: Iterable[str], most: int | None = None) -> str:
    """Presets, and what rows have otherwise, as tables and plots call them: `proxy with problem.channels=16`.

    Args:
        changes: as rows have them; of more than `most` settings, their number.
    """
    text = " / ".join(dict.fromkeys(presets))
    settings = dict.fromkeys(setting for row in changes for setting in row.split(BETWEEN_CHANGES) if setting)
    if most is not None and len(settings) > most:
        return f"{text} with {len(settings)} changed settings"
    return f"{text} with {', '.join(settings)}" if settings else text


def _asked(images: str, columns: Container[object]) -> str:
    """What a search on the table chose by in earlier versions."""
    metrics = (f"{images}_valid", "cifar10_valid", "cifar10_test")
    return next((metric for metric in metrics if metric in columns), "")


ANEW = "the `benchmark run` or `study` that made this folder writes the rows anew from its checkpoints"


def _has_checkpoints(folder: Path) -> bool:
    try:
        return any((folder / "checkpoints").glob("*.safetensors"))
    except OSError:  # as a name that is too long
        return False


def read_rows(folder: Path, name: str, columns: dict[str, str], optional: bool = False) -> pd.DataFrame:
    """The rows of `folder/name`, with at least `columns`; none where an `optional` file is missing or has none.

    Raises:
        RowsError: where the file is missing, unreadable, empty, or lacks a column.
    """
    path = folder / name
    if optional and not path.exists():
        return pd.DataFrame(columns=list(columns))
    try:
        rows = read_csv(path)
    except FileNotFoundError:
        if _has_checkpoints(folder):
            raise RowsError(f"{path} does not exist, but checkpoints do: {ANEW}") from None
        raise RowsError(f"{path} does not exist: give a folder that `benchmark run --out` has written") from None
    except (OSError, ValueError) as error:
        what_now = f"remove it; {ANEW}" if _has_checkpoints(folder) else "get the file again"
        raise RowsError(f"{path} cannot be read as CSV ({error}): {what_now}") from None
    if name == "runs.csv":
        rows = completed(rows)
    for column in set(rows) - set(AS_WRITTEN):
        if isinstance(rows[column].dtype, pd.StringDtype) or pd.api.types.is_object_dtype(rows[column].dtype):
            shown = {text: readable(text) for text in rows[column].dropna().unique() if isinstance(text, str)}
            if any(text != other for text, other in shown.items()):
                rows[column] = rows[column].replace(shown)
    missing = [column for column in columns if column not in rows]
    if missing:
        raise RowsError(f"{path} has no column {missing[0]!r}: it was not written by this program, or was edited")
    if rows.empty and not optional:
        raise RowsError(f"{path} holds no rows: no run has finished in this folder yet")
    return rows
