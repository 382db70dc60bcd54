"""Published numbers beside ours: every verdict from rows made for it, and the page against text written by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import test_reports_example as example

from benchmark.method_facts import published_numbers
from data.published import of_the_best_cell
from data.truth import open_truth
from methods import registry
from reports.replication import (
    COLUMNS,
    ROUNDING,
    published_cells,
    replication_markdown,
    replications,
    verdicts_line,
)
from reports.results import Results, read_results
from spaces import Cell

PAPER = {"preset": "paper", "truth": "NAS-Bench-201", "as_published": True}


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


def row(found: Results, method: str = "darts") -> pd.Series:
    return replications(found).set_index("method").loc[method]


def test_a_the_published_mean_lies_in_our_interval_or_not(tmp_path: Path) -> None:
    """SPOS: published without a spread, so this is the only test. t of two degrees of freedom is 4.302653."""
    of_spos = row(results(tmp_path, {"spos": [92.0, 92.2, 92.9]}), "spos")
    half = 4.302653 * 0.472582 / 3**0.5
    assert (of_spos["ours_low"], of_spos["ours_high"]) == pytest.approx((92.3667 - half, 92.3667 + half), abs=1e-4)
    assert (of_spos["inside"], of_spos["verdict"], of_spos["reason"]) == (True, "replicated", "")
    assert pd.isna(of_spos[["predicted", "predicted_low", "cell_seeds", "cell_low"]]).all()
    assert (of_spos["published_mean"], of_spos["n"]) == (92.11, 3)
    assert of_spos["difference"] == pytest.approx(0.2567, abs=1e-4)
    outside = {"spos": [93.0, 93.1, 93.2]}
    found = results(tmp_path, outside, genotype=example.TWO)
    assert verdict(found, "spos") == ("not replicated", "")
    assert verdict(results(tmp_path, outside), "spos") == ("not replicated", "3 of 3 cells collapsed")


def test_an_interval_of_few_seeds_is_as_wide_as_students(tmp_path: Path) -> None:
    """Seeds that all lie above the published 92.11, which a bootstrap of them could never hold."""
    assert verdict(results(tmp_path, {"spos": [92.2, 92.3, 92.9]}), "spos")[0] == "replicated"


def test_b_our_mean_lies_where_the_published_ones_predict_it_or_not(tmp_path: Path) -> None:
    """GDAS: 93.61 ± 0.09 of 3 runs. Of 3 seeds the mean is to be expected within 4.302653 · 0.09 · √(2/3) = 0.3162."""
    of_gdas = row(results(tmp_path, {"gdas": [93.2, 93.4, 93.5]}), "gdas")
    assert (of_gdas["predicted_low"], of_gdas["predicted_high"]) == pytest.approx((93.2938, 93.9262), abs=1e-4)
    assert (of_gdas["inside"], of_gdas["predicted"], of_gdas["verdict"]) == (True, True, "replicated")
    wide = results(tmp_path, {"gdas": [91.0, 93.0, 94.0]})  # whose interval holds nearly everything
    assert (row(wide, "gdas")["inside"], row(wide, "gdas")["predicted"]) == (True, False)
    assert verdict(wide, "gdas")[0] == "not replicated"


SKIPS, OTHER = example.SKIPS, example.FOUR


@pytest.mark.parametrize(
    ("cells", "accuracies", "hits", "expected"),
    [
        ([SKIPS] * 3, [54.2967] * 3, 3, "replicated"),
        ([SKIPS, SKIPS, OTHER], [54.2967, 54.2967, 87.63], 2, "not replicated"),
        ([OTHER] * 3, [54.3] * 3, 0, "not replicated"),  # another cell that happens to have the same accuracy
        ([SKIPS], [54.2967], 1, "so far consistent"),
        ([SKIPS, OTHER], [54.2967, 87.63], 1, "so far not consistent"),
    ],
)
def test_c_all_seeds_ended_in_the_published_cell_or_not(
    tmp_path: Path, cells: list[str], accuracies: list[float], hits: int, expected: str
) -> None:
    of_darts = row(results(tmp_path, {"darts": accuracies}, genotype=cells))
    assert (of_darts["cell_seeds"], of_darts["verdict"]) == (hits, expected)
    assert (of_darts["cell_high"] == 1) == (hits == len(cells))
    if hits == 2:
        assert (of_darts["cell_low"], of_darts["cell_high"]) == pytest.approx((0.0943, 0.9916), abs=1e-4)


def test_a_cell_that_is_published_without_a_spread_need_not_come_again(tmp_path: Path) -> None:
    """SPOS with the angle: one run, as far as is known, whose cell says nothing of other seeds."""
    of_spos = row(results(tmp_path, {"spos-angle": [93.5, 93.9, 93.8]}), "spos-angle")
    assert pd.isna(of_spos["cell_seeds"]) and of_spos["verdict"] == "replicated"


def test_a_number_that_rounds_to_the_published_one_counts_as_equal(tmp_path: Path) -> None:
    same = {"spos": [92.1067] * 5}
    assert verdict(results(tmp_path, same), "spos") == ("replicated", "")
    assert verdict(results(tmp_path, {"spos": [92.12] * 5}), "spos")[0] == "not replicated"


def test_below_three_seeds_there_is_no_verdict(tmp_path: Path) -> None:
    few = {"spos": [92.0, 92.3], "gdas": [93.6], "pc-darts": [80.0, 80.1], "rlnas": [93.4467], "bdarts": [92.0]}
    found = replications(results(tmp_path, few, genotype=example.TWO))
    verdicts = dict(zip(found["method"], found["verdict"], strict=True))
    del verdicts["optimal"]
    assert verdicts == {
        **dict.fromkeys(("spos", "gdas", "rlnas"), "so far consistent"),
        **dict.fromkeys(("pc-darts", "bdarts"), "so far not consistent"),
    }
    assert verdicts_line(found).endswith(": 3 so far consistent (n = 1 or 2), 2 so far not consistent (n = 1 or 2).")


def test_a_single_seed_beside_a_number_without_a_spread_decides_nothing(tmp_path: Path) -> None:
    found = results(tmp_path, {"rlnas": [93.0]})
    assert verdict(found, "rlnas") == (
        "so far undecided",
        "a single seed has no interval, and the published number no spread",
    )
    assert "so far undecided (n = 1)" in replication_markdown(found, replications(found))


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"preset": "mini"}, "preset mini"),
        ({"changes": "darts.clip=1; darts.epochs=9"}, "changed settings: darts.clip=1, darts.epochs=9"),
        ({"preset": "mini", "changes": "darts.clip=1"}, "preset mini with changed settings"),
        ({"preset": "paper (a file)"}, "preset paper (a file)"),
        ({"images": "digits", "truth": "AnalogNAS-Bench"}, "searched on digits; truth AnalogNAS-Bench"),
        ({"images": "cifar100"}, "searched on CIFAR-100"),
        (
            {"changes": "darts.clip=1", "settings": ["a", "a", "b"]},
            "changed settings: darts.clip=1; seeds of several settings",
        ),
        ({"preset": ["paper", "mini", "paper"]}, "preset mini"),
        (
            {},
            "the split, halves, is not the published one, or an earlier version did not record that it is",
        ),
    ],
)
def test_other_conditions_are_not_comparable(tmp_path: Path, columns: dict[str, object], reason: str) -> None:
    found = results(tmp_path, {"darts": [54.30] * 3}, **{"as_published": False, **columns})
    assert verdict(found) == ("not comparable", reason)


def test_what_counts_is_that_all_was_as_published_and_not_what_the_preset_is_called(tmp_path: Path) -> None:
    named = {"preset": "own.toml", "changes": "problem.threads=1", "settings": ["a", "b", "c"]}
    assert verdict(results(tmp_path, {"darts": [54.30] * 3}, **named))[0] == "replicated"
    one_not = {"as_published": [True, False, True], "changes": [None, "darts.clip=1", None]}
    assert verdict(results(tmp_path, {"darts": [54.30] * 3}, **one_not)) == (
        "not comparable",
        "changed settings: darts.clip=1",
    )


def test_what_speaks_against_all_alike_is_said_once(tmp_path: Path) -> None:
    found = results(tmp_path, {"darts": [54.3], "gdas": [93.6]}, as_published=False, preset="mini")
    text = replication_markdown(found, replications(found))
    assert "> **No verdict here.** None of these runs was made under the published conditions: preset mini." in text
    assert "Why" not in text
    changes = {"changes": ["darts.clip=1", None]}
    found = results(tmp_path, {"darts": [54.3], "gdas": [93.6]}, as_published=False, preset="mini", **changes)
    text = replication_markdown(found, replications(found))
    assert "under the published conditions; see *Why*." in text
    assert text.count("| preset mini with changed settings |") == 1


def test_the_best_cell_tells_whether_the_truth_is_the_published_one(tmp_path: Path) -> None:
    space = example.space().replace({"accuracy": {94.0: 94.3733}})
    found = results(tmp_path, {"darts": [54.3] * 2}, preset="mini")
    assert verdict(found, "optimal")[0] == "differs"
    space.to_csv(tmp_path / "space.csv", index=False)
    assert verdict(read_results(tmp_path), "optimal") == ("agrees", "")


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


# By hand: t is 12.7062 for one degree of freedom, 4.3027 for two. GDAS: 93.6 ± 12.7062 · 0.1, and as published
# 93.61 ± 4.3027 · 0.09 · √(1/3 + 1/2). DARTS: 91 ± 12.7062 · 1, and 1 − √0.025 for the share met by none of two.
GOLDEN = """\
# Published numbers beside ours

