"""Which training images a search trains on, and which it validates on: halves, or by the official split files.

Source of the files: AutoDL-Projects, `configs/nas-benchmark/`: `cifar-split.txt` (`train` and `valid`, the halves of
CIFAR-10's training images), `cifar100-test-split.txt` and `imagenet-16-120-test-split.txt` (`xvalid` and `xtest`, the
halves of the test images).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.folder import DataError, as_text, is_there, read_small, write_atomically

HALVES = "halves"
"""The first and the second half of the training images."""

CIFAR_SPLIT = "cifar-split"
"""What presets call the official file of CIFAR-10, wherever the data folder is."""

FILE = "cifar-split.txt"
SHA256 = "986da6174822048d4c5a25ee8ebdb7e754cd5372b51c633ffd4898ace8db9e32"
"""Of AutoDL-Projects' file, at commit f46486e as ever since; its SHA-1 is bd08caf9de5f8616df48b69b7bed4111f3acd64d."""

PAGE = "https://github.com/D-X-Y/AutoDL-Projects/blob/main/configs/nas-benchmark/cifar-split.txt"

MOST_BYTES = 16 << 20
"""More than any split file has; the official ones have some hundred thousand."""


@dataclass(frozen=True)
class Split:
    """A split of the training images, as a run is planned with it."""

    label: str = HALVES
    """As rows call it: `halves`, or the name of its file."""
    identity: str = HALVES
    """What tells it apart: `HALVES`, or the SHA-256 of its file, wherever that lies."""
    path: Path | None = None

    def parts(self, count: int) -> dict[str, NDArray[np.int64]]:
        """The positions of the images to train on and to validate on, as `read_split` gives them; it needs a file.

        Raises:
            DataError: as `read_split`; also where the file has changed since the run was planned.
        """
        assert self.path is not None
        if hashlib.sha256(_content(self.path)).hexdigest() != self.identity:
            raise DataError(f"{self.path} has changed since this run was planned: give the same command again")
        return read_split(self.path, count)


OFFICIAL = Split(FILE, SHA256)
"""That of AutoDL-Projects' file, wherever it is."""


def split_by_file(path: Path) -> Split:
    """The split that a file says.

    Raises:
        DataError: where it cannot be read.
    """
    sha256 = hashlib.sha256(_content(path)).hexdigest()
    return Split(FILE if sha256 == SHA256 else f"{as_text(path.name)} ({sha256[:12]})", sha256, path)


def official_split(folder: Path) -> Split | None:
    """AutoDL-Projects' split of CIFAR-10, where the data folder has it.

    Raises:
        DataError: where what it has is another file.
    """
    if not is_there(folder / FILE):
        return None
    return _checked(folder / FILE)


def import_split(path: Path, folder: Path) -> Path:
    """Copy AutoDL-Projects' `cifar-split.txt` into the data folder.

    Returns:
        Where it is now.

    Raises:
        DataError: where the file is another.
    """
    _checked(path)
    write_atomically(folder / FILE, _content(path))
    return folder / FILE


def looks_like_split(path: Path) -> bool:
    """Whether whoever imports this file means a split: by its name, or by how it begins."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return path.name.endswith("split.txt") or file.read(64).lstrip().startswith(b"{")
    except OSError:  # a name that is too long, or a file that may not be read
        return False


def _checked(path: Path) -> Split:
    split = split_by_file(path)
    if split.identity != SHA256:
        raise DataError(
            f"{path} is not AutoDL-Projects' cifar-split.txt (its SHA-256 begins with {split.identity[:12]}, not with "
            f"{SHA256[:12]}): get it from {PAGE} and run python -m benchmark data import FILE"
        )
    return split


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


def _content(path: Path) -> bytes:
    try:
        return read_small(path, MOST_BYTES)
    except (OSError, ValueError) as error:  # a name with a zero byte is no OSError
        why = getattr(error, "strerror", None) or error
        raise DataError(f"the split file {str(path)!r} cannot be read ({why}): check its name") from error
