"""A cell drawn as its graph: nodes, and the operations on the edges between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:  # matplotlib is slow to import, and only drawing needs it
    from matplotlib.axes import Axes

    from spaces.nasbench201.cell import Cell
    from spaces.space import Space

Dashes = Literal["solid"] | tuple[int, tuple[float, ...]]
"""A line style as matplotlib takes it: unbroken, or lengths on and off in line widths."""


class Stroke(NamedTuple):
    """How an operation is drawn; the label and the dashes tell it without the colour."""

    label: str
    colour: str
    width: float
    dashes: Dashes


def draw_cell(space: Space, cell: Cell, axes: Axes, size: float = 6.0) -> None:
    """Draws `cell` into `axes` with labels of `size` points. An edge with `none` is a faint dotted line."""
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-0.3, 3.3)
    axes.set_ylim(-0.3, 2.25)
    for (source, target), operation in zip(space.edges, space.choices_of(cell), strict=True):
        (x0, y0), (x1, y1) = space.nodes[source], space.nodes[target]
        stroke = space.strokes[operation]
        arrow = {
            "arrowstyle": "-" if operation == space.none else "-|>,head_width=0.16,head_length=0.32",
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
    for node, (x, y) in enumerate(space.nodes):
        circle = {"boxstyle": "circle,pad=0.22", "facecolor": "white", "edgecolor": "#1a1a1a", "linewidth": 0.7}
        axes.text(x, y, str(node), size=size, color="#1a1a1a", ha="center", va="center", bbox=circle)
