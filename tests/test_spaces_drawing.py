"""The drawing of a cell shows every operation once, on its own edge, and nothing for `none` but a faint line."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from spaces import NASBENCH201, Cell
from spaces.drawing import draw_cell
from spaces.nasbench201.cell import EDGES

CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|avg_pool_3x3~1|none~2|"


def test_each_operation_is_labelled() -> None:
    figure = Figure(figsize=(1.4, 1))
    axes = figure.subplots()
    draw_cell(NASBENCH201, Cell.parse(CELL), axes)
    labels = [text.get_text() for text in axes.texts if text.get_text()]
    assert sorted(labels) == sorted(["3×3", "1×1", "skip", "pool", "0", "1", "2", "3"])
    assert sum(text.arrow_patch is not None for text in axes.texts if hasattr(text, "arrow_patch")) == 6


def test_labels_do_not_overlap_at_small_size() -> None:
    figure = Figure(figsize=(1.3, 1.0), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    draw_cell(NASBENCH201, Cell.parse(CELL.replace("none", "nor_conv_3x3")), axes)
    canvas.draw()
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in axes.texts if text.get_text()]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_no_two_edges_cross() -> None:
    def side(a: int, b: int, c: int) -> float:
        (x0, y0), (x1, y1), (x2, y2) = (NASBENCH201.nodes[node] for node in (a, b, c))
        return float(np.sign((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)))

    for (a, b), (c, d) in combinations(EDGES, 2):
        if not {a, b} & {c, d}:
            assert side(a, b, c) == side(a, b, d) or side(c, d, a) == side(c, d, b)
