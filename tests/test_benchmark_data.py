"""`benchmark data` and `benchmark query` through the command line."""

import dataclasses
import hashlib
from pathlib import Path

import pytest
from shared_split import SPLIT, needs_split

from benchmark.cli import main
from data.splits import OFFICIAL, official_split

ALL_CONV3 = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def test_status_says_what_is_missing_and_how_to_get_it(tmp_path, capsys):
    assert main(["data", "status", "--data-dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert str(tmp_path) in printed
    assert "there       NAS-Bench-201    comes with the program" in printed
    assert "python -m benchmark data verify" in printed
    assert "data download cifar10" in printed
    assert "there       AnalogNAS-Bench" in printed


def test_a_query_answers_from_nas_bench_201_without_any_download(tmp_path, capsys):
    assert main(["query", ALL_CONV3, "--data-dir", str(tmp_path / "nowhere")]) == 0
    printed = capsys.readouterr().out
    assert "official index 1462; parameters 1,531,546; million operations 220.12" in printed
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
    assert not (tmp_path / "nowhere").exists()


RUN = ["run", "--methods", "darts", "--seeds", "1", "--preset", "smoke", "--jobs", "1"]


def test_a_run_reports_all_metrics_and_a_folder_keeps_its_truth(tmp_path, capsys):
    out = tmp_path / "out"
    assert main([*RUN, "--out", str(out)]) == 0
    header = (out / "runs.csv").read_text().splitlines()[0].split(",")
    assert {"cifar10_valid", "cifar10_test", "cifar100_test", "imagenet16-120_valid"} <= set(header)
    # The same folder with another truth is refused.
    assert main([*RUN, "--out", str(out), "--truth", "analognas"]) == 2
    assert "another truth table (NAS-Bench-201 with checksum" in capsys.readouterr().err


def test_a_folder_of_the_other_truth_goes_on_with_it(tmp_path, capsys):
    """As those made when AnalogNAS-Bench was the default."""
    out = tmp_path / "out"
    assert main([*RUN, "--out", str(out), "--truth", "analognas"]) == 0
    (out / "second-opinion.csv").unlink()  # older folders have none
    before = (out / "runs.csv").read_bytes()
    more = [*RUN, "--out", str(out)]
    more[more.index("1")] = "2"
    assert main(more) == 2
    assert "choose another --out or, to go on with these, --truth analognas" in capsys.readouterr().err
    assert main(["report", str(out)]) == 0
    assert main([*more, "--truth", "analognas"]) == 0
    assert (out / "runs.csv").read_bytes().startswith(before)
    assert (out / "second-opinion.csv").read_text().count("NAS-Bench-201") == 2


def test_the_official_split_is_imported_and_no_other(tmp_path, monkeypatch, capsys):
    content = b'{"train": ["int", ["1"]], "valid": ["int", ["0"]]}'
    given, data = tmp_path / "cifar-split.txt", tmp_path / "data"
    given.write_bytes(content)
    arguments = ["--data-dir", str(data)]
    assert main(["data", "import", str(given), *arguments]) == 2
    assert "is not AutoDL-Projects' cifar-split.txt" in capsys.readouterr().err
    assert main(["data", "status", *arguments]) == 0
    assert (
        "missing     cifar-split.txt  get it from https://github.com/D-X-Y/AutoDL-Projects" in capsys.readouterr().out
    )
    monkeypatch.setattr("data.splits.SHA256", hashlib.sha256(content).hexdigest())  # the official one is not ours
    renamed = given.rename(tmp_path / "downloaded.json")
    assert main(["data", "import", str(renamed), *arguments]) == 0
    assert (data / "cifar-split.txt").read_bytes() == content
    assert main(["data", "status", *arguments]) == 0
    assert f"there       cifar-split.txt  {data / 'cifar-split.txt'}" in capsys.readouterr().out
    (data / "cifar-split.txt").write_bytes(content[:-1])
    assert main(["data", "status", *arguments]) == 0
    assert "damaged     cifar-split.txt" in capsys.readouterr().out


@needs_split
def test_the_official_split_is_known_by_its_checksum_and_halves_cifar10(tmp_path):
    assert main(["data", "import", str(SPLIT), "--data-dir", str(tmp_path)]) == 0
    split = official_split(tmp_path)
    assert split is not None and split == dataclasses.replace(OFFICIAL, path=tmp_path / "cifar-split.txt")
    assert hashlib.sha1(SPLIT.read_bytes()).hexdigest() == "bd08caf9de5f8616df48b69b7bed4111f3acd64d"
    parts = split.parts(50_000)
    assert parts["train"][:10].tolist() == [0, 5, 7, 11, 13, 15, 16, 17, 20, 24]  # as AutoDL-Projects asserts
    assert parts["valid"][:10].tolist() == [1, 2, 3, 4, 6, 8, 9, 10, 12, 14]
    assert {name: len(part) for name, part in parts.items()} == {"train": 25_000, "valid": 25_000}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["data", "import", "nowhere.pth"], "nowhere.pth"),
        (["data", "import", __file__], Path(__file__).name),
        (["data", "download", "mnist"], "mnist"),
        (["query", ALL_CONV3, "--truth", "api:nowhere.pth"], "nowhere.pth"),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_sentence(arguments, complaint, tmp_path, capsys):
    assert main([*arguments, "--data-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
