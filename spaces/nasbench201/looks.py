"""How cells of NAS-Bench-201 are drawn and written in few letters."""

from __future__ import annotations

from spaces.drawing import Stroke

NODES = ((0.0, 0.0), (1.5, 1.95), (1.5, 0.7), (3.0, 0.0))
"""Places of the nodes: input left, output right, and no two of the 6 straight edges cross."""

LETTERS = "-s13p"
"""A letter for each operation."""

STROKES = (
    Stroke("", "#d9d9d9", 0.6, (0, (1, 3))),
    Stroke("skip", "#d55e00", 1.3, (0, (4, 1.6))),
    Stroke("1×1", "#3a93c4", 1.3, "solid"),
    Stroke("3×3", "#004f7c", 2.0, "solid"),
    Stroke("pool", "#8a5a00", 1.3, (0, (1, 1.2))),
)
"""The stroke of each operation."""

WORDS = ("none", "skip", "conv 1×1", "conv 3×3", "average pool")
"""Each operation in a word or two."""
