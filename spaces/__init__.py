"""What a cell of NAS-Bench-201 is, and the networks built of it."""

from spaces.cell import CONV1, CONV3, EDGES, NONE, NUM_CELLS, OPERATIONS, POOL, SKIP, Cell, CellError

__all__ = ["CONV1", "CONV3", "EDGES", "NONE", "NUM_CELLS", "OPERATIONS", "POOL", "SKIP", "Cell", "CellError"]
