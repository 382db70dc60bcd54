"""The tables against text written by hand, and the folders that must be refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import test_reports_example as example

from reports import RowsError
from reports.results import method_name, read_results
from reports.tables import chosen_cells, markdown_table, number, selections, summary, summary_markdown

GOLDEN = f"""\
# What the searches found

- **Truth table:** AnalogNAS-Bench (checksum `c0ffee`): every accuracy here is that of the chosen cell trained by the \
table's authors, not of the search's own network
- **Images searched on:** CIFAR-10
- **Preset:** mini
- **Device:** cpu
- **Seeds:** 0, 1, 2
- **Settings:** `aaaa` (DARTS); `bbbb` (DARTS-PT)
- **Version:** 0.1.0

> **Few seeds prove little.** n = 3: below 5 seeds a mean and its spread can turn with the next seed. Read the single \
cells, and claim no difference between methods.

| Method                   |   n | CIFAR-10 test (%) | Regret (points) | Median rank |   Best–worst \
|     Skips | Search (s) |
| ------------------------ | --: | ----------------: | --------------: | ----------: | -----------: \
| --------: | ---------: |
| DARTS                    |   3 |     79.00 ± 21.70 |   15.00 ± 21.70 |       8,000 | 1,001–15,000 \
| 4.0 ± 2.0 |         60 |
| DARTS-PT                 |   3 |      92.67 ± 1.15 |     1.33 ± 1.15 |       2,500 |      1–2,500 \
| 1.3 ± 1.2 |        9.0 |
| *best cell of the space* |     |             94.00 |            0.00 |           1 |              \
|           |            |
| *mean of the space*      |     |             86.50 |            7.50 |             |              \
|           |            |

Mean ± sample standard deviation (n − 1) over n seeds. Regret is the best accuracy of the space minus the chosen \
cell's, and rank 1 + the number of cells that are strictly better, of all 15,625; both on CIFAR-10 test. Skips: edges \
with skip_connect, of 6. The last two rows are no searches: the best accuracy of each column, and the mean of all cells.

## Same supernet, two selection rules

| Method   | Other rule |   n | Other rule (%) | Method's own rule (%) |   Difference | Won / lost / tied |
| -------- | ---------- | --: | -------------: | --------------------: | -----------: | ----------------: |
| DARTS-PT | magnitude  |   3 |   91.67 ± 1.53 |          92.67 ± 1.15 | +1.00 ± 1.00 |         2 / 0 / 1 |

Two selection rules on the very same trained supernet, paired by seed: CIFAR-10 test of the cell each would choose. \
Difference: own − other, mean ± sample standard deviation of the n differences; won: seeds where the method's own rule \
chose the better cell.

## Chosen cells

```text
method    seed  cifar10_test  regret    rank  skips  cell
DARTS        0         54.00   40.00  15,000      6  {example.SKIPS}
DARTS        1         90.00    4.00   8,000      4  {example.FOUR}
DARTS        2         93.00    1.00   1,001      2  {example.TWO}
DARTS-PT     0         92.00    2.00   2,500      2  {example.TWO}
DARTS-PT     1         92.00    2.00   2,500      2  {example.TWO}
DARTS-PT     2         94.00    0.00       1      0  {example.CONVS}
```

## Plots

![Two curves.](plots/accuracy.png)

*Two curves.*

