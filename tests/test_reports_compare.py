"""Two results folders beside each other, through the command line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import test_reports_example as example

from benchmark.cli import main
from reports.compare import COMPARE_COLUMNS

# Differences: +36, 0, +1. Of the 9 couples of runs, B (90, 90, 94) wins 5 of A (54, 90, 93) and ties 2: 6 of 9.
GOLDEN = """\
# B against A

- **A:** `A`: 6 runs, preset mini, searched on CIFAR-10, cpu, version 0.1.0
- **B:** `B`: 4 runs, preset mini with darts.alpha_lr=0.1, searched on CIFAR-10, cpu, version 0.1.0
- **Truth table of both:** AnalogNAS-Bench (checksum `c0ffee`), CIFAR-10 test

> **Not the same settings on both sides**, so a difference is also theirs:
>
> - DARTS: A `aaaa` (preset mini, images cifar10, split halves), B `1e5` (preset mini with darts.alpha_lr=0.1, images \
cifar10, split halves)

| Method |         A (%) |        B (%) |   n |          B − A |      95 % interval | Won / lost / tied | p (sign) | \
p (permutation) |           P(better) | Same cell |
| ------ | ------------: | -----------: | --: | -------------: | -----------------: | ----------------: | -------: | \
--------------: | ------------------: | --------: |
| DARTS  | 79.00 ± 21.70 | 91.33 ± 2.31 |   3 | +12.33 ± 20.50 | −38.60 to +63.26 † |         2 / 0 / 1 |   0.5000 | \
         0.5000 | 0.67 (0.17 to 1.00) |    1 of 3 |

CIFAR-10 test of the chosen cells, paired by seed: mean ± sample standard deviation over the n seeds that both have, \
and Student's interval of the mean difference. † The differences are hardly normal (Shapiro–Wilk p < 0.05). Won: \
seeds on which B is better. p: two-sided, of the exact sign test and of the permutation test of the mean (signs of the \
differences). The smallest p that either test can give is 0.25 with 3 pairs: so few pairs cannot pass 0.05 however \
they end, and 6 are the least that can. P(better): how likely a run of B is better than one of A, over all couples of \
these runs, a tie as half; with its bootstrap interval. Same cell: seeds that end with the very same cell.

## Not compared

- DARTS, seed 3 (92.00 %): only in B
- DARTS-PT, seeds 0, 1, 2 (92.67 ± 1.15 %): only in A; B has no run of this method
"""


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A is the example; B has DARTS alone, with other settings, one seed more and other cells but for seed 1."""
    monkeypatch.chdir(tmp_path)
    for name in ("A", "B"):
        Path(name).mkdir()
    example.write(Path("A"))
    runs = example.runs().query("method == 'darts'")
    runs = pd.concat([runs, runs.tail(1).assign(seed=3)], ignore_index=True)
    runs["cifar10_test"] = [90.0, 90.0, 94.0, 92.0]
    runs["genotype"] = [example.FOUR, example.FOUR, example.CONVS, example.TWO]
    example.write(Path("B"), runs.assign(settings="1e5", changes="darts.alpha_lr=0.1"))


FILES = ("runs.csv", "history.csv", "scores.csv", "space.csv", "methods.json")


def test_a_comparison_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "A", "B"]) == 0
    assert capsys.readouterr().out == GOLDEN
    assert {path.name for path in Path().rglob("*")} == {"A", "B", *FILES}


def test_what_is_printed_is_written_too_with_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "A", "B", "--out", "some/where"]) == 0
    out = Path("some/where")
    assert sorted(path.name for path in out.iterdir()) == ["compare.csv", "compare.md"]
    assert (out / "compare.md").read_text() == capsys.readouterr().out == GOLDEN
    table = pd.read_csv(out / "compare.csv", dtype={"b_settings": str})
    assert tuple(table.columns) == COMPARE_COLUMNS
    darts, pt = (table[table["method"] == name].iloc[0] for name in ("darts", "pt"))
    expected = {"seeds": "0 1 2", "b_seeds": "0 1 2 3", "n": 3, "won": 2, "same_cell": 1, "same_settings": 0}
    assert darts[list(expected)].to_dict() == expected
    assert (darts["a_settings"], darts["b_settings"]) == ("aaaa", "1e5"), "a hash that looks like a number stays text"
    assert darts["difference_mean"] == pytest.approx(37 / 3, abs=1e-4)
    assert (pt["n"], pt["a_seeds"]) == (0, "0 1 2")
    assert pt[["seeds", "b_seeds", "difference_mean", "same_cell"]].isna().all()


def test_a_folder_against_itself_differs_in_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "A", "A"]) == 0
    printed = capsys.readouterr().out
    assert "Every method compared ran with the same settings on both sides." in printed
    assert printed.count("0.00 ± 0.00") == 2
    assert printed.count("3 of 3") == 2
    assert "Not compared" not in printed


def change(**columns: object) -> None:
    pd.read_csv("B/runs.csv").assign(**columns).to_csv("B/runs.csv", index=False)


def test_settings_are_told_apart_seed_by_seed(capsys: pytest.CaptureFixture[str]) -> None:
    change(settings=["aaaa", "aaaa", "1e5", "aaaa"])
    assert main(["compare", "A", "B"]) == 0
    assert "A `aaaa` (preset mini, images cifar10, split halves), B `aaaa / 1e5` (preset" in capsys.readouterr().out


def test_digits_prove_nothing_here_either(capsys: pytest.CaptureFixture[str]) -> None:
    change(images="digits")
    assert main(["compare", "A", "B"]) == 0
    assert "No claim is made from digits" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"truth_checksum": "beef"}, "not the same truth table (AnalogNAS-Bench with checksum c0ffee; AnalogNAS-Bench"),
        ({"seed": [5, 6, 7, 8]}, "no method with a common seed, so nothing can be paired: A has darts (seeds 0 1 2)"),
        ({"method": "rlnas"}, "B has rlnas (seeds 0 1 2 3)"),
        ({"genotype": "|none~0|"}, "B/runs.csv"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    columns: dict[str, object], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(**columns)
    assert main(["compare", "A", "B", "--out", "C"]) == 2
    printed = capsys.readouterr()
    assert complaint in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert not Path("C").exists()


def test_another_main_metric_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    runs = example.runs().assign(metric="cifar100_test", cifar100_test=70.0)
    history = example.history().assign(cifar100_test=70.0)
    example.write(Path("B"), runs, history, example.space(("cifar10_test", "cifar100_test")))
    assert main(["compare", "A", "B"]) == 2
    assert "not the same main metric (cifar10_test; cifar100_test)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "complaint"), [(["nowhere"], "does not exist"), (["B", "--out", "B/runs.csv"], "--out")]
)
def test_folders_that_are_none_are_refused(
    options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "A", *options]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
