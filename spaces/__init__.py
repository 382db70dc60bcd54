"""The search spaces: their cells, and the networks built of them."""

from spaces import pinned  # noqa: F401 (before any module that computes)
from spaces.nasbench201 import NASBENCH201, named
from spaces.nasbench201.cell import Cell
from spaces.space import CellError, Precision, Space, SpaceError

__all__ = ["NASBENCH201", "Cell", "CellError", "Precision", "Space", "SpaceError", "named"]