A number is *replicated* where it passes every test that applies to it: (a) the published mean lies in the 95 % \
interval of ours; (b) our mean lies in the 95 % prediction interval of the published one, where that comes with a \
spread and the number of its runs; (c) all our seeds end in the published cell, where the number is that of a single \
cell (± 0.00). With fewer than 3 seeds it is no more than *so far consistent* or *so far not consistent*, n stated. \
All of this asks for the published conditions: the problem and the settings of preset `paper`, and the truth table \
NAS-Bench-201. Whatever else is *not comparable*, however near or far.

| Method                   | Metric        | Verdict                       |    Published (%) |     Ours (%) |   n \
|    (a) Our interval |    (b) Predicted |   (c) In the cell | Difference |
| ------------------------ | ------------- | ----------------------------- | ---------------: | -----------: | --: \
| ------------------: | ---------------: | ----------------: | ---------: |
| *best cell of the space* | CIFAR-10 test | differs                       |        94.37 [1] |        94.00 |     \
|                     |                  |                   |      −0.37 |
| GDAS                     | CIFAR-10 test | so far consistent (n = 2)     | 93.61 ± 0.09 [2] | 93.60 ± 0.14 |   2 \
|  92.33 to 94.87 † ✓ | 93.26 to 93.96 ✓ |                   |      −0.01 |
| DARTS                    | CIFAR-10 test | so far not consistent (n = 2) | 54.30 ± 0.00 [3] | 91.00 ± 1.41 |   2 \
| 78.29 to 103.71 † ✗ |                  | 0 of 2 (0–84 %) ✗ |     +36.70 |

