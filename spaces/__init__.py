"""What a cell of NAS-Bench-201 is, and the networks built of it."""

from typing import Literal

from spaces import pinned  # noqa: F401 (before any module that computes)
from spaces.cell import CONV1, CONV3, EDGES, NONE, NUM_CELLS, OPERATIONS, POOL, SKIP, Cell, CellError

__all__ = [
    "CONV1",
    "CONV3",
    "EDGES",
    "NONE",
    "NUM_CELLS",
    "OPERATIONS",
    "POOL",
    "SKIP",
    "Cell",
    "CellError",
    "Precision",
]

Precision = Literal["fp32", "tf32", "bf16"]
"""Number formats of a network: float32; on a GPU, convolutions of numbers with 10-bit mantissas (tf32); feature maps in
bfloat16, the rest in float32 (bf16)."""
