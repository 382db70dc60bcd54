"""The second opinion: worked out by hand, and as a run writes and reports it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import test_reports_example as example

from benchmark.cli import main
from data.truth import open_truth
from reports import RowsError
from reports.results import Results, read_results
from reports.rows import SECOND_COLUMNS
from reports.second_opinion import cells_in_both, orders, pairs, second_opinion_section
from spaces import Cell

HERE = {"darts": [90.0, 92.0, 94.0], "bdarts": [93.0, 93.0, 93.0], "pt": [91.0, 91.0, 91.5]}
THERE = {"darts": [91.0, 92.0, 93.9], "bdarts": [92.0, 92.0, 92.0], "pt": [90.5, 90.5, 91.0]}


def results(folder: Path, there: dict[str, list[float]] | None = THERE, metric: str = "cifar10_test") -> Results:
    first = example.runs().iloc[0]
    rows = [
        {**first, "method": method, "seed": seed, "cifar10_test": accuracy, "truth": "NAS-Bench-201", "metric": metric}
        | ({metric: 50.0} if metric != "cifar10_test" else {})
        for method, accuracies in HERE.items()
        for seed, accuracy in enumerate(accuracies)
    ]
    metrics = tuple(dict.fromkeys((metric, "cifar10_test")))
    runs = pd.DataFrame(rows)
    history = example.history(runs)
    for name in metrics:
        history[name] = history.get(name, 50.0)
    example.write(folder, runs, history, space_=example.space(metrics))
    if there is not None:
        opinion = [
            (method, seed, "cifar10_test", accuracy, "AnalogNAS-Bench", "beef")
            for method, accuracies in there.items()
            for seed, accuracy in enumerate(accuracies)
        ]
        pd.DataFrame(opinion, columns=list(SECOND_COLUMNS)).to_csv(folder / "second-opinion.csv", index=False)
    return read_results(folder)


GOLDEN = """\
| Conclusion             | Holds | NAS-Bench-201              | AnalogNAS-Bench            |
| ---------------------- | ----- | -------------------------- | -------------------------- |
| Order of the means     | no    | β-DARTS > DARTS > DARTS-PT | DARTS > β-DARTS > DARTS-PT |
| β-DARTS beats DARTS    | no    | +1.00, 2 of 3 seeds        | −0.30, 1 of 3 seeds        |
| DARTS beats DARTS-PT   | yes   | +0.83, 2 of 3 seeds        | +1.63, 3 of 3 seeds        |
| β-DARTS beats DARTS-PT | yes   | +1.83, 3 of 3 seeds        | +1.33, 3 of 3 seeds        |

CIFAR-10 test of the very same cells in two tables: NAS-Bench-201, from which every other number here comes, and \
AnalogNAS-Bench (checksum `beef`), for which others trained all cells once more. Pairs: points of the mean difference, \
and the seeds on which the first named is the better, of those that both have. A conclusion holds where the order is \
the same, or the same method ahead; whether by more than chance, the tests above say."""


def test_the_table_by_hand(tmp_path: Path) -> None:
    (section,) = second_opinion_section(results(tmp_path), 5)
    assert section.markdown() == GOLDEN


def test_of_many_methods_the_pairs_are_those_of_the_first(tmp_path: Path) -> None:
    (section,) = second_opinion_section(results(tmp_path), 2)
    assert [row[0] for row in section.rows] == ["Order of 3 means", "β-DARTS beats DARTS", "DARTS beats DARTS-PT"]
    assert section.rows[0][1:] == ["no", "3 pairs", "2 in this order"]
    assert section.note.endswith("in this order here, and the other way round there: β-DARTS > DARTS.")


def test_the_same_order_is_said_to_hold(tmp_path: Path) -> None:
    found = results(tmp_path, HERE)
    for many, said in ((5, "the same"), (2, "3 in this order")):
        (section,) = second_opinion_section(found, many)
        assert section.rows[0][1] == "yes" and section.rows[0][3] == said
        assert {row[1] for row in section.rows} == {"yes"} and "other way" not in section.note


def test_seeds_that_one_side_lacks_do_not_count(tmp_path: Path) -> None:
    cells = cells_in_both(results(tmp_path, {"darts": [91.0, 92.0], "pt": [90.5]}))
    assert [(pair.first, pair.second, len(pair.here)) for pair in pairs(cells)] == [("pt", "darts", 1)]
    assert orders(cells) == (["darts", "pt"], ["darts", "pt"])


@pytest.mark.parametrize("there", [None, {"darts": [91.0]}])
def test_without_two_methods_there_is_no_table(tmp_path: Path, there: dict[str, list[float]] | None) -> None:
    assert second_opinion_section(results(tmp_path, there), 5) == []


def test_another_main_metric_is_told_apart(tmp_path: Path) -> None:
    (section,) = second_opinion_section(results(tmp_path, metric="cifar100_test"), 5)
    assert section.rows[0][2] == "β-DARTS > DARTS > DARTS-PT"
    assert section.note.endswith("Those tests are of CIFAR-100 test, which AnalogNAS-Bench does not have.")


def test_an_edited_opinion_is_refused(tmp_path: Path) -> None:
    results(tmp_path)
    path = tmp_path / "second-opinion.csv"
    text = path.read_text()
    for edited, complaint in (
        (text.replace("91.0", "x", 1), "'x' in column 'accuracy' is no number"),
        (text.replace("91.0", "191.0", 1), "from 0 to 100"),
        (text + text.splitlines()[1] + "\n", "more than one row for method darts, seed 0"),
        (text.replace("accuracy", "value", 1), "no column 'accuracy'"),
    ):
        path.write_text(edited)
        with pytest.raises(RowsError, match=complaint):
            read_results(tmp_path)


@pytest.mark.parametrize(("truth", "other"), [("nasbench201", "analognas"), ("analognas", "nasbench201")])
def test_a_run_asks_the_other_table_about_its_cells(tmp_path: Path, truth: str, other: str) -> None:
    run = ["run", "--methods", "random,evolution", "--seeds", "3", "--preset", "smoke", "--jobs", "1"]
    assert main([*run, "--truth", truth, "--out", str(tmp_path)]) == 0
    runs, opinion = (pd.read_csv(tmp_path / name) for name in ("runs.csv", "second-opinion.csv"))
    second = open_truth(other, tmp_path)
    expected = [second.query(Cell.parse(text))["cifar10_test"] for text in runs["genotype"]]
    np.testing.assert_array_equal(opinion["accuracy"], expected)
    assert opinion[["method", "seed"]].equals(runs[["method", "seed"]])
    assert set(opinion["truth"]) == {second.name} and set(opinion["truth_checksum"]) == {second.checksum[:12]}
    assert "## A second opinion\n\n| Conclusion" in (tmp_path / "summary.md").read_text()
    assert "A second opinion" in (tmp_path / "report.html").read_text()


def test_without_the_other_table_a_run_says_why(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("data.analognas.DISTRIBUTION", "no-such-distribution")
    run = ["run", "--methods", "random", "--seeds", "1", "--preset", "smoke", "--jobs", "1", "--out", str(tmp_path)]
    (tmp_path / "second-opinion.csv").write_text("of other runs\n")
    assert main(run) == 0
    assert "No second opinion: AnalogNAS-Bench is not installed" in capsys.readouterr().out
    assert not (tmp_path / "second-opinion.csv").exists()