Published: as printed, ± where the source, whose number is in brackets, gives a standard deviation. Ours: mean ± \
sample standard deviation (n − 1) over n seeds. (a) Student's 95 % interval of our mean; ✓ where it holds the \
published one. † Normality is doubtful. (b) Where the mean of n seeds is to be expected, 95 %, if ours are as the \
published ones (Patil, Peng & Leek 2016); ✓ where it is there. (c) Seeds that ended in the published cell, with the \
exact binomial 95 % interval of their share; ✓ where all did. Difference: ours − published, points. Numbers that round \
to the same two decimals count as equal. A wide interval replicates easily: read its width and n beside the verdict.

1. Dong & Yang, NAS-Bench-201, ICLR 2020 (space maximum)
2. Dong & Yang, NAS-Bench-201, ICLR 2020 (3 runs)
3. Dong & Yang, NAS-Bench-201, ICLR 2020 (first order; 3 runs)

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
    for method, facts in published_numbers().items():
        apart = pd.DataFrame({fact.metric: table[fact.metric] - fact.mean for fact in facts})
        agreeing = apart.index[(apart.abs() <= ROUNDING).all(axis=1)]
        if len(agreeing) == 1:
            found[method] = Cell.parse(agreeing[0])
    cells = {name: registry.load(name).published_cell for name in registry.names()}
    assert found == {name: cell for name, cell in cells.items() if cell is not None}


def test_a_method_without_a_finished_run_has_no_published_cell(tmp_path: Path) -> None:
    found = results(tmp_path, {"gdas": [90.0], "darts": [54.3]}, genotype=example.TWO)
    assert len(published_cells(found)) == 1
    assert not published_cells(replace(found, runs=found.runs[found.runs["method"] == "gdas"]))


def test_summary_counts_the_verdicts(tmp_path: Path) -> None:
    found = results(tmp_path, {"darts": [54.3] * 3, "gdas": [90.0, 90.1, 90.2], "sgas": [90.0]})
    assert verdicts_line(replications(found)).endswith("): 1 replicated, 1 not replicated.")


def test_facts_are_accuracies_of_known_methods_each_once_with_a_source() -> None:
    keys = [(method, fact.metric) for method, facts in published_numbers().items() for fact in facts]
    assert len(set(keys)) == len(keys) == 63
    best = {fact.metric: fact.mean for fact in of_the_best_cell()}
    for fact in (fact for facts in published_numbers().values() for fact in facts):
        assert 0 < fact.mean <= best[fact.metric]
        assert round(fact.mean, 2) == fact.mean
        assert fact.source
