"""NAS-Bench-201: opened fast, queried by what the published numbers are; a release imported whole or refused."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors

from data import nasbench201
from data.columns import Floats, content_checksum
from data.folder import DataError
from data.measurements import Measurements
from data.metrics import IMAGES, METRICS, accuracy_column
from data.nasbench201 import TableProvenance, import_truth, read_table, write_table
from data.truth import TruthTable, open_truth
from spaces import Cell
from spaces.nasbench201.cell import NUM_CELLS

ROOT = Path(__file__).parents[1]

SEEDS = (777, 888, 999)


@pytest.fixture(scope="module")
def rows():
    """A whole table of random counts, as a CSV has them: text, the last run missing for half of the cells."""
    numbers = np.random.default_rng(0)
    metrics = [metric.replace("-120", "") for metric in METRICS]
    names = [f"{metric}_{epochs}" for epochs in (200, 12) for metric in metrics]
    images = np.tile(list(IMAGES.values()), 2)
    accuracies = 100 * numbers.integers(0, 3 * images, (NUM_CELLS, len(names))) / (3 * images)
    runs = 100 * numbers.integers(1, 25_000, (NUM_CELLS, 3)) / 25_000
    seconds = numbers.uniform(1e3, 1e4, (NUM_CELLS, 3)).round(6)
    table = []
    for index, position in enumerate(numbers.permutation(NUM_CELLS).tolist()):
        row = {"index": index, "arch": str(Cell.at(position)), "runs": 2 + index % 2}
        row |= dict(zip(names, map(repr, accuracies[index].tolist()), strict=True))
        row |= {
            f"cifar10_valid_200_seed{seed}": run
            for seed, run in zip(SEEDS, map(repr, runs[index].tolist()), strict=True)
        }
        if index % 2:
            row["cifar10_valid_200_seed999"] = ""
        kinds = ("cifar10_valid", "cifar100", "imagenet16")
        row |= {f"train_seconds_{kind}": s for kind, s in zip(kinds, map(repr, seconds[index].tolist()), strict=True)}
        table.append(row | {"params": 73_306 + index, "flops_m": repr(7.78305 + index)})
    return table


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def table_csv(rows, tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("csv") / "table.csv", rows)


@pytest.fixture(scope="module")
def folder(table_csv, tmp_path_factory):
    """A data folder with the table imported; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("data")
    assert import_truth(table_csv, folder) == folder / "nasbench201.parquet"
    return folder


