"""The NAS-Bench-201 that comes with the program: its numbers, its file, and how that is made from a release."""

import csv

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from shipped_table import csv_rows, write_csv

from benchmark.cli import main
from data import shipped
from data.columns import Column
from data.folder import DataError
from data.metrics import IMAGES, METRICS, accuracy_column
from data.nasbench201 import read_csv, read_release
from data.shipped import FILE, RUN_BY_RUN, decode, encode, read_shipped
from data.truth import open_truth
from spaces import Cell
from spaces.nasbench201.cell import NUM_CELLS

METRIC_COLUMNS = [accuracy_column(metric, epochs) for metric in METRICS for epochs in (200, 12)]


@pytest.fixture(scope="module")
def table():
    return read_shipped()


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    """The table as a CSV, and what the CSV gives."""
    path = write_csv(tmp_path_factory.mktemp("csv") / "table.csv")
    return path, read_release(path).measurements


def test_it_is_small_and_other_programs_read_it(table):
    content = FILE.read_bytes()
    assert len(content) <= 1_200_000
    tensors = safetensors.numpy.load(content)
    counts = tensors["cifar10_test_200_sum"] / tensors["runs_200"][1]
    np.testing.assert_allclose(100 * counts / 10_000, table["cifar10_test_200"].array(), rtol=1e-15)
    assert {tensor.dtype.kind for name, tensor in tensors.items() if "seconds" not in name} == {"u"}


@given(st.integers(0, NUM_CELLS - 1), st.sampled_from(METRIC_COLUMNS))
def test_a_cell_alone_is_what_the_whole_column_says(table, position, name):
    """Ranks and the best come from whole numbers, without NumPy; the columns that methods see are NumPy's."""
    column, array = table[name], table[name].array()
    assert column.value(position) == array[position]
    assert column.rank(position) == Column.rank(column, position) == 1 + (array > array[position]).sum()
    assert column.best() == array.max()


def test_every_accuracy_is_a_count_and_every_mean_that_of_its_runs(table):
    for metric in RUN_BY_RUN:
        runs = np.stack([table[accuracy_column(metric, 200, seed)].array() for seed in (777, 888, 999)])
        counts = np.rint(runs * IMAGES[metric] / 100)
        sums, number = np.nansum(counts, 0), np.isfinite(counts).sum(0)
        assert (100 * sums / (number * IMAGES[metric]) == table[accuracy_column(metric)].array()).all()
        assert set(number) == {2, 3}
    for name in METRIC_COLUMNS:
        assert ((table[name].array() > 0) & (table[name].array() <= 100)).all()


def test_the_order_is_the_official_one(table):
    assert sorted(table["index"].array()) == list(range(NUM_CELLS))
    first = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    assert table["index"].value(Cell.parse(first).position) == 0


def test_it_is_made_anew_from_a_csv_to_the_last_bit(rebuilt, tmp_path, capsys):
    path, _ = rebuilt
    assert main(["data", "build", str(path), str(tmp_path / "anew")]) == 0
    assert (tmp_path / "anew").read_bytes() == FILE.read_bytes()
    assert capsys.readouterr().out == f"{tmp_path / 'anew'}, CRC-32 0x{shipped.CRC32:08X}\n"


def test_what_is_missing_or_no_count_is_not_built(rebuilt, tmp_path):
    _, measurements = rebuilt

    def spoilt(name, value, position=7):
        copy = read_csv(rebuilt[0]).exact()
        copy.columns[name][position] = value
        return copy

    for name, value, complaint in (
        ("cifar100_test_12", np.nan, "lacks cifar100_test_12, of some cells"),
        ("cifar100_test_200", 50.001, "holds in cifar100_test_200 what is no count"),
        ("params", 1.5, "holds in params what is no count"),
        ("cifar10_valid_200_seed777", 12.0, "holds in cifar10_valid_200 what is not the mean of the runs"),
        ("cifar10_valid_200_seed888", np.nan, "holds in cifar10_valid_200 what is not the mean of the runs"),
    ):
        with pytest.raises(DataError, match=f"x {complaint}"):
            encode(spoilt(name, value), "x")
    del measurements.columns["index"]
    with pytest.raises(DataError, match="x lacks index"):
        encode(measurements, "x")
    path = tmp_path / "part.csv"
    with path.open("w", newline="") as file:
        rows = list(csv_rows())[:100]
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert main(["data", "build", str(path), str(tmp_path / "part")]) == 2
    assert not (tmp_path / "part").exists()


def test_any_number_of_runs_comes_back(rebuilt):
    """Of a release with a single run of some cells, as NAS-Bench-201's own files are."""
    measurements = read_csv(rebuilt[0]).exact()
    columns, images = measurements.columns, dict(IMAGES)
    for metric in METRICS:
        if metric in RUN_BY_RUN:
            columns[accuracy_column(metric)][:9] = columns[accuracy_column(metric, 200, 888)][:9]
            for seed in (777, 999):
                columns[accuracy_column(metric, 200, seed)][:9] = np.nan
        else:
            columns[accuracy_column(metric)][:9] = 100 * np.arange(1, 10) / images[metric]
    for name in [name for name in columns if name.startswith("runs_") and name.endswith("_200")]:
        columns[name][:9] = 1
    again = decode(encode(measurements, "x"))
    for name, column in again.items():
        if name in columns:
            np.testing.assert_array_equal(column.array(), columns[name], name)
    for name in METRIC_COLUMNS:
        for position in (0, 8, 9, 5000):
            assert again[name].rank(position) == Column.rank(again[name], position)


@pytest.mark.parametrize("spoil", [lambda c: c[:-1], lambda c: b"", lambda c: c[:500_000] + b"x" + c[500_001:]])
def test_a_damaged_file_is_not_believed(tmp_path, monkeypatch, capsys, spoil):
    path = tmp_path / FILE.name
    path.write_bytes(spoil(FILE.read_bytes()))
    monkeypatch.setattr(shipped, "FILE", path)
    assert main(["query", str(Cell.at(0))]) == 2
    assert "is damaged, or not that of this version: install replica-201 again" in capsys.readouterr().err
    path.unlink()
    assert main(["data", "status", "--data-dir", str(tmp_path)]) == 0
    assert "damaged     NAS-Bench-201" in capsys.readouterr().out


def test_the_notice_of_the_licence_comes_with_it():
    text = FILE.with_suffix(".md").read_text()
    for part in ("MIT License", "Copyright (c) since 2019 Xuanyi Dong", "Copyright (c) since 2020 Xuanyi Dong"):
        assert part in text
    assert "THE SOFTWARE IS PROVIDED" in text


def test_two_openings_are_one_truth(tmp_path):
    one, other = open_truth(None, tmp_path), open_truth("nasbench201", tmp_path / "elsewhere")
    assert one == other and hash(one) == hash(other) and len(one.checksum) == 64
    assert one != open_truth("analognas", tmp_path)
