"""Reads the official split files, which say by number which images train and which validate.

Source: AutoDL-Projects, `configs/nas-benchmark/`: `cifar-split.txt` (`train` and `valid`, the halves of CIFAR-10's
training images), `cifar100-test-split.txt` and `imagenet-16-120-test-split.txt` (`xvalid` and `xtest`, the halves of
the test images).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.folder import DataError, read_small

MOST_BYTES = 16 << 20
"""More than any split file has; the official ones have some hundred thousand."""


def read_split(path: Path, count: int) -> dict[str, NDArray[np.int64]]:
    """The parts of a split by name, each with the positions of its images in the file's order.

    Args:
        path: JSON of the form `{"train": ["int", ["0", "5", …]], "valid": ["int", [...]]}`.
        count: images in the set that is split.

    Raises:
        DataError: where the file has another form, or an image that is not in the set or in two parts at once.
    """
    content = _content(path)
    try:
        entries = json.loads(content)
        parts = {}
        for name, (kind, numbers) in entries.items():
            if kind != "int":
                raise ValueError(f"{name} holds {kind!r}, not 'int'")
            parts[name] = np.array([int(number) for number in numbers], np.int64)
    except (AttributeError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise DataError(
            f"{path} is no split file ({str(error)[:200]}): get the official one from AutoDL-Projects"
        ) from error
    together = np.concatenate([*parts.values(), np.empty(0, np.int64)])
    if (outside := together[(together < 0) | (together >= count)]).size:
        raise DataError(f"{path} splits another set: it names image {outside[0]:,}, of {count:,} images counted from 0")
    if len(np.unique(together)) != len(together):
        raise DataError(f"{path} names an image twice: get the official split file from AutoDL-Projects")
    return parts


def split_checksum(path: Path) -> str:
    """SHA-256 of a split file as hex, which says which split it is wherever it lies.

    Raises:
        DataError: where it cannot be read.
    """
    return hashlib.sha256(_content(path)).hexdigest()


def _content(path: Path) -> bytes:
    try:
        return read_small(path, MOST_BYTES)
    except (OSError, ValueError) as error:  # a name with a zero byte is no OSError
        why = getattr(error, "strerror", None) or error
        raise DataError(f"the split file {str(path)!r} cannot be read ({why}): check its name") from error
