"""What stands in the plots of operations, α, reliability and cost, on rows that can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import test_reports_example as example
from matplotlib.figure import Figure

from reports import RowsError, plots
from reports.plots import style
from reports.plots.marks import NotDrawn
from reports.results import read_results
from spaces.nasbench201.cell import CONV1, CONV3, NONE, POOL, SKIP
from spaces.nasbench201.looks import STROKES


def drawn(name: str, folder: Path) -> Figure:
    with style.house_style():
        return plots.draw(name, read_results(folder)).figure


def weights(of: pd.DataFrame) -> list[str]:
    """Of seed s: 0.1 · (s + 1) for the last operation of the last edge, 0 for every other."""
    return [" ".join(["0"] * 29 + [f"{0.1 * (seed + 1):.1f}"]) for seed in of["seed"]]


def test_operations_are_stacked_to_the_six_edges(tmp_path: Path) -> None:
    darts, pt = drawn("operations", example.write(tmp_path)).axes
    assert [axes.get_title(loc="left") for axes in (darts, pt)] == ["DARTS", "DARTS-PT"]
    # DARTS' cells: 6 skips; 4 skips, a 3×3 and a none; 2 skips, a 1×1, a 3×3, a pool and a none.
    expected = {CONV3: 2 / 3, CONV1: 1 / 3, POOL: 1 / 3, SKIP: 12 / 3, NONE: 2 / 3}
    tops = np.cumsum(list(expected.values()))
    found = [area.get_paths()[0].vertices[:, 1].max() for area in darts.collections]
    assert found == pytest.approx(tops)
    assert tops[-1] == pytest.approx(6)
    colours = [style.mpl.colors.to_hex(area.get_facecolor()[0]) for area in darts.collections]
    assert colours == [STROKES[operation].colour for operation in expected]


def test_weights_are_means_over_the_seeds_row_by_row(tmp_path: Path) -> None:
    history = example.history()
    history["weights"] = weights(history)
    history.loc[history["method"] == "pt", "weights"] = np.nan
    (darts,) = drawn("alpha", example.write(tmp_path, history_=history)).axes
    image = darts.images[0].get_array()
    assert image.shape == (30, 3)
    assert image[-1].tolist() == pytest.approx([0.2] * 3)
    assert np.count_nonzero(image[:-1]) == 0


@pytest.mark.parametrize("damaged", ["0.2 0.2", "0.2 " * 29 + "much"])
def test_damaged_weights_are_refused(damaged: str, tmp_path: Path) -> None:
    example.write(tmp_path, history_=example.history().assign(weights=damaged))
    with pytest.raises(RowsError, match="are not 30 numbers an epoch"):
        drawn("alpha", tmp_path)


def test_a_weight_that_pandas_takes_for_a_number_is_refused(tmp_path: Path) -> None:
    example.write(tmp_path, history_=example.history().assign(weights=0.2))
    with pytest.raises(RowsError, match="are not 30 numbers an epoch"):
        drawn("alpha", tmp_path)


def test_a_seed_counts_up_to_its_own_accuracy(tmp_path: Path) -> None:
    (axes,) = drawn("profiles", example.write(tmp_path)).axes
    darts = axes.lines[0]
    assert darts.get_drawstyle() == "steps-post"
    assert list(darts.get_xdata())[1:] == [54, 90, 93]
    assert list(darts.get_ydata()) == pytest.approx([100, 200 / 3, 100 / 3, 0])


def test_cost_shows_every_run_and_the_means(tmp_path: Path) -> None:
    (axes,) = drawn("cost", example.write(tmp_path)).axes
    darts_seeds, darts_mean = (line for line in axes.lines if line.get_marker() == "o")
    assert list(zip(darts_seeds.get_xdata(), darts_seeds.get_ydata(), strict=True)) == [(50, 54), (60, 90), (70, 93)]
    assert (darts_mean.get_xdata(), darts_mean.get_ydata()) == ([60], [79])
    assert axes.get_xscale() == "log"


def test_a_time_of_nothing_has_its_place_too(tmp_path: Path) -> None:
    runs = example.runs().assign(search_seconds=[0, 0, 0, 10, 100, 20000])
    (axes,) = drawn("cost", example.write(tmp_path, runs)).axes
    assert all(np.isfinite(line.get_xdata()).all() for line in axes.lines)
    assert axes.get_xlim()[0] > 0


@pytest.mark.parametrize(
    ("name", "rows", "reason"),
    [
        ("alpha", slice(None), "no weights of α"),
        ("profiles", slice(1), "more than one seed"),
        ("cost", slice(3), "one method alone"),
    ],
)
def test_what_the_rows_lack_is_not_drawn(name: str, rows: slice, reason: str, tmp_path: Path) -> None:
    with pytest.raises(NotDrawn, match=reason):
        drawn(name, example.write(tmp_path, example.runs()[rows]))


def test_seeds_of_different_lengths_are_shown_as_far_as_all_came(tmp_path: Path) -> None:
    history = example.history()
    history = history[(history["seed"] != 1) | (history["epoch"] < 3)]
    history["weights"] = weights(history)
    example.write(tmp_path, history_=history)
    assert drawn("operations", tmp_path).axes[0].get_xlim() == (0.5, 2.5)
    image = drawn("alpha", tmp_path).axes[0].images[0].get_array()
    assert np.isnan(np.ma.filled(image.astype(float), np.nan)[:, 2]).all()
