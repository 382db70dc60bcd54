"""What a cell of NAS-Bench-201 is, and the networks built of it."""

from spaces.cell import EDGES, NUM_CELLS, OPERATIONS, Cell, CellError

__all__ = ["EDGES", "NUM_CELLS", "OPERATIONS", "Cell", "CellError"]
