"""The tables against text written by hand, and the folders that must be refused in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
import test_reports_example as example

from reports import RowsError
from reports.inference import Interval
from reports.replication import replications
from reports.results import Results, read_results
from reports.summary import Tables, summary_markdown
from reports.tables import (
    COMPARISON_COLUMNS,
    MOSTLY_SKIPS,
    chosen_cells,
    collapsed,
    comparisons,
    interval_text,
    markdown_table,
    number,
    selections,
    summary,
)
from spaces import NASBENCH201, Cell
from spaces.nasbench201.cell import SKIP

GOLDEN = f"""\
# What the searches found

- **Truth table:** AnalogNAS-Bench (checksum `c0ffee`): every accuracy here is that of the chosen cell trained by the \
table's authors, not of the search's own network
- **Images searched on:** CIFAR-10
- **Preset:** mini
- **Training and validation images:** the first and the second half
- **Device:** cpu
- **Seeds:** 0, 1, 2
- **Settings:** `aaaa` (DARTS); `bbbb` (DARTS-PT)
- **Version:** 0.1.0

> **Few seeds prove little.** n = 3: below 5 seeds a mean and its spread can turn with the next seed. Read the single \
cells, and claim no difference between methods.

| Method                   |   n | CIFAR-10 test (%) |     95 % interval | Regret (points) | Median rank \
|   Best–worst |     Skips | Collapsed | Search (s) |
| ------------------------ | --: | ----------------: | ----------------: | --------------: | ----------: \
| -----------: | --------: | --------: | ---------: |
| DARTS                    |   3 |     79.00 ± 21.70 | 25.09 to 132.91 † |   15.00 ± 21.70 |       8,000 \
| 1,001–15,000 | 4.0 ± 2.0 |    2 of 3 |         60 |
| DARTS-PT                 |   3 |      92.67 ± 1.15 |  89.80 to 95.54 † |     1.33 ± 1.15 |       2,500 \
|      1–2,500 | 1.3 ± 1.2 |    0 of 3 |        9.0 |
| *best cell of the space* |     |             94.00 |                   |            0.00 |           1 \
|              |           |           |            |
| *mean of the space*      |     |             86.50 |                   |            7.50 |             \
|              |           |           |            |

Mean ± sample standard deviation (n − 1) over n seeds. The interval is Student's, of the mean of CIFAR-10 test, and \
takes the seeds for draws from a normal distribution. † That is doubtful where the interval passes the best cell of \
the space (DARTS, DARTS-PT): read the single seeds. Regret is the best accuracy of the space minus the chosen cell's, \
and rank 1 + the number of cells that are strictly better, of all 15,625; both on CIFAR-10 test. Skips: edges with \
skip_connect, of 6. Collapsed: seeds whose cell has skip_connect on 4 or more edges, or no convolution on any way \
through it; of all cells 13.9 % are so. The last two rows are no searches: the best accuracy of each column, and the \
mean of all cells.

**Beside the published numbers** ([paper-vs-ours.md](paper-vs-ours.md)): 2 not comparable.

## The same runs by other statistics

| Method   |   n | Median (%) | IQM (%) | 95 % interval of the IQM | Median percentile | Above mean (%) |
| -------- | --: | ---------: | ------: | -----------------------: | ----------------: | -------------: |
| DARTS    |   3 |      90.00 |   79.00 |           54.00 to 93.00 |              48.8 |  −8.67 ± 25.09 |
| DARTS-PT |   3 |      92.00 |   92.67 |           92.00 to 94.00 |              84.0 |   +7.13 ± 1.33 |

