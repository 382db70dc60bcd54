"""A cell drawn as its graph: 4 nodes and the operations on the edges between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from spaces.cell import CONV1, CONV3, EDGES, NONE, POOL, SKIP, Cell

if TYPE_CHECKING:  # matplotlib is slow to import, and only drawing needs it
    from matplotlib.axes import Axes

NODES = ((0.0, 0.0), (1.5, 1.95), (1.5, 0.7), (3.0, 0.0))
"""Places of the nodes: input left, output right, and no two of the 6 straight edges cross."""


Dashes = Literal["solid"] | tuple[int, tuple[float, ...]]
"""A line style as matplotlib takes it: unbroken, or lengths on and off in line widths."""


class Stroke(NamedTuple):
    """How an operation is drawn; the label and the dashes tell it without the colour."""

    label: str
    colour: str
    width: float
    dashes: Dashes


STROKES = {
    NONE: Stroke("", "#d9d9d9", 0.6, (0, (1, 3))),
    SKIP: Stroke("skip", "#d55e00", 1.3, (0, (4, 1.6))),
    CONV1: Stroke("1×1", "#3a93c4", 1.3, "solid"),
    CONV3: Stroke("3×3", "#004f7c", 2.0, "solid"),
    POOL: Stroke("pool", "#8a5a00", 1.3, (0, (1, 1.2))),
}
"""The stroke of each operation."""


def draw_cell(cell: Cell, axes: Axes, size: float = 6.0) -> None:
    """Draws `cell` into `axes` with labels of `size` points. An edge with `none` is a faint dotted line."""
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-0.3, 3.3)
    axes.set_ylim(-0.3, 2.25)
    for (source, target), operation in zip(EDGES, cell.operations, strict=True):
        (x0, y0), (x1, y1) = NODES[source], NODES[target]
        stroke = STROKES[operation]
        arrow = {
            "arrowstyle": "-" if operation == NONE else "-|>,head_width=0.16,head_length=0.32",
            "color": stroke.colour,
            "linewidth": stroke.width,
            "linestyle": stroke.dashes,
            "shrinkA": size * 0.75,
            "shrinkB": size * 0.75,
            "mutation_scale": size * 1.4,
            "joinstyle": "miter",
        }
        axes.annotate("", (x1, y1), (x0, y0), arrowprops=arrow, annotation_clip=False)
        if stroke.label:
            box = {"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none"}
            before_middle = (x0 + 0.46 * (x1 - x0), y0 + 0.46 * (y1 - y0))  # the arrow head weighs on the other side
            axes.text(*before_middle, stroke.label, size=size, color=stroke.colour, ha="center", va="center", bbox=box)
    for node, (x, y) in enumerate(NODES):
        circle = {"boxstyle": "circle,pad=0.22", "facecolor": "white", "edgecolor": "#1a1a1a", "linewidth": 0.7}
        axes.text(x, y, str(node), size=size, color="#1a1a1a", ha="center", va="center", bbox=circle)
