"""Published numbers beside ours: every verdict from rows made for it, and the page against text written by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import test_reports_example as example

from data.truth import open_truth
from reports.published import CELLS, PUBLISHED
from reports.replication import (
    COLUMNS,
    ROUNDING,
    published_cells,
    replication_markdown,
    replications,
    verdicts_line,
)
from reports.results import METHODS, Results, read_results
from spaces import Cell

PAPER = {"preset": "paper", "truth": "NAS-Bench-201"}


def results(folder: Path, accuracies: dict[str, list[float]], **columns: object) -> Results:
    """A row a seed for each method, under the published conditions but for `columns`."""
    rows = [
        {**example.runs().iloc[0], "method": method, "seed": seed, "cifar10_test": accuracy, "regret": 94.0 - accuracy}
        for method, values in accuracies.items()
        for seed, accuracy in enumerate(values)
    ]
    return read_results(example.write(folder, pd.DataFrame(rows).assign(**{**PAPER, **columns})))


def verdict(found: Results, method: str = "darts") -> tuple[str, str]:
    row = replications(found).set_index("method").loc[method]
    return row["verdict"], row["reason"]


def test_a_number_in_our_interval_is_replicated(tmp_path: Path) -> None:
    found = results(tmp_path, {"darts": [54.0, 54.2, 54.9]})
    assert verdict(found) == ("replicated", "few seeds")
    row = replications(found).set_index("method").loc["darts"]
    assert (row["published_mean"], row["published_std"], row["published_runs"], row["n"]) == (54.30, 0.0, 3, 3)
    assert (row["ours_mean"], row["difference"]) == (pytest.approx(54.3667, abs=1e-4), pytest.approx(0.0667, abs=1e-4))
    assert (row["ours_low"], row["ours_high"], row["inside"]) == (54.0, 54.9, True)


def test_a_number_that_rounds_to_the_published_one_is_replicated(tmp_path: Path) -> None:
    assert verdict(results(tmp_path, {"darts": [54.2967] * 5})) == ("replicated", "")
    assert verdict(results(tmp_path, {"darts": [54.31] * 5}))[0] == "not replicated"


def test_a_number_outside_is_not_and_only_the_rows_say_why(tmp_path: Path) -> None:
    why = "no difference of settings, images or truth stands in the rows"
    five = {"darts": [60.0, 61.0, 62.0, 61.0, 60.0]}
    assert verdict(results(tmp_path, five)) == ("not replicated", f"{why}; 5 of 5 cells collapsed")
    assert verdict(results(tmp_path, five, genotype=example.CONVS)) == ("not replicated", why)
    assert verdict(results(tmp_path, {"darts": [60.0] * 4}, genotype=example.TWO))[1] == f"{why}; few seeds"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"preset": "mini"}, "preset mini"),
        ({"preset": "paper with darts.clip=1, --epochs 9"}, "changed settings: darts.clip=1, --epochs 9"),
        ({"preset": "mini with darts.clip=1"}, "preset mini; changed settings: darts.clip=1"),
        ({"images": "digits", "truth": "AnalogNAS-Bench"}, "searched on digits; truth AnalogNAS-Bench"),
        ({"images": "cifar100"}, "searched on CIFAR-100"),
        ({"settings": ["aaaa", "aaaa", "bbbb"]}, "seeds of several settings"),
        ({"preset": ["paper", "mini", "paper"]}, "preset mini"),
    ],
)
def test_other_conditions_are_not_comparable(tmp_path: Path, columns: dict[str, object], reason: str) -> None:
    found = results(tmp_path, {"darts": [54.30] * 3}, **columns)
    assert verdict(found) == ("not comparable", reason)


def test_a_single_seed_has_no_interval_to_lie_in(tmp_path: Path) -> None:
    assert verdict(results(tmp_path, {"darts": [54.0]})) == ("not comparable", "a single seed has no interval")
    assert verdict(results(tmp_path, {"darts": [54.297]})) == ("replicated", "few seeds")


def test_the_best_cell_tells_whether_the_truth_is_the_published_one(tmp_path: Path) -> None:
    space = example.space().replace({"accuracy": {94.0: 94.3733}})
    found = results(tmp_path, {"darts": [54.3] * 2}, preset="mini")
    assert verdict(found, "optimal")[0] == "not replicated"
    space.to_csv(tmp_path / "space.csv", index=False)
    assert verdict(read_results(tmp_path), "optimal") == ("replicated", "")


def test_methods_that_nobody_published_are_named(tmp_path: Path) -> None:
    found = results(tmp_path, {"sgas": [90.0, 91.0]}, preset="paper")
    table = replications(found)
    assert table["method"].tolist() == ["optimal"]
    assert "No published number is known of: SGAS." in replication_markdown(found, table)
    assert verdicts_line(table).startswith("No number of these methods and metrics")


def test_metrics_that_nobody_published_give_an_empty_table(tmp_path: Path) -> None:
    runs = example.runs().assign(metric="digits_test").rename(columns={"cifar10_test": "digits_test"})
    history = example.history().rename(columns={"cifar10_test": "digits_test"})
    found = read_results(example.write(tmp_path, runs, history, example.space(("digits_test",))))
    table = replications(found)
    assert table.empty and list(table) == list(COLUMNS)
    assert "not in this truth table: CIFAR-10 valid, CIFAR-10 test" in replication_markdown(found, table)


GOLDEN = """\
# Published numbers beside ours

