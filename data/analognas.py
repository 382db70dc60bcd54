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
from spaces import NASBENCH201

DISTRIBUTION = "analog-nasbench"
FILE = "analognasbench/data.anb"
SHA256 = "85f3435b877aa2d36268d55ce07f6ff6d73643d17a840f1941745da5eb80db32"

OPERATION_OF_CODE = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
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
    accuracies = np.full(len(NASBENCH201), np.nan)
    try:
        codes = np.array(list(records), np.intp).reshape(-1, len(NASBENCH201.edges))
        if (codes < 0).any():
            raise ValueError("a negative code")
        numbers = np.array([NASBENCH201.number(operation) for operation in OPERATION_OF_CODE])
        indices = NASBENCH201.indices(numbers[codes[:, EDGE_ORDER]])
        accuracies[indices] = [record.baseline_accuracy for record in records.values()]
    except (AttributeError, TypeError, ValueError, LookupError) as error:
        raise DataError(f"{what} is not AnalogNAS-Bench's table: reinstall {DISTRIBUTION}==0.1.3") from error
    missing = int(np.isnan(accuracies).sum())
    if missing:
        raise DataError(f"{what} lacks {missing:,} of {len(NASBENCH201):,} cells: reinstall {DISTRIBUTION}==0.1.3")
    return accuracies
