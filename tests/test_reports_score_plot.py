"""The plot of scores against accuracies: which points and numbers stand in it, on rows that can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import test_reports_example as example
from matplotlib.figure import Figure

from methods import registry
from methods.search import Search
from reports import RowsError
from reports.plots import style
from reports.plots.marks import NotDrawn
from reports.plots.scores import LOG_WEIGHTS, draw, span_of
from reports.results import read_results
from reports.rows import SCORE_COLUMNS

SCORING = [name for name in registry.names() if registry.load(name).scores is not Search.scores]


def drawn(folder: Path) -> Figure:
    with style.house_style():
        figure = draw(read_results(folder)).figure
        figure.draw_without_rendering()
    return figure


def rows(*of: tuple[str, int, float, float]) -> pd.DataFrame:
    return pd.DataFrame(of, columns=list(SCORE_COLUMNS))


def words(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_every_cell_of_every_seed_is_a_dot_and_tau_is_that_of_the_last_epoch(tmp_path: Path) -> None:
    history = example.history().assign(tau=lambda rows: rows["seed"] / 10 + rows["epoch"])
    history.loc[history["method"] == "pt", "tau"] = np.nan
    figure = drawn(example.write(tmp_path, history_=history))
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "DARTS"
    assert axes.get_xlabel() == "Σ log weight of α"
    assert words(figure) == ["Kendall τ-b = 3.10 ± 0.10 (3 seeds)"]
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    found = list(zip(dots.get_xdata(), dots.get_ydata(), strict=True))
    assert found == list(example.scores()[["score", "accuracy"]].itertuples(index=False, name=None))


def test_one_seed_has_no_spread_and_an_older_truth_no_tau(tmp_path: Path) -> None:
    one = example.runs().head(1)
    history = example.history(one).assign(tau=[0.1, 0.2, -0.3])
    assert words(drawn(example.write(tmp_path, one, history))) == ["Kendall τ-b = −0.30 (1 seed)"]
    assert words(drawn(example.write(tmp_path))) == ["Kendall τ-b not recorded"]


def test_an_older_folder_and_one_whose_methods_score_nothing_have_none(tmp_path: Path) -> None:
    example.write(tmp_path, scores_=rows())
    with pytest.raises(NotDrawn, match=r"scores\.csv is missing, or no search of this folder scores the cells"):
        drawn(tmp_path)
    (tmp_path / "scores.csv").unlink()
    assert list(read_results(tmp_path).scores.columns) == list(SCORE_COLUMNS)
    with pytest.raises(NotDrawn):
        drawn(tmp_path)


def test_runs_that_have_not_finished_are_left_out(tmp_path: Path) -> None:
    more = pd.concat([example.scores(), rows(("darts", 7, -9, 80), ("rlnas", 0, 1, 80))])
    found = read_results(example.write(tmp_path, scores_=more)).scores
    assert set(zip(found["method"], found["seed"], strict=True)) == {("darts", 0), ("darts", 1), ("darts", 2)}


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("score", "high", r"scores.csv: 'high' in column 'score' is no number"),
        ("score", np.inf, r"scores.csv: 'inf' in column 'score' is no number"),
        ("accuracy", 101, r"scores.csv: 101 in column 'accuracy' is no number from 0 to 100"),
        ("seed", 0.5, r"scores.csv: 0.5 in column 'seed' is no whole number"),
    ],
)
def test_damaged_scores_are_refused(column: str, value: object, reason: str, tmp_path: Path) -> None:
    damaged = example.scores().astype({column: object})
    damaged.loc[1, column] = value
    with pytest.raises(RowsError, match=reason):
        read_results(example.write(tmp_path, scores_=damaged))


def test_a_damaged_tau_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match=r"history\.csv: 'high' in column 'tau' is no number"):
        read_results(example.write(tmp_path, history_=example.history().assign(tau="high")))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    example.write(tmp_path, scores_=example.scores().drop(columns="accuracy"))
    with pytest.raises(RowsError, match=r"scores.csv has no column 'accuracy'"):
        read_results(tmp_path)


def test_a_score_far_off_stands_at_the_edge(tmp_path: Path) -> None:
    most = [("rlnas", seed, 1 + place / 10, 90.0) for seed in (0, 1) for place in range(20)]
    runs = example.runs().head(2).assign(method="rlnas")
    figure = drawn(example.write(tmp_path, runs, scores_=rows(("rlnas", 0, -50, 10), *most)))
    (axes,) = figure.axes
    by_marker = {line.get_marker(): line for line in axes.lines}
    assert (list(by_marker["<"].get_xdata()), list(by_marker["<"].get_ydata())) == ([0], [10])
    assert len(by_marker["o"].get_xdata()) == 40
    assert -2 < axes.get_xlim()[0] < 1
    assert axes.get_xlabel() == "angle (radians), random labels"
    assert "its score is off the axis" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_cells_that_sgas_never_chooses_do_not_make_the_axis() -> None:
    log_weights = np.array([0.0, -708.0, -4250.0])
    low, high = span_of(np.concatenate([log_weights, np.full(97, -2e4)]), LOG_WEIGHTS)
    assert -5000 < low < -4250 and 0 < high < 500
    assert span_of(np.full(5, -2e4), LOG_WEIGHTS).low == -20000.5, "where there are only those, they are shown"


@pytest.mark.parametrize("scored", [[3.0], [3.0] * 250, [*[0.0] * 249, 1.0], [0.0, 1.0]])
def test_few_and_equal_scores_have_an_axis_with_all_of_them(scored: list[float]) -> None:
    low, high = span_of(np.array(scored), "its own")
    assert low < min(scored) and high > max(scored)


def test_every_method_that_scores_cells_has_a_name_for_it() -> None:
    assert [name for name in registry.names() if registry.load(name).score_name] == SCORING


def test_many_panels_do_not_overlap(tmp_path: Path) -> None:
    names = [*SCORING, "a-very-long-name-for-a-method-of-somebody-else"]
    runs = pd.concat([example.runs().head(1).assign(method=name) for name in names])
    history = example.history(runs).assign(tau=-0.1)
    figure = drawn(example.write(tmp_path, runs, history))
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert len(panels) == len(names)
    boxes = [text.get_window_extent() for axes in panels for text in (*axes.texts, axes.xaxis.label, axes._left_title)]
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:place])
        assert box.x1 <= figure.bbox.x1
