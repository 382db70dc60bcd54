"""Reads the official releases of NAS-Bench-201: the `.pth` files of `nas-bench-201`, the folder of `nats-bench`.

Sources: https://github.com/D-X-Y/NAS-Bench-201 (v1.0, v1.1) and https://github.com/D-X-Y/NATS-Bench (topology v1.0).
Both hold, for each cell and each of two trainings (12 and 200 epochs), the `ArchResults.state_dict()` of their package:
`all_results` maps (data set, seed) to one run, whose `eval_acc1es` maps `SET@EPOCH` to an accuracy in percent.
"""

from __future__ import annotations

import bz2
import contextlib
import functools
import mmap
import operator
import os
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from data.folder import DataError, Progress
from data.measurements import Measurements
from data.metrics import FLOPS, INDEX, PARAMS, TRAININGS, accuracy_column, runs_column, seconds_column
from data.pickle_stream import PickleStream, check_keys
from data.pickles import latin1
from spaces import Cell, CellError

EVALUATED = {
    "cifar10_valid": ("cifar10-valid", "x-valid"),
    "cifar10_test": ("cifar10", "ori-test"),
    "cifar100_valid": ("cifar100", "x-valid"),
    "cifar100_test": ("cifar100", "x-test"),
    "imagenet16-120_valid": ("ImageNet16-120", "x-valid"),
    "imagenet16-120_test": ("ImageNet16-120", "x-test"),
}
"""For each metric the releases' names of the data set trained on and the set evaluated on.

CIFAR-10 is two data sets here: `cifar10-valid` trains on 25,000 images and validates on the other 25,000; `cifar10`
trains on all 50,000 and is tested. The test accuracy of the half-trained runs, which stands beside them as their
`ori-test`, is nobody's published number.
"""

TRAINED = dict(zip(("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120"), TRAININGS, strict=True))
"""For each data set trained on, as the releases call it, its name here."""


def read_pth(path: Path, progress: Progress | None) -> Measurements:
    """The cells of `NAS-Bench-201-v1_0-e61699.pth` or `NAS-Bench-201-v1_1-096897.pth`.

    Raises:
        DataError: where the file holds anything but the release's own classes, is damaged, or is something else.
    """
    measurements = Measurements()
    with path.open("rb") as file, _content(file.fileno(), path) as content:

        def take(target: dict[Any, Any]) -> bool:
            if "full" not in target or "less" not in target:
                return False
            _add(measurements, {12: target["less"], 200: target["full"]}, path.name)
            target.clear()
            if progress:
                progress(f"reading {path.name}", stream.position, len(content))
            return True

        stream = PickleStream(content, path.name, ADMITTED, take)
        benchmark = stream.load()
        if isinstance(benchmark, int):
            # The form before PyTorch 1.6 begins with a number of its own, its version and the machine's type sizes,
            # and ends with the list of its tensors, of which there are none.
            _, _, benchmark, _ = (stream.load() for _ in range(4))
    if not isinstance(benchmark, dict) or "arch2infos" not in benchmark:
        raise DataError(
            f"{path.name} is not NAS-Bench-201's file: python -m benchmark data status says where to get it"
        )
    return measurements


@contextlib.contextmanager
def _content(descriptor: int, path: Path) -> Iterator[bytes | mmap.mmap]:
    """The pickles in a file: mapped as they are or, since PyTorch 1.6, inside a zip."""
    if zipfile.is_zipfile(path):
        yield _zipped(path)
    elif path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty: get the official file")
    else:
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as mapped:
            yield mapped


def _zipped(path: Path) -> bytes:
    """The one pickle in a zip, as PyTorch writes it: not compressed, so that it is no larger than its file."""
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [member for member in archive.infolist() if member.filename.endswith("/data.pkl")]
            if len(pickles) != 1 or pickles[0].compress_type != zipfile.ZIP_STORED:
                raise DataError(f"{path.name} is not a file of PyTorch: get the official file")
            return archive.read(pickles[0])
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as error:
        raise DataError(f"{path.name} is a damaged zip ({error}): get the official file") from error


def read_nats(folder: Path, progress: Progress | None) -> Measurements:
    """The cells of the unpacked `NATS-tss-v1_0-3ffb9-simple`, one file a cell.

    Raises:
        DataError: where a file holds anything but the release's own classes, or is damaged.
    """
    measurements = Measurements()
    files = sorted(path for path in folder.glob("*.pickle.pbz2") if path.name.split(".")[0].isdigit())
    # Decompression takes most of the time and lets other threads run; by portions, so that little waits in memory.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), 64):
            portion = files[start : start + 64]
            for done, (path, content) in enumerate(zip(portion, pool.map(_decompress, portion), strict=True), start):
                results = PickleStream(content, path.name, ADMITTED).load()
                if not isinstance(results, dict):
                    raise DataError(f"{path} is not of NATS-Bench: unpack the archive again")
                _add(
                    measurements,
                    {epochs: results[key] for key, epochs in _NATS_KEYS.items() if key in results},
                    path.name,
                )
                if progress:
                    progress(f"reading {folder.name}", done + 1, len(files))
    return measurements