CIFAR-10 test. IQM: interquartile mean, without the lowest and the highest quarter of the seeds (n // 4 of each); its \
interval is by bootstrap (10,000 resamples of the seeds, percentiles), and too narrow from few seeds. Percentile: the \
percentage of all 15,625 cells that are no better than the chosen one. Above mean: the accuracy minus the mean of the \
space, in percent of that mean.

## Methods compared seed by seed

| Difference       |   n |         Points |      95 % interval | Won / lost / tied | p (sign) | p (permutation) \
|           P(better) |
| ---------------- | --: | -------------: | -----------------: | ----------------: | -------: | --------------: \
| ------------------: |
| DARTS-PT − DARTS |   3 | +13.67 ± 21.08 | −38.70 to +66.03 † |         3 / 0 / 0 |   0.2500 |          0.2500 \
| 0.78 (0.33 to 1.00) |

CIFAR-10 test of the methods' cells, paired by seed: mean ± sample standard deviation of the n differences, and \
Student's interval of their mean. † The differences are hardly normal (Shapiro–Wilk p < 0.05). Won: seeds on which the \
first named is better. p: two-sided, of the exact sign test and of the permutation test of the mean (signs of the \
differences). The smallest p that either test can give is 0.25 with 3 pairs: so few pairs cannot pass 0.05 however \
they end, and 6 are the least that can. P(better): how likely a run of the first named is better than one of the \
other, over all couples of these runs, a tie as half; with its bootstrap interval, each method's seeds resampled on \
their own.

## Same supernet, two selection rules

| Method   | Other rule | Other rule (%) | Method's own rule (%) |   n |   Difference |  95 % interval \
| Won / lost / tied | p (sign) | p (permutation) |
| -------- | ---------- | -------------: | --------------------: | --: | -----------: | -------------: \
| ----------------: | -------: | --------------: |
| DARTS-PT | magnitude  |   91.67 ± 1.53 |          92.67 ± 1.15 |   3 | +1.00 ± 1.00 | −1.48 to +3.48 \
|         2 / 0 / 1 |   0.5000 |          0.5000 |

Two selection rules on the very same trained supernet, paired by seed: CIFAR-10 test of the cell each would choose. \
Difference: own − other, mean ± sample standard deviation of the n differences, with Student's interval of their \
mean. Won: seeds where the method's own rule chose the better cell. p: two-sided, of the exact sign test and of the \
permutation test of the mean (signs of the differences). The smallest p that either test can give is 0.25 with 3 \
pairs: so few pairs cannot pass 0.05 however they end, and 6 are the least that can.

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


def page(results: Results, figures: Sequence[tuple[str, str]] = (), skipped: Mapping[str, str] | None = None) -> str:
    tables = Tables(summary(results), comparisons(results), replications(results))
    return summary_markdown(results, tables, figures, skipped or {})


def test_summary_markdown_by_hand(tmp_path: Path) -> None:
    results = read_results(example.write(tmp_path))
    figures = [("plots/accuracy.png", "Two curves.")]
    assert page(results, figures, {"darts-vs-bdarts": "there is no β-DARTS"}) == GOLDEN


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
    results = read_results(example.write(tmp_path, one))
    text = page(results)
    assert "| DARTS                    |   1 |         90.00 ± – |             – |        4.00 ± – |" in text
    assert "compared seed by seed" not in text
    assert list(comparisons(results)) == list(COMPARISON_COLUMNS)
    assert "two selection rules" not in text


def test_three_data_sets_have_three_columns(tmp_path: Path) -> None:
    runs = example.runs().assign(cifar100_test=70.0, **{"imagenet16-120_test": [40, 41, 42, 43, 44, 45]})
    folder = example.write(
        tmp_path, runs, space_=example.space(("cifar100_test", "cifar10_test", "imagenet16-120_test"))
    )
    results = read_results(folder)
    assert results.metrics == ("cifar10_test", "cifar100_test", "imagenet16-120_test")
    text = page(results)
    assert "| CIFAR-10 test (%) |     95 % interval | CIFAR-100 test (%) | ImageNet16-120 test (%) |" in text
    assert "|     79.00 ± 21.70 | 25.09 to 132.91 † |       70.00 ± 0.00 |            41.00 ± 1.00 |" in text


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
    assert page(after) == page(before)
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
    levels = [f"cifar10_test_{name}" for name in ("mean", "low", "high", "median", "iqm", "iqm_low", "iqm_high")]
    pd.testing.assert_frame_equal(after[levels], before[levels] - 5)
    relative = ["improvement_mean", "improvement_std"]  # of a mean that is lower now
    unchanged = before.columns.drop([*levels, *relative])
    pd.testing.assert_frame_equal(after[unchanged], before[unchanged])


def test_robust_statistics_by_hand(tmp_path: Path) -> None:
    darts = summary(read_results(example.write(tmp_path))).set_index("method").loc["darts"]
    assert (darts["cifar10_test_median"], darts["cifar10_test_iqm"]) == (90, 79)  # of 3 seeds a quarter is none
    assert darts["improvement_mean"] == pytest.approx(100 * (79 - 86.5) / 86.5)
    assert darts["percentile_median"] == pytest.approx(100 * (1 - 7999 / 15625))
    assert (darts["collapsed"], darts["collapse_rate"]) == (2, pytest.approx(2 / 3))


def test_comparison_by_hand(tmp_path: Path) -> None:
    (row,) = comparisons(read_results(example.write(tmp_path))).to_dict("records")
    assert (row["first"], row["second"], row["seeds"], row["n"]) == ("darts", "pt", "0 1 2", 3)
    assert (row["won"], row["lost"], row["tied"]) == (3, 0, 0)  # by 38, 2 and 1 points
    assert row["difference_mean"] == pytest.approx(41 / 3)
    half = 4.302653 * 21.079216 / 3**0.5  # t of two degrees of freedom, and the standard error
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((41 / 3 - half, 41 / 3 + half))
    assert row["sign_test_p"] == row["permutation_test_p"] == row["smallest_p"] == 0.25
    assert row["improvement_probability"] == pytest.approx(7 / 9)  # both 92 beat 54 and 90, and 94 all


def test_only_common_seeds_are_compared(tmp_path: Path) -> None:
    runs = example.runs()
    runs.loc[runs["method"] == "pt", "seed"] += 1
    folder = example.write(tmp_path, runs)
    assert comparisons(read_results(folder))[["seeds", "n", "won", "lost"]].to_numpy().tolist() == [["1 2", 2, 1, 1]]
    runs.loc[runs["method"] == "pt", "seed"] += 2
    assert comparisons(read_results(example.write(tmp_path, runs))).empty


def test_of_many_methods_the_page_compares_each_with_the_first(tmp_path: Path) -> None:
    runs = pd.concat([example.runs().head(3).assign(method=name) for name in "abcdef"])
    results = read_results(example.write(tmp_path, runs))
    assert len(comparisons(results)) == 15
    text = page(results)
    assert text.count(" − a ") == 5 and " − b " not in text
    assert "`comparisons.csv` has every other pair of methods" in text
    assert "not corrected for 5 comparisons (Bonferroni: 0.01 for 0.05)" in text


@pytest.mark.parametrize(
    ("seeds", "text"), [(5, "The smallest p that either test can give is 0.0625 with 5 pairs"), (6, "")]
)
def test_what_few_pairs_cannot_show_is_said(tmp_path: Path, seeds: int, text: str) -> None:
    rows = [example.runs().iloc[[place]].assign(seed=seed) for place in (0, 3) for seed in range(seeds)]
    found = page(read_results(example.write(tmp_path, pd.concat(rows))))
    assert text in found
    assert ("smallest p" in found) == bool(text)


def test_a_search_that_chose_by_the_test_accuracy_is_marked_wherever_it_stands(tmp_path: Path) -> None:
    runs = example.runs().replace({"method": {"pt": "random-search"}})
    runs["asks"] = [None] * 3 + ["cifar10_test"] * 3
    text = page(read_results(example.write(tmp_path, runs)))
    assert "> **Random search chose by the test accuracy.** AnalogNAS-Bench has no validation accuracy" in text
    assert text.count("‡ A search on the table itself, which chose by the test accuracy that it is judged by.") == 3
    assert "| Random search ‡ " in text and "| Random search ‡ − DARTS " in text and "\nRandom search ‡ " in text
    runs["asks"] = [None] * 3 + ["cifar10_valid"] * 3
    assert "‡" not in page(read_results(example.write(tmp_path, runs)))


def test_the_conditions_of_earlier_folders_are_derived_and_never_pass_as_published(tmp_path: Path) -> None:
    earlier = example.runs().drop(columns=["changes", "as_published"])
    earlier["preset"] = ["mini"] * 3 + ["paper with pt.finetune_epochs=1, --epochs 9"] * 3
    results = read_results(example.write(tmp_path, earlier))
    assert (results.made_with("darts"), results.values("changes", "darts")) == ("mini", ("",))
    assert results.values("preset", "pt") == ("paper",)
    assert results.values("changes", "pt") == ("pt.finetune_epochs=1, --epochs 9",)
    assert not results.runs["as_published"].any()
    assert "mini / paper with pt.finetune_epochs=1, --epochs 9" in page(results)


def test_many_changed_settings_are_counted_where_there_is_little_space(tmp_path: Path) -> None:
    changes = [f"darts.{name}=1" for name in "abcdef"]
    results = read_results(example.write(tmp_path, example.runs().assign(changes="; ".join(changes))))
    assert results.preset == "mini with 6 changed settings"
    assert f"- **Preset:** mini with {', '.join(changes)}\n" in page(results)


def test_what_searches_on_the_table_asked_is_derived_of_earlier_folders(tmp_path: Path) -> None:
    earlier = example.runs().replace({"method": {"pt": "evolution"}}).drop(columns="asks")
    assert not read_results(example.write(tmp_path, earlier)).asked_test("darts")
    assert read_results(tmp_path).asked_test("evolution")
    with_valid = earlier.assign(cifar10_valid=50.0)
    assert not read_results(example.write(tmp_path, with_valid)).asked_test("evolution")


def test_collapsed_cells() -> None:
    assert [collapsed(NASBENCH201, Cell.parse(text)) for text in (example.SKIPS, example.FOUR, example.TWO)] == [
        True,
        True,
        False,
    ]
    no_way = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|avg_pool_3x3~0|none~1|none~2|"
    assert collapsed(NASBENCH201, Cell.parse(no_way)), "its convolutions lead nowhere"
    assert sum(collapsed(NASBENCH201, cell) for cell in Cell.all()) == 2167
    assert sum(cell.count(SKIP) >= MOSTLY_SKIPS for cell in Cell.all()) == 265


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
    text = page(read_results(example.write(tmp_path, example.runs().assign(images="digits"))))
    assert "> **No claim is made from digits.**" in text
    mixed = example.runs().assign(settings=["aaaa", "aaaa", "dddd", "bbbb", "bbbb", "bbbb"])
    text = page(read_results(example.write(tmp_path, mixed)))
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
        ("seed", 0.5, "0.5 in column 'seed' is no whole number from 0"),
        ("rank", 15626, "15626 in column 'rank' is no whole number from 1 to 15,625"),
        ("cifar10_test", 9197, "9197 in column 'cifar10_test' is no number from 0 to 100"),
        ("as_published", "perhaps", "'perhaps' in column 'as_published' is neither True nor False"),
        ("regret", "inf", "'inf' in column 'regret' is no number"),
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


def test_a_space_that_is_no_distribution_is_refused(tmp_path: Path) -> None:
    space = example.space()
    with pytest.raises(RowsError, match=r"quantiles of cifar10_test do not grow"):
        read_results(example.write(tmp_path, space_=space.replace({"accuracy": {90.0: 93.5}})))
    with pytest.raises(RowsError, match=r"more than one row for metric cifar10_test, statistic 0\.5"):
        read_results(example.write(tmp_path, space_=pd.concat([space, space.iloc[[2]]])))


@pytest.mark.parametrize("epoch", [0, 1.5, 10**12])
def test_an_epoch_that_cannot_be_is_refused(tmp_path: Path, epoch: float) -> None:
    history = example.history().astype({"epoch": float})
    history.loc[0, "epoch"] = epoch
    with pytest.raises(RowsError, match=r"history\.csv: .* in column 'epoch' is no whole number from 1 to 100,000"):
        read_results(example.write(tmp_path, history_=history))


def test_a_missing_file_or_metric_is_named(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match=r"runs\.csv does not exist"):
        read_results(tmp_path)
    with pytest.raises(RowsError, match=r"runs\.csv has no column 'cifar10_test'"):
        read_results(example.write(tmp_path, example.runs().drop(columns="cifar10_test"), example.history()))


def test_numbers_and_columns_read_well_raw() -> None:
    assert [number(-0.001), number(-1.25), number(2, 1, "+"), number(float("nan"))] == ["0.00", "−1.25", "+2.0", "–"]
    assert interval_text(Interval(-1, 2), sign="+") == "−1.00 to +2.00"
    assert interval_text(Interval(float("nan"), float("nan"))) == "–"
    assert markdown_table(["a", "b"], [["β", "1"], ["longer", "100"]]) == (
        "| a      |   b |\n| ------ | --: |\n| β      |   1 |\n| longer | 100 |"
    )


def test_methods_are_called_as_in_their_papers(tmp_path: Path) -> None:
    results = read_results(example.write(tmp_path))
    assert results.title("bdarts") == "β-DARTS"
    assert results.title("bdarts+pt") == "β-DARTS + PT"
    assert results.title("dice") == "dice"


def test_the_published_results_are_still_read() -> None:
    results = read_results(Path(__file__).parent.parent / "results" / "mini-cifar10")
    text = page(results)
    assert all(f"| {results.title(method)} " in text for method in ("darts", "bdarts", "rlnas", "pt"))
