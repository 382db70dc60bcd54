"""A column of a truth table: one number of each cell. What takes longer to import than a query is imported late."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Column(ABC):
    """One number of each cell, by its index in the space; some may not have been measured."""

    @abstractmethod
    def value(self, index: int) -> float | None:
        """The number of one cell; None where it was not measured."""

    @abstractmethod
    def array(self) -> NDArray[np.float64]:
        """All of them, (cells,); NaN where not measured."""

    def rank(self, index: int) -> int:
        """1 + the cells whose number is strictly larger."""
        values = self.array()
        return 1 + int((values > values[index]).sum())

    def best(self) -> float:
        """The largest number."""
        import numpy as np

        return float(np.nanmax(self.array()))


class Floats(Column):
    """Numbers that are in memory as they are."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        self._values = values

    def value(self, index: int) -> float | None:
        value = float(self._values[index])
        return value if value == value else None

    def array(self) -> NDArray[np.float64]:
        return self._values


class Part(Column):
    """The numbers of the cells of a restricted space.

    Args:
        positions: (cells,), where they stand in the whole column.
    """

    def __init__(self, whole: Column, positions: NDArray[np.int64]) -> None:
        self._whole, self._positions = whole, positions

    def value(self, index: int) -> float | None:
        return self._whole.value(int(self._positions[index]))

    def array(self) -> NDArray[np.float64]:
        return self._whole.array()[self._positions]


def content_checksum(columns: Mapping[str, NDArray[np.float64]]) -> str:
    """SHA-256 over names and values, in the order of the names."""
    import hashlib

    digest = hashlib.sha256()
    for name in sorted(columns):
        digest.update(name.encode() + b"\0" + columns[name].astype("<f8").tobytes())
    return digest.hexdigest()