@pytest.fixture
def own(folder, tmp_path):
    """A copy of that folder for tests that spoil it."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.fixture
def imported(folder):
    return open_truth(str(folder / "nasbench201.parquet"), Path("elsewhere"))


def test_every_number_of_the_csv_is_found_at_its_cell(rows, imported):
    for row in rows[::97]:
        cell = Cell.parse(row["arch"])
        record = imported.record(cell)
        assert (record.index, record.params, record.flops_m) == (row["index"], row["params"], float(row["flops_m"]))
        assert len(record.measurements) == 12
        for entry in record.measurements:
            short = entry.metric.replace("-120", "")
            assert entry.accuracy == float(row[f"{short}_{entry.epochs}"])
            runs = {seed: row.get(f"{short}_{entry.epochs}_seed{seed}") for seed in SEEDS}
            assert entry.runs == {seed: float(run) for seed, run in runs.items() if run}
            training = "cifar10_valid" if entry.metric == "cifar10_valid" else short.split("_")[0]
            seconds = row.get(f"train_seconds_{training}") if entry.epochs == 200 else None
            assert entry.train_seconds == (float(seconds) if seconds else None)
        published = record.measurements[:6]
        assert [entry.metric for entry in published] == list(METRICS) and {entry.epochs for entry in published} == {200}
        assert imported.query(cell) == {entry.metric: entry.accuracy for entry in published}
        for entry in published:
            assert entry.rank == imported.rank(cell, entry.metric)
            assert entry.regret == imported.regret(cell, entry.metric)


@pytest.mark.parametrize("digits", [6, 4])
def test_what_a_csv_has_rounded_is_the_count_that_it_was(rows, tmp_path, digits):
    """Six decimals, as such files have; four still tell one image of 25,000 in three runs from the next."""
    names = [name for name in rows[0] if name.endswith(("_200", "_12")) or "_seed" in name]
    shorter = [row | {name: row[name] and repr(round(float(row[name]), 6)) for name in names} for row in rows]
    path = import_truth(write_csv(tmp_path / "rounded.csv", shorter), tmp_path)
    truth = open_truth(str(path), tmp_path)
    for row in rows[::97]:
        for metric, accuracy in truth.query(Cell.parse(row["arch"])).items():
            assert accuracy == float(row[f"{metric.replace('-120', '')}_200"])


def test_the_label_says_which_numbers_they_are(imported):
    parts = ("200 epochs", "mean of runs", "CIFAR-10 valid by the runs trained on 25k")
    for label, name in (
        (imported.label, "NAS-Bench-201 (table.csv): "),
        (open_truth(None, Path("nowhere")).label, "NAS-Bench-201: "),
    ):
        assert label.startswith(name) and "\n" not in label
        assert all(part in label for part in parts)


def test_an_imported_file_is_opened_by_its_path(table_csv, folder):
    for given, complaint in (
        (str(table_csv), r"is no table of this program: run python -m benchmark data import .*table\.csv"),
        ("nb301", "no truth table 'nb301'; choose nasbench201 or analognas, api:FILE"),
    ):
        with pytest.raises(DataError, match=complaint):
            open_truth(given, folder)


def test_no_import_changes_what_comes_with_the_program(folder, imported):
    """Those are other numbers; beside the true ones they would say nothing."""
    cell = Cell((3,) * 6)
    assert open_truth(None, folder) == open_truth("nasbench201", Path("nowhere")) != imported
    assert open_truth(None, folder).record(cell) == open_truth(None, Path("nowhere")).record(cell)


def test_the_parquet_file_is_read_by_others_and_carries_its_provenance(rows, folder):
    from pyarrow import parquet

    table = parquet.read_table(folder / "nasbench201.parquet")
    assert table["cell"].to_pylist() == [str(cell) for cell in Cell.all()]
    by_arch = {row["arch"]: row for row in rows}
    expected = [float(by_arch[cell]["imagenet16_test_12"]) for cell in table["cell"].to_pylist()]
    assert table["imagenet16-120_test_12"].to_pylist() == expected
    assert table["cifar10_valid_200_seed999"].null_count == NUM_CELLS // 2
    provenance = json.loads(table.schema.metadata[b"replica-201"])
    assert provenance["source"] == "table.csv" and len(provenance["checksum"]) == 64


def test_importing_again_gives_the_same_bytes(own, table_csv):
    before = (own / "nasbench201.parquet").read_bytes()
    import_truth(table_csv, own)
    assert (own / "nasbench201.parquet").read_bytes() == before


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda rows: rows[:-7], r"lacks 7 of the 15,625 cells"),
        (lambda rows: [*rows[:-1], rows[0]], r"holds the cell .* twice"),
        (lambda rows: [*rows[:-1], rows[-1] | {"cifar100_test_200": ""}], r"lacks 1 of the 15,625 cells"),
        (lambda rows: [*rows[:-1], rows[-1] | {"cifar100_test_200": "nan"}], r"lacks 1 of the 15,625 cells"),
        (lambda rows: [*rows[:-1], rows[-1] | {"cifar100_test_200": "0,7"}], r"line 15626, is damaged .*0,7"),
        (lambda rows: [*rows[:-1], rows[-1] | {"cifar100_test_12": "101"}], r"cifar100_test_12 what is no percentage"),
        (lambda rows: [*rows[:-1], rows[-1] | {"arch": "|conv~0|"}], r"line 15626, is damaged"),
        (lambda rows: [{"arch": "x"}], r"has no column cifar100_test_200, cifar100_valid_200, "),
    ],
)
def test_a_spoilt_csv_is_refused_and_the_table_stays(own, rows, tmp_path_factory, spoil, complaint):
    before = {file.name: file.read_bytes() for file in own.iterdir()}
    spoilt = write_csv(tmp_path_factory.mktemp("csv") / "spoilt.csv", spoil(rows))
    with pytest.raises(DataError, match=complaint):
        import_truth(spoilt, own)
    assert {file.name: file.read_bytes() for file in own.iterdir()} == before


def test_what_is_no_benchmark_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.pth does not exist: python -m benchmark data status"):
        import_truth(tmp_path / "nowhere.pth", tmp_path)
    (tmp_path / "x.tar").write_bytes(b"")
    with pytest.raises(DataError, match=r"x\.tar cannot be imported: give the \.pth file"):
        import_truth(tmp_path / "x.tar", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty lacks 15,625 of the 15,625 cells"):
        import_truth(tmp_path / "empty", tmp_path)


def test_a_lost_spoilt_or_stale_copy_is_made_anew(own):
    parquet, copy = own / "nasbench201.parquet", own / "nasbench201.safetensors"
    right = copy.read_bytes()
    flipped = bytearray(right)
    flipped[-1] ^= 1
    for content in (None, b"", b"nonsense", right[:-8], bytes(flipped)):
        copy.unlink()
        if content is not None:
            copy.write_bytes(content)
        columns, provenance = read_table(parquet)
        assert content_checksum(columns) == provenance.checksum
        with safetensors.safe_open(copy, "numpy") as file:
            np.testing.assert_array_equal(file.get_tensor("cifar10_test_200"), columns["cifar10_test_200"])
    other = {name: np.zeros(NUM_CELLS) for name in columns}
    write_table(parquet, other, TableProvenance("x", "x", "", content_checksum(other)))
    assert not read_table(parquet)[0]["cifar10_test_200"].any()


def test_a_folder_that_cannot_be_written_to_still_answers(own, monkeypatch):
    (own / "nasbench201.safetensors").unlink()

    def refuse(path, content):
        raise DataError("read-only")

    monkeypatch.setattr(nasbench201, "write_atomically", refuse)
    assert open_truth(str(own / "nasbench201.parquet"), own).columns


def test_a_damaged_parquet_file_is_not_believed(own):
    parquet = own / "nasbench201.parquet"
    content = bytearray(parquet.read_bytes())
    content[len(content) // 2] ^= 1
    for spoilt in (bytes(content), bytes(content[:-10]), b""):
        parquet.write_bytes(spoilt)
        with pytest.raises(DataError, match=r"nasbench201\.parquet (is damaged|does not hold).*data import FILE again"):
            open_truth(str(parquet), own)
        with pytest.raises(DataError, match=r"nasbench201\.parquet (is damaged|does not hold)"):
            open_truth(None, own).record(Cell.at(0))
        assert open_truth(None, own).query(Cell.at(0))["cifar10_test"] == 10


def test_opening_and_a_query_import_nothing_heavy_and_take_little_memory(tmp_path):
    """In a process of its own; the memory is that of the whole process, Python included. No clock is asked: what a
    query would be slow by is imports, and NumPy alone takes three times as long as Python."""
    script = (
        "import sys; from pathlib import Path; from data.truth import open_truth; from spaces import Cell\n"
        "before = {name.partition('.')[0] for name in sys.modules}\n"
        "truth = open_truth('nasbench201', Path(sys.argv[1]))\n"
        "print(truth.query(Cell((3,) * 6))['cifar10_test'], truth.record(Cell((3,) * 6)).measurements[0].rank)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names - before))\n"
        "print(*[name for name in before - sys.stdlib_module_names if not name.startswith('_')])\n"
        "status = Path('/proc/self/status'); lines = status.read_text().split('\\n') if status.exists() else []\n"
        "print(*[line.split()[1] for line in lines if line.startswith('VmHWM')])\n"
    )
    run = [sys.executable, "-c", script, str(tmp_path)]
    output = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    accuracies = open_truth(None, tmp_path).accuracies["cifar10_valid"]
    assert output[0] == f"93.76 {1 + (accuracies > accuracies[Cell((3,) * 6).position]).sum()}"
    assert output[1] == ""
    assert set(output[2].split()) <= {"data", "spaces"}
    if not output[3]:
        pytest.skip("this system does not tell a process its peak of memory")
    assert int(output[3]) < 24 * 1024


def test_the_query_command_imports_no_package(tmp_path):
    script = (
        "import sys; from benchmark.cli import main; main(['query', sys.argv[1], '--data-dir', sys.argv[2]])\n"
        "print({'numpy', 'msgspec', 'tomlkit', 'rich', 'pandas'} & set(sys.modules), file=sys.stderr)"
    )
    run = [sys.executable, "-c", script, str(Cell((3,) * 6)), str(tmp_path)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "93.760 %" in done.stdout and done.stderr == "set()\n"


def small_table(values):
    """A table whose first cells have the values given and all others 1."""
    accuracies = np.ones(NUM_CELLS)
    accuracies[: len(values)] = values
    return TruthTable("small", "by hand", None, {"cifar10_test": Floats(accuracies)})


def test_rank_regret_mean_and_quantiles_of_a_table_by_hand():
    table = small_table([90.0, 94.0, 90.0, 50.0, 0.5])
    ranks = [table.rank(Cell.at(position), "cifar10_test") for position in range(6)]
    assert ranks == [2, 1, 2, 4, NUM_CELLS, 5]
    assert [table.regret(Cell.at(position), "cifar10_test") for position in (1, 0, 4)] == [0.0, 4.0, 93.5]
    assert table.mean("cifar10_test") == pytest.approx(1 + (89 + 93 + 89 + 49 - 0.5) / NUM_CELLS)
    assert table.quantiles("cifar10_test", [0, 0.5, 1]).tolist() == [0.5, 1.0, 94.0]
    assert table.query(Cell.at(3)) == {"cifar10_test": 50.0}
    record = table.record(Cell.at(0))
    (entry,) = record.measurements
    assert (entry.epochs, entry.accuracy, entry.rank, entry.regret, entry.runs) == (None, 90.0, 2, 4.0, {})
    assert (record.index, record.params, record.flops_m, entry.train_seconds) == (None, None, None, None)


def test_a_metric_that_the_table_lacks_is_named():
    with pytest.raises(DataError, match="small has no 'cifar100_test'; it has cifar10_test"):
        small_table([]).rank(Cell.at(0), "cifar100_test")


def test_filling_a_cell_twice_is_refused():
    measurements = Measurements()
    measurements.add(Cell.at(5), {accuracy_column("cifar10_test"): 50.0})
    with pytest.raises(DataError, match="twice"):
        measurements.add(Cell.at(5), {})
    assert measurements.columns["cifar10_test_200"][5] == 50.0


@pytest.fixture(scope="module")
def published():
    return open_truth(None, Path("nowhere"))


def by_index(truth, index):
    return Cell.at(int(np.flatnonzero(truth.columns["index"].array() == index)[0]))


def test_the_best_cells_are_the_known_ones(published):
    known = {
        "cifar10_valid": (6111, 91.6067),
        "cifar10_test": (6111, 94.3733),
        "cifar100_valid": (9930, 73.4933),
        "cifar100_test": (9930, 73.5133),
        "imagenet16-120_valid": (10676, 46.7333),
        "imagenet16-120_test": (857, 47.3111),
    }
    for metric, (index, accuracy) in known.items():
        cell = by_index(published, index)
        assert published.query(cell)[metric] == pytest.approx(accuracy, abs=5e-5)
        assert published.rank(cell, metric) == 1 and published.regret(cell, metric) == 0


@pytest.mark.parametrize(
    ("operation", "index", "accuracies"),
    [
        (3, 1462, (90.199, 93.760, 70.707, 71.107, 40.778, 41.444)),
        (1, 1835, (39.769, 54.297, 15.033, 15.607, 16.433, 16.322)),
        (0, None, (9.712, 10, 1, 1, 0.833, 0.833)),
    ],
)
def test_cells_of_one_operation_have_their_known_accuracies(published, operation, index, accuracies):
    cell = Cell((operation,) * 6)
    assert list(published.query(cell).values()) == pytest.approx(accuracies, abs=5e-4)
    assert index is None or by_index(published, index) == cell
