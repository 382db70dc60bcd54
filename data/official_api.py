"""The truth by the benchmark's own program: every number asked of the package `nas-bench-201`, for whoever trusts no
other reader."""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.folder import DataError, is_there
from data.measurements import Measurements
from data.metrics import EPOCHS, FLOPS, INDEX, PARAMS, PUBLISHED, accuracy_column, runs_column, seconds_column
from data.official import EVALUATED, TRAINED
from spaces import Cell

ANSWERS = {"x-valid": "valid-accuracy", "x-test": "test-accuracy", "ori-test": "test-accuracy"}
"""For each set that a release evaluates on, what the package calls the accuracy."""


def read_api(path: Path) -> Measurements:
    """The cells of `NAS-Bench-201-v1_0-e61699.pth` or `NAS-Bench-201-v1_1-096897.pth`, as
    `NASBench201API.get_more_info` and `get_cost_info` answer.

    The package keeps the whole file in memory: of the official ones 30 GB, which takes it some minutes.

    Raises:
        DataError: where the package is not installed, or cannot open the file or answer from it.
    """
    try:
        from nas_201_api import NASBench201API
    except ImportError as error:
        raise DataError(
            "the package nas-bench-201, which is to answer, is not installed: run pip install 'replica-201[api]'"
        ) from error
    if not is_there(path):
        raise DataError(f"{path} does not exist: python -m benchmark data status says where to get NAS-Bench-201")
    try:
        with _admitted(), contextlib.redirect_stdout(io.StringIO()):
            api = NASBench201API(str(path), verbose=False)
        measurements = Measurements()
        for index, text in enumerate(api.meta_archs):
            measurements.add(Cell.parse(text), _answers(api, index))
    except DataError:
        raise
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path} holds what has no place in NAS-Bench-201, and was not loaded: do not trust it"
        ) from error
    except Exception as error:  # the package checks little, and fails by whatever comes first
        raise DataError(
            f"nas-bench-201 cannot answer from {path} ({type(error).__name__} {str(error)[:99]}): get the official file"
        ) from error
    return measurements


@contextlib.contextmanager
def _admitted() -> Iterator[None]:
    """Lets PyTorch, which reads pickles without running them, read the numbers of NumPy that are in the files."""
    import numpy as np
    from torch import serialization

    scalar = np.float64(0).__reduce__()[0]  # NumPy's own function, which it gives no public name
    names: list[Any] = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    with serialization.safe_globals([*names, np.dtype, type(np.dtype(np.float64))]):
        yield


def _answers(api: Any, index: int) -> dict[str, float]:
    """All that the package says of one cell, by the columns of `data.metrics`."""
    values = {INDEX: float(index)}
    for epochs in EPOCHS:
        results = api.arch2infos_dict[index][str(epochs)]
        for data_set, training in TRAINED.items():
            if data_set not in results.get_dataset_names():
                continue  # v1.0 has the 12 epochs for CIFAR-10 alone
            seeds = results.get_dataset_seeds(data_set)
            values[runs_column(training, epochs)] = float(len(seeds))
            for seed in (None, *seeds):
                # `is_random` is a seed, or False for the mean over all runs.
                said = api.get_more_info(index, data_set, hp=str(epochs), is_random=False if seed is None else seed)
                for metric, (trained_on, evaluated) in EVALUATED.items():
                    if trained_on == data_set:
                        values[accuracy_column(metric, epochs, seed)] = float(said[ANSWERS[evaluated]])
                if seed is None and said["train-all-time"] is not None:
                    values[seconds_column(training, epochs)] = float(said["train-all-time"])
    costs = api.get_cost_info(index, "cifar10", hp=str(PUBLISHED))
    return values | {PARAMS: float(round(1e6 * costs["params"])), FLOPS: float(costs["flops"])}
