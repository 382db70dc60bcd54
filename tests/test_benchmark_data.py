"""`benchmark data` and `benchmark query` through the command line."""

from pathlib import Path

import pytest
from shared_table import TABLE, needs_table

from benchmark.cli import main

ALL_CONV3 = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def test_status_says_what_is_missing_and_how_to_get_it(tmp_path, capsys):
    assert main(["data", "status", "--data-dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert str(tmp_path) in printed
    assert "missing     NAS-Bench-201" in printed
    assert "data download cifar10" in printed
    assert "there       AnalogNAS-Bench" in printed


@needs_table
def test_the_imported_table_is_the_truth_from_then_on(tmp_path, capsys):
    assert main(["data", "import", str(TABLE), "--data-dir", str(tmp_path)]) == 0
    assert main(["data", "status", "--data-dir", str(tmp_path)]) == 0
    assert "there       NAS-Bench-201" in capsys.readouterr().out
    assert main(["query", ALL_CONV3, "--data-dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "official index 1462" in printed
    for metric, accuracy in (
        ("cifar10_valid", 90.199),
        ("cifar10_test", 93.760),
        ("cifar100_valid", 70.707),
        ("cifar100_test", 71.107),
        ("imagenet16-120_valid", 40.778),
        ("imagenet16-120_test", 41.444),
    ):
        line = next(line for line in printed.splitlines() if metric in line and "200 epochs" in line)
        assert f"{accuracy:.3f} %" in line


@needs_table
def test_a_run_reports_all_metrics_of_the_imported_table(tmp_path, capsys):
    data, out = str(tmp_path / "data"), tmp_path / "out"
    assert main(["data", "import", str(TABLE), "--data-dir", data]) == 0
    run = ["run", "--methods", "darts", "--seeds", "1", "--preset", "smoke", "--jobs", "1"]
    assert main([*run, "--out", str(out), "--data-dir", data]) == 0
    header = (out / "runs.csv").read_text().splitlines()[0].split(",")
    assert {"cifar10_valid", "cifar10_test", "cifar100_test", "imagenet16-120_valid"} <= set(header)
    # The same folder with another truth is refused.
    assert main([*run, "--out", str(out), "--data-dir", data, "--truth", "analognas"]) == 2
    assert "another truth table" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["data", "import", "nowhere.pth"], "nowhere.pth"),
        (["data", "import", __file__], Path(__file__).name),
        (["data", "download", "mnist"], "mnist"),
        (["query", ALL_CONV3, "--truth", "nasbench201"], "not imported"),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_sentence(arguments, complaint, tmp_path, capsys):
    assert main([*arguments, "--data-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
