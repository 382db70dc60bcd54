"""Plots and the whole report: every odd shape of folder is drawn, says its source, and is drawn alike twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import test_reports_example as example
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports import RowsError, plots
from reports.plots import layout, style
from reports.plots.layout import spaced, swarm
from reports.plots.scale import AccuracyScale
from reports.results import read_results
from reports.write import write_report

TABLES = {
    *("summary.md", "summary.csv", "summary.tex", "comparisons.csv", "paper-vs-ours.md", "paper-vs-ours.csv"),
    "report.html",
}
WHATEVER_THE_METHODS = ("accuracy", "operations", "seeds", "profiles", "cost", "scores", "cells")
ALL = ("alpha", "darts-vs-bdarts", "magnitude-vs-pt", *WHATEVER_THE_METHODS)


def with_bdarts() -> pd.DataFrame:
    runs = example.runs()
    return pd.concat([runs, runs.query("method == 'darts'").assign(method="bdarts")], ignore_index=True)


def check(folder: Path, names: tuple[str, ...], source: str = "Truth: AnalogNAS-Bench, CIFAR-10 test") -> None:
    """The report has the plots `names` and no other, each as PNG and as SVG that names its source."""
    written = write_report(folder)
    expected = {f"plots/{name}.{suffix}" for name in names for suffix in ("png", "svg")}
    assert {str(path.relative_to(folder)) for path in written} == expected | TABLES
    assert {f"plots/{path.name}" for path in (folder / "plots").iterdir()} == expected
    text = (folder / "summary.md").read_text()
    for name in ALL:
        assert (f"](plots/{name}.png)" in text) == (name in names)
        assert (f"`{name}` is not drawn: " in text) == (name not in names)
    for name in names:
        drawing = (folder / "plots" / f"{name}.svg").read_text()
        ElementTree.fromstring(drawing)
        assert source in drawing
        assert (folder / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_all_plots_and_the_same_bytes_twice(tmp_path: Path) -> None:
    example.write(tmp_path, with_bdarts(), example.history(with_bdarts()).assign(weights=" ".join(["0.2"] * 30)))
    check(tmp_path, ALL)
    first = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    mpl.rcParams["font.size"] = 20
    try:
        write_report(tmp_path)
        assert mpl.rcParams["font.size"] == 20, "the user's own settings stay"
    finally:
        mpl.rcdefaults()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == first
    write_report(tmp_path, jobs=2)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == first, "whoever draws the plots"


def test_one_method_one_seed_one_epoch_that_nobody_knows(tmp_path: Path) -> None:
    one = example.runs().head(1).assign(method="someone-elses-method")
    one = one.drop(columns=["other_cifar10_test"])
    history = example.history(one, epochs=1).drop(columns="largest_weight")
    check(example.write(tmp_path, one, history), ("accuracy", "operations", "seeds", "scores", "cells"))


def test_another_truth_and_three_data_sets(tmp_path: Path) -> None:
    runs = example.runs().assign(truth="NAS-Bench-201", cifar100_test=70.0, images="digits")
    example.write(tmp_path, runs, space_=example.space(("cifar10_test", "cifar100_test")))
    check(tmp_path, ("magnitude-vs-pt", *WHATEVER_THE_METHODS), "Truth: NAS-Bench-201, CIFAR-10 test")


def test_many_methods_of_different_lengths(tmp_path: Path) -> None:
    names = ("rlnas", "a", "b", "c", "d", "a-very-long-name-for-a-method")
    runs = pd.concat([example.runs().head(1 + i % 3).assign(method=name) for i, name in enumerate(names)])
    parts = [example.history(of, epochs=1 + i) for i, (_, of) in enumerate(runs.groupby("method", sort=False))]
    example.write(tmp_path, runs, pd.concat(parts))
    check(tmp_path, WHATEVER_THE_METHODS)


def test_weights_that_only_one_of_both_measures(tmp_path: Path) -> None:
    history = example.history(with_bdarts())
    history.loc[history["method"] == "bdarts", "largest_weight"] = np.nan
    example.write(tmp_path, with_bdarts(), history)
    with style.house_style():
        drawn = plots.draw("darts-vs-bdarts", read_results(tmp_path))
    notes = [text.get_text() for axes in drawn.figure.axes for text in axes.texts]
    assert notes == ["not measured"]


def test_a_plot_of_an_earlier_report_does_not_stay(tmp_path: Path) -> None:
    write_report(example.write(tmp_path, with_bdarts()))
    check(example.write(tmp_path), ("magnitude-vs-pt", *WHATEVER_THE_METHODS))


def test_a_folder_without_rows_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match="does not exist"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_seed_has_a_dot_a_line_and_a_label(tmp_path: Path) -> None:
    results = read_results(example.write(tmp_path))
    with style.house_style():
        strips = plots.draw("seeds", results).figure.axes[1]
        slopes = plots.draw("magnitude-vs-pt", results).figure.axes[0]
    dots = [line.get_xdata() for line in strips.lines if line.get_marker() in ("o", "D")]
    assert [sorted(xs) for xs in dots] == [[54, 90, 93], [92, 92, 94]]
    lines = [tuple(line.get_ydata()) for line in slopes.lines if line.get_marker() == "o"]
    assert lines == [(90, 92), (92, 92), (93, 94)]
    assert {text.get_text() for text in slopes.texts} == {
        *("seed 0  90.00", "seed 1  92.00", "seed 2  93.00"),
        *("92.00  seeds 0, 1", "94.00  seed 2"),
    }


def test_importing_the_tables_does_not_import_matplotlib() -> None:
    code = (
        "import sys, reports.plots, reports.rows, reports.tables, reports.write, spaces, spaces.drawing\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import reports.plots.accuracy\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("count", "columns", "rows", "width"), [(1, 4, 1, 4.2), (2, 4, 1, 5.6), (5, 4, 2, 7.0)])
def test_a_grid_has_as_many_panels_as_are_asked_for(count: int, columns: int, rows: int, width: float) -> None:
    figure, panels = layout.panel_grid(count, columns, 2.0, "accuracy", extra=0.5)
    assert [axes for axes in figure.axes if axes.get_visible()] == panels and len(panels) == count
    assert figure.get_size_inches().tolist() == [width, 2.0 * rows + 0.5]
    assert [axes.get_ylabel() for axes in panels] == ["" if place % columns else "accuracy" for place in range(count)]


def test_scale_gives_each_doubling_of_the_distance_the_same_length() -> None:
    scale = AccuracyScale(94.0, softening=0.5)
    assert scale.place([94.0, 93.5, 92.5, 90.5]).tolist() == [1, 0, -1, -2]
    assert scale.accuracy([1, 0, -1, -2]).tolist() == [94.0, 93.5, 92.5, 90.5]


def test_ticks_are_round_and_apart() -> None:
    assert AccuracyScale(94.37).ticks(10, 94.4, 0.045) == [10, 30, 50, 60, 70, 80, 85, 90, 92, 93, 93.5, 94]
    assert AccuracyScale(94.37).ticks(94.0, 94.4, 0.1) == [94.0, 94.1, 94.2, 94.3]


def test_a_legend_of_several_lines_is_read_line_by_line_and_stays_inside() -> None:
    figure = Figure(figsize=(3.0, 1.0))
    keys = [Line2D([], [], label=name) for name in ("one", "two", "a long name", "three", "four", "five", "six")]
    with style.house_style():
        layout.frame(figure, "title", keys, "source")
        figure.draw_without_rendering()
        (legend,) = figure.legends
        assert legend.get_window_extent().x1 <= figure.bbox.x1
        places = {text.get_text(): text.get_window_extent() for text in legend.get_texts()}
    in_order = sorted(places, key=lambda name: (-round(places[name].y0 / 5), places[name].x0))
    assert in_order == [key.get_label() for key in keys]
    assert places["one"].y0 > places["six"].y0 + 5


@settings(deadline=None)
@given(st.lists(st.floats(0, 3), max_size=20))
def test_swarm_never_hides_a_dot(places: list[float]) -> None:
    offsets = swarm(places, 1.0)
    for one in range(len(places)):
        for other in range(one):
            assert np.hypot(places[one] - places[other], offsets[one] - offsets[other]) >= 1 - 1e-6


@given(st.lists(st.lists(st.text("abc", min_size=1, max_size=9), min_size=1), min_size=1), st.integers(11, 60))
def test_no_line_of_a_source_begins_with_a_dot_or_is_too_long(parts: list[list[str]], letters: int) -> None:
    source = " · ".join(" ".join(words) for words in parts)
    lines = layout.wrapped(source, letters)
    assert " ".join(lines) == source
    assert not [line for line in lines if line.startswith("·") or len(line) > letters]


def test_swarm_stacks_equal_dots_about_the_middle() -> None:
    assert swarm([5, 5, 5], 1.0).tolist() == [0, 1, -1]


@given(st.lists(st.floats(0, 10), min_size=1, max_size=20).map(sorted))
def test_labels_stay_apart_in_order_and_inside(places: list[float]) -> None:
    shown = spaced(places, 0.5, 0, 10)
    assert len(shown) == len(places)
    assert (np.diff(shown) >= 0.5 - 1e-9).all()
    assert shown.min() >= -1e-9 and shown.max() <= 10 + 1e-9


def test_labels_move_as_little_as_it_takes() -> None:
    assert spaced([1, 1, 5], 1, 0, 10).tolist() == [0.5, 1.5, 5]
    assert spaced([0, 0, 0], 1, 0, 10).tolist() == [0, 1, 2]
    assert spaced([1, 2, 3], 6, 0, 10).tolist() == [0, 5, 10]


def test_an_accuracy_axis_never_goes_below_zero():
    scale = AccuracyScale(best=94.4)
    assert scale.limits([10.0, 93.0])[0] >= 0
    assert min(scale.ticks(*scale.limits([10.0, 93.0]), gap=0.07)) >= 0