`darts-vs-bdarts` is not drawn: there is no β-DARTS.
"""


def test_summary_markdown_by_hand(tmp_path: Path) -> None:
    results = read_results(example.write(tmp_path))
    figures = [("plots/accuracy.png", "Two curves.")]
    assert summary_markdown(results, figures, {"darts-vs-bdarts": "there is no β-DARTS"}) == GOLDEN


def test_summary_rows_by_hand(tmp_path: Path) -> None:
    table = summary(read_results(example.write(tmp_path))).set_index("method")
    darts = table.loc["darts"]
    assert (darts["kind"], darts["n"], darts["seeds"]) == ("method", 3, "0 1 2")
    assert (darts["cifar10_test_mean"], darts["cifar10_test_std"]) == (79.0, pytest.approx(471**0.5))
    assert (darts["rank_median"], darts["rank_best"], darts["rank_worst"]) == (8000, 1001, 15000)
    assert (darts["skip_connects_mean"], darts["search_seconds_mean"]) == (4, 60)
    assert list(table["truth"]) == ["AnalogNAS-Bench"] * 4
    assert (table.loc["optimal", "cifar10_test_mean"], table.loc["optimal", "regret_mean"]) == (94, 0)
    assert (table.loc["space mean", "cifar10_test_mean"], table.loc["space mean", "regret_mean"]) == (86.5, 7.5)


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    one = example.runs().query("method == 'darts' and seed == 1")
    text = summary_markdown(read_results(example.write(tmp_path, one)), [], {})
    assert "| DARTS                    |   1 |         90.00 ± – |        4.00 ± – |" in text
    assert "two selection rules" not in text


def test_three_data_sets_have_three_columns(tmp_path: Path) -> None:
    runs = example.runs().assign(cifar100_test=70.0, **{"imagenet16-120_test": [40, 41, 42, 43, 44, 45]})
    folder = example.write(
        tmp_path, runs, space_=example.space(("cifar100_test", "cifar10_test", "imagenet16-120_test"))
    )
    results = read_results(folder)
    assert results.metrics == ("cifar10_test", "cifar100_test", "imagenet16-120_test")
    text = summary_markdown(results, [], {})
    assert "| CIFAR-10 test (%) | CIFAR-100 test (%) | ImageNet16-120 test (%) |" in text
    assert "|     79.00 ± 21.70 |       70.00 ± 0.00 |            41.00 ± 1.00 |" in text


def test_pairs_without_a_partner_are_left_out(tmp_path: Path) -> None:
    runs = example.runs()
    runs.loc[3, ["other_selection", "other_genotype", "other_cifar10_test"]] = None
    table = selections(read_results(example.write(tmp_path, runs)))
    assert table[["n", "difference_mean", "won", "tied"]].iloc[0].tolist() == [2, 0.5, 1, 1]


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_changes_nothing(tmp_path: Path, seed: int) -> None:
    order = ["pt", "darts"]
    before = read_results(example.write(tmp_path), order)
    shuffled = (rows.sample(frac=1, random_state=seed) for rows in (example.runs(), example.history(), example.space()))
    after = read_results(example.write(tmp_path, *shuffled), order)
    assert summary_markdown(after, [], {}) == summary_markdown(before, [], {})
    for table in (summary, selections, chosen_cells):
        pd.testing.assert_frame_equal(table(after), table(before))
    assert (after.curves("darts", "cifar10_test") == before.curves("darts", "cifar10_test")).all()


def test_a_constant_shifts_the_means_only(tmp_path: Path) -> None:
    before = summary(read_results(example.write(tmp_path)))
    runs = example.runs()
    runs[["cifar10_test", "other_cifar10_test"]] -= 5
    space = example.space()
    space["accuracy"] -= 5
    after = summary(read_results(example.write(tmp_path, runs, example.history(), space)))
    assert after["cifar10_test_mean"].tolist() == pytest.approx((before["cifar10_test_mean"] - 5).tolist())
    unchanged = before.columns.drop("cifar10_test_mean")
    pd.testing.assert_frame_equal(after[unchanged], before[unchanged])


def test_methods_come_in_the_order_given_then_as_found(tmp_path: Path) -> None:
    folder = example.write(tmp_path)
    assert read_results(folder).methods == ("darts", "pt")
    assert read_results(folder, ["rlnas", "pt"]).methods == ("pt", "darts")


def test_unfinished_runs_leave_no_curve(tmp_path: Path) -> None:
    finished = example.runs().query("seed != 2")
    results = read_results(example.write(tmp_path, finished, example.history()))
    assert results.curves("darts", "cifar10_test").tolist() == [[52, 53, 54], [88, 89, 90]]
    assert results.curves("darts", "angle").shape == (2, 0)


def test_digits_carry_no_claim_and_mixed_settings_are_said(tmp_path: Path) -> None:
    text = summary_markdown(read_results(example.write(tmp_path, example.runs().assign(images="digits"))), [], {})
    assert "> **No claim is made from digits.**" in text
    mixed = example.runs().assign(settings=["aaaa", "aaaa", "dddd", "bbbb", "bbbb", "bbbb"])
    text = summary_markdown(read_results(example.write(tmp_path, mixed)), [], {})
    assert "> **Not all rows were made alike** (DARTS)" in text
    assert "- **Settings:** `aaaa / dddd` (DARTS); `bbbb` (DARTS-PT)" in text


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("truth", "NAS-Bench-201", "mixes truth NAS-Bench-201 and AnalogNAS-Bench"),
        ("metric", "cifar100_test", "mixes metric cifar100_test and cifar10_test"),
        ("genotype", "|skip~0|", "column 'genotype'"),
        ("cifar10_test", "high", "'high' in column 'cifar10_test' is no number"),
        ("other_cifar10_test", "high", "'high' in column 'other_cifar10_test' is no number"),
        ("seed", 1, "more than one row for method darts, seed 1"),
    ],
)
def test_rows_that_cannot_stand_in_one_table_are_refused(
    tmp_path: Path, column: str, value: object, message: str
) -> None:
    runs = example.runs().astype({column: object})
    runs.loc[0, column] = value
    with pytest.raises(RowsError, match=r"runs\.csv") as error:
        read_results(example.write(tmp_path, runs, example.history()))
    assert message in str(error.value)


def test_a_space_without_its_best_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match="lacks the mean, worst"):
        read_results(example.write(tmp_path, space_=example.space().query("statistic != '1.0'")))
    with pytest.raises(RowsError, match="must be `mean` or a quantile"):
        read_results(example.write(tmp_path, space_=example.space().replace({"statistic": {"0.5": "median"}})))


def test_a_missing_file_or_metric_is_named(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match=r"runs\.csv does not exist"):
        read_results(tmp_path)
    with pytest.raises(RowsError, match=r"runs\.csv has no column 'cifar10_test'"):
        read_results(example.write(tmp_path, example.runs().drop(columns="cifar10_test"), example.history()))


def test_numbers_and_columns_read_well_raw() -> None:
    assert [number(-0.001), number(-1.25), number(2, 1, "+"), number(float("nan"))] == ["0.00", "−1.25", "+2.0", "–"]
    assert markdown_table(["a", "b"], [["β", "1"], ["longer", "100"]]) == (
        "| a      |   b |\n| ------ | --: |\n| β      |   1 |\n| longer | 100 |"
    )


def test_methods_are_called_as_in_their_papers():
    assert method_name("bdarts") == "β-DARTS"
    assert method_name("bdarts+pt") == "β-DARTS + PT"
    assert method_name("dice") == "dice"