_NATS_KEYS = {"12": 12, "200": 200}

MOST_BYTES = 8 << 20
"""More than any cell's file of NATS-Bench has when it is decompressed; theirs have some hundred thousand."""


def _decompress(path: Path) -> bytes:
    try:
        with bz2.open(path) as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is damaged: unpack the archive again") from error
    if len(content) > MOST_BYTES:
        raise DataError(f"{path} is larger than any file of NATS-Bench: do not trust it")
    return content


def _add(measurements: Measurements, states: Mapping[int, Any], what: str) -> None:
    """Take one cell's numbers out of the `ArchResults` states of its trainings, by epochs."""
    try:
        names = {state["arch_str"] for state in states.values()}
        if len(names) != 1:
            raise DataError(f"{what} mixes the cells {' and '.join(sorted(names))}: get the official file")
        values: dict[str, float] = {}
        for epochs, state in states.items():
            values |= _values(epochs, state)
        measurements.add(Cell.parse(names.pop()), values)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        reason = str(error) if isinstance(error, CellError) else f"{type(error).__name__} {str(error)[:100]}"
        raise DataError(f"{what} is not laid out as the release is ({reason}): get the official file") from error


def _values(epochs: int, state: Mapping[str, Any]) -> dict[str, float]:
    """The columns that one training of one cell fills."""
    values = {INDEX: float(state["arch_index"])}
    for metric, (data_set, evaluated) in EVALUATED.items():
        runs = _runs(state, data_set, epochs)
        key = f"{evaluated}@{epochs - 1}"
        if not any(key in run["eval_acc1es"] for run in runs.values()):
            continue  # v1.0 has the 12 epochs for CIFAR-10 alone
        accuracies = {seed: float(run["eval_acc1es"][key]) for seed, run in runs.items()}
        values[accuracy_column(metric, epochs)] = _mean(accuracies.values())
        for seed, accuracy in accuracies.items():
            values[accuracy_column(metric, epochs, seed)] = accuracy
    for data_set, training in TRAINED.items():
        runs = _runs(state, data_set, epochs)
        if runs:
            values[runs_column(training, epochs)] = float(len(runs))
        seconds = [sum(run["train_times"].values()) for run in runs.values() if run["train_times"]]
        if seconds:
            values[seconds_column(training, epochs)] = _mean(seconds)
    if epochs == 200 and (runs := _runs(state, "cifar10", epochs)):
        values[PARAMS] = float(round(1e6 * _cost(runs, "params")))
        values[FLOPS] = _cost(runs, "flop")
    return values


def _runs(state: Mapping[str, Any], data_set: str, epochs: int) -> dict[int, Any]:
    """The runs on a data set by seed, in the release's order."""
    runs = {int(seed): state["all_results"][data_set, seed] for seed in state["dataset_seed"].get(data_set, ())}
    for run in runs.values():
        if run["epochs"] != epochs:
            raise ValueError(f"a run of another number of epochs among those of {epochs}")
    return runs


def _cost(runs: Mapping[int, Any], key: str) -> float:
    """Mean over runs; where the release contradicts itself, as it does for 204 cells, that of seed 888, as `nats-bench`
    mends it, if there is such a run."""
    costs = {seed: float(run[key]) for seed, run in runs.items()}
    if len({f"{cost:.5f}" for cost in costs.values()}) > 1 and 888 in costs:
        return costs[888]
    return _mean(costs.values())


def _mean(values: Collection[float]) -> float:
    # Added up one by one, as `numpy.mean` does with so few: from Python 3.12 on, `sum` rounds otherwise.
    return functools.reduce(operator.add, values) / len(values)


def _empty() -> dict[Any, Any]:
    """Stands in for `collections.OrderedDict`, which is pickled empty; its items follow."""
    return {}


def _set(items: list[Any]) -> set[Any]:
    check_keys(items)
    return set(items)


class _Dtype:
    """Stands in for `numpy.dtype` of a number: holds its name and byte order."""

    def __init__(self, name: str, align: bool = False, copy: bool = False) -> None:
        if not re.fullmatch(r"[fiub][1248]", name):
            raise DataError(f"a pickled number of type {name!r} has no place in NAS-Bench-201: do not trust the file")
        self.name = name
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


def _scalar(dtype: _Dtype, content: bytes) -> float:
    """Stands in for the function that makes a NumPy number of its bytes."""
    return float(np.frombuffer(content, np.dtype(dtype.order + dtype.name))[0])


ADMITTED: Mapping[str, Any] = {
    "collections.OrderedDict": _empty,
    "builtins.set": _set,
    "__builtin__.set": _set,
    "_codecs.encode": latin1,
    "numpy.dtype": _Dtype,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,  # as it is called since NumPy 2
}
"""All that the releases mention: dicts, sets, and numbers of NumPy."""