A number counts as *replicated* where it lies in the 95 % interval of our mean. That asks for the same conditions: \
preset `paper` without changes, truth table NAS-Bench-201, searched on CIFAR-10. Whatever else is *not comparable*, \
however near or far.

| Method                   | Metric        | Verdict        \
| Why                                                                      | Published (%) |     Ours (%) |   n \
|  95 % interval | Inside | Difference | Source |
| ------------------------ | ------------- | -------------- \
| ------------------------------------------------------------------------ | ------------: | -----------: | --: \
| -------------: | -----: | ---------: | -----: |
| *best cell of the space* | CIFAR-10 test | not replicated \
| no difference of settings, images or truth stands in the rows            |         94.37 |        94.00 |     \
|                |        |      −0.37 |    [1] |
| GDAS                     | CIFAR-10 test | replicated     \
| few seeds                                                                |  93.61 ± 0.09 | 93.60 ± 0.14 |   2 \
| 93.50 to 93.70 |    yes |      −0.01 |    [2] |
| DARTS                    | CIFAR-10 test | not replicated \
| no difference of settings, images or truth stands in the rows; few seeds |  54.30 ± 0.00 | 91.00 ± 1.41 |   2 \
| 90.00 to 92.00 |     no |     +36.70 |    [3] |

Ours: mean ± sample standard deviation (n − 1) over n seeds; the interval is of the mean, by bootstrap. Published: as \
printed, ± where the source gives a standard deviation. Difference: ours − published, points. Numbers that round to \
the same two decimals count as equal. A wide interval replicates easily, and one from few seeds is too narrow: read \
its width and n beside the verdict.

1. Dong & Yang, NAS-Bench-201, ICLR 2020 (space maximum)
2. Dong & Yang, NAS-Bench-201, ICLR 2020
3. Dong & Yang, NAS-Bench-201, ICLR 2020 (first order)

What is published of DARTS is one cell of NAS-Bench-201, and no other there agrees: \
`|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|`. Edges on which the \
cells found here differ from it: 4 (seed 0), 4 (seed 1).

Published too, but not in this truth table: CIFAR-10 valid, CIFAR-100 valid, CIFAR-100 test, ImageNet16-120 valid, \
ImageNet16-120 test.
"""


def test_the_page_by_hand(tmp_path: Path) -> None:
    found = results(tmp_path, {"gdas": [93.5, 93.7], "darts": [90.0, 92.0]}, genotype=example.TWO)
    assert replication_markdown(found, replications(found)) == GOLDEN


def test_the_published_cells_are_those_that_alone_agree_with_every_published_number() -> None:
    truth = open_truth("nasbench201", Path("nowhere"))
    table = pd.DataFrame(truth.accuracies, index=list(map(str, Cell.all())))
    found = {}
    for method in {fact.method for fact in PUBLISHED} - {"optimal"}:
        facts = [fact for fact in PUBLISHED if fact.method == method]
        apart = pd.DataFrame({fact.metric: table[fact.metric] - fact.mean for fact in facts})
        agreeing = apart.index[(apart.abs() <= ROUNDING).all(axis=1)]
        if len(agreeing) == 1:
            found[method] = Cell.parse(agreeing[0])
    assert found == CELLS


def test_a_method_without_a_finished_run_has_no_published_cell(tmp_path: Path) -> None:
    found = results(tmp_path, {"gdas": [90.0], "darts": [54.3]}, genotype=example.TWO)
    assert len(published_cells(found)) == 1
    assert not published_cells(replace(found, runs=found.runs[found.runs["method"] == "gdas"]))


def test_summary_counts_the_verdicts(tmp_path: Path) -> None:
    found = results(tmp_path, {"darts": [54.3] * 3, "gdas": [90.0, 90.1, 90.2], "sgas": [90.0]})
    assert verdicts_line(replications(found)).endswith("): 1 replicated, 1 not replicated.")


def test_facts_are_accuracies_of_known_methods_each_once_with_a_source() -> None:
    keys = [(fact.method, fact.metric) for fact in PUBLISHED]
    assert len(set(keys)) == len(keys)
    assert {method for method, _ in keys} <= {"optimal", "snas", *METHODS}
    best = {fact.metric: fact.mean for fact in PUBLISHED if fact.method == "optimal"}
    for fact in PUBLISHED:
        assert 0 < fact.mean <= best[fact.metric]
        assert round(fact.mean, 2) == fact.mean
        assert fact.source
