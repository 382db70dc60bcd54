"""The true accuracies of AnalogNAS-Bench: the cells of NAS-Bench-201 trained once more by others.

Source: Bessalah et al., "AnalogNAS-Bench: A NAS Benchmark for Analog In-Memory Computing", arXiv:2506.18495; data from
the distribution `analog-nasbench` 0.1.3, whose own code is not imported.
"""

from __future__ import annotations

import hashlib
import io
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.folder import DataError
from data.pickles import load_pickle
from spaces import EDGES, NUM_CELLS, OPERATIONS
from spaces.cell import CONV1, CONV3, NONE, POOL, SKIP

DISTRIBUTION = "analog-nasbench"
FILE = "analognasbench/data.anb"
SHA256 = "85f3435b877aa2d36268d55ce07f6ff6d73643d17a840f1941745da5eb80db32"

OPERATION_OF_CODE = (SKIP, NONE, CONV3, CONV1, POOL)
"""Our operation for each of the table's codes 0…4."""

EDGE_ORDER = (0, 1, 3, 2, 4, 5)
"""For each of our edges its place among the table's, which go (0→1) (0→2) (0→3) (1→2) (1→3) (2→3)."""


class _Architecture:
    """Stands in for the table's record of one cell and keeps the one number that is asked for."""

    __slots__ = ("baseline_accuracy",)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.baseline_accuracy = float(state["baseline_accuracy"])


class _DriftMeasurement:
    """Stands in for an accuracy of a drifting analog network, and keeps nothing: there are 125,000 of them."""

    __slots__ = ()

    def __setstate__(self, state: dict[str, Any]) -> None:
        pass


def find_file() -> Path:
    """Where the installed distribution keeps its data file.

    Raises:
        DataError: where it is not installed.
    """
    try:
        path = Path(str(metadata.distribution(DISTRIBUTION).locate_file(FILE)))
    except metadata.PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise DataError(f"AnalogNAS-Bench is not installed: run pip install {DISTRIBUTION}==0.1.3")
    return path


def read_file(path: Path) -> tuple[bytes, str]:
    """The content of the data file and its SHA-256, once that is right: it is a pickle.

    Raises:
        DataError: where the file cannot be read or is another's.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): reinstall {DISTRIBUTION}==0.1.3") from error
    if (found := hashlib.sha256(content).hexdigest()) != SHA256:
        raise DataError(f"{path} is truncated or not that of {DISTRIBUTION} 0.1.3: reinstall {DISTRIBUTION}==0.1.3")
    return content, found


def read_analognas(content: bytes, what: str) -> NDArray[np.float64]:
    """The full-precision CIFAR-10 test accuracy of every cell.

    Args:
        content: of the data file.
        what: the file's name, for messages.

    Returns:
        (15,625,) percent, by `Cell.position`.

    Raises:
        DataError: where the pickle holds anything but the table's two record classes, or not every cell once.
    """
    admitted = {
        "analognasbench.data.Architecture": _Architecture,
        "analognasbench.data.DriftMeasurement": _DriftMeasurement,
    }
    records: Any = load_pickle(io.BytesIO(content), what, admitted)
    accuracies = np.full(NUM_CELLS, np.nan)
    try:
        codes = np.array(list(records), np.intp).reshape(-1, len(EDGES))
        if (codes < 0).any():
            raise ValueError("a negative code")
        operations = np.array(OPERATION_OF_CODE)[codes[:, EDGE_ORDER]]
        # `Cell.position` of all rows at once, since 15,625 cells made one by one take longer than all the rest.
        positions = operations @ len(OPERATIONS) ** np.arange(len(EDGES))[::-1]
        accuracies[positions] = [record.baseline_accuracy for record in records.values()]
    except (AttributeError, TypeError, ValueError, LookupError) as error:
        raise DataError(f"{what} is not AnalogNAS-Bench's table: reinstall {DISTRIBUTION}==0.1.3") from error
    missing = int(np.isnan(accuracies).sum())
    if missing:
        raise DataError(f"{what} lacks {missing:,} of {NUM_CELLS:,} cells: reinstall {DISTRIBUTION}==0.1.3")
    return accuracies
