"""Truth tables and pickles from nobody knows where: refused in one sentence, nothing run, nothing damaged."""

import bz2
import collections
import csv
import io
import json
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile import answer, contents, damaged
from pyarrow import parquet

from data import IMPORTED
from data.columns import content_checksum
from data.metrics import METRICS, accuracy_column
from data.nasbench201 import TableProvenance, read_table, write_table
from spaces import Cell
from spaces.nasbench201.cell import NUM_CELLS

ROOT = Path(__file__).parents[1]
CELLS = random.Random(0).sample(list(Cell.all()), 12)
TEXT = str(CELLS[0])


@pytest.fixture(scope="module")
def columns():
    numbers = np.random.default_rng(0)
    return {accuracy_column(metric): numbers.uniform(0, 100, NUM_CELLS).round(2) for metric in METRICS} | {
        "index": np.arange(NUM_CELLS, dtype=float),
        "params": np.full(NUM_CELLS, 73_306.0),
    }


@pytest.fixture(scope="module")
def good(columns, tmp_path_factory):
    """A data folder with a good table in it."""
    folder = tmp_path_factory.mktemp("good")
    write_table(folder / IMPORTED, columns, TableProvenance("x", "x", "", content_checksum(columns)))
    read_table(folder / IMPORTED)
    assert len(contents(folder)) == 2
    return folder


@pytest.fixture(scope="module")
def imported(good):
    """`imported(file)`: it is refused, and the table that was there before stays as it was."""
    before = contents(good)

    def check(path):
        code, said = answer("data", "import", str(path), "--data-dir", str(good))
        assert code == 2, said
        assert contents(good) == before
        return said

    return check


def csv_of(columns, positions):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["index", "arch", *(name.replace("-120", "") for name in columns if name != "index")])
    for position in positions:
        numbers = [repr(float(values[position])) for name, values in columns.items() if name != "index"]
        writer.writerow([position, str(Cell.at(position)), *numbers])
    return text.getvalue().encode()


def test_damaged_csvs_are_refused(columns, imported, tmp_path):
    path = tmp_path / "table.csv"
    for content in damaged(csv_of(columns, range(40)), 120):
        path.write_bytes(content)
        imported(path)


def test_a_damaged_csv_of_all_cells_is_imported_or_refused(columns, good, tmp_path):
    """Where only a digit differs nobody can tell; a refused one changes nothing, whatever it fails at."""
    whole = csv_of(columns, range(NUM_CELLS))
    path, folder = tmp_path / "table.csv", tmp_path / "data"
    spoilt = [
        *damaged(whole, 4, seed=1),
        whole.replace(b",73306.0", b",1e300", 1),
        whole.replace(b",73306.0", b",0.5", 1),
        whole.replace(b",73306.0", b",inf", 1),
        whole.replace(b"\r\n0,", b"\r\n-1,", 1),
        whole + b"7\r\n",
    ]
    refused = 0
    for content in spoilt:
        write_table(folder / IMPORTED, columns, TableProvenance("x", "x", "", content_checksum(columns)))
        before = contents(folder)
        path.write_bytes(content)
        code, _ = answer("data", "import", str(path), "--data-dir", str(folder))
        if code == 2:
            refused += 1
            assert contents(folder) == before
        else:
            assert sorted(contents(folder)) == [IMPORTED, IMPORTED.replace(".parquet", ".safetensors")]
            (folder / IMPORTED.replace(".parquet", ".safetensors")).unlink()
    assert refused >= 5


def state(index, cell, epochs):
    """One training of a cell as the releases have it, with all kinds of things that they hold."""
    sets = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
    runs = collections.OrderedDict()
    for data_set in sets:
        curve = collections.OrderedDict((epoch, epoch / 7) for epoch in range(epochs))
        names = [f"{name}@{epochs - 1}" for name in ("x-valid", "x-test", "ori-test")]
        runs[data_set, 777] = {
            "epochs": epochs,
            "train_times": curve,
            "eval_acc1es": dict.fromkeys(names, 50.5),
            "params": np.float64(0.073306),
            "flop": 7.8,
        }
    seeds = {data_set: [777] for data_set in sets}
    return {"arch_index": index, "arch_str": str(cell), "all_results": runs, "dataset_seed": seeds}


def release():
    cells = list(enumerate(CELLS[:2]))
    infos = {index: {"full": state(index, cell, 200), "less": state(index, cell, 12)} for index, cell in cells}
    return {"meta_archs": [str(cell) for _, cell in cells], "arch2infos": infos, "evaluated_indexes": {0, 1}}


@pytest.mark.parametrize("zipped", [False, True])
def test_damaged_pth_files_are_refused(imported, tmp_path, zipped):
    path = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    torch.save(release(), path, _use_new_zipfile_serialization=zipped)
    assert "lacks 15,623" in imported(path)
    for content in damaged(path.read_bytes(), 100, seed=zipped):
        path.write_bytes(content)
        imported(path)


def pbz2(path, thing):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bz2.compress(thing if isinstance(thing, bytes) else pickle.dumps(thing, 4), 1))


@pytest.mark.parametrize("packed", [False, True])
def test_damaged_files_of_the_nats_folder_are_refused(imported, tmp_path, packed):
    folder = tmp_path / "NATS-tss-v1_0-3ffb9-simple"
    content = pickle.dumps({"12": state(0, CELLS[0], 12), "200": state(0, CELLS[0], 200)}, 4)
    pbz2(folder / "000000.pickle.pbz2", content)
    assert "lacks 15,624" in imported(folder)
    for spoilt in damaged(bz2.compress(content) if packed else content, 100, seed=packed):
        (folder / "000000.pickle.pbz2").write_bytes(spoilt if packed else bz2.compress(spoilt, 1))
        imported(folder)


def odd_states():
    """Records of the right layout but for one thing, which is something else."""
    endless = ["x"]
    for _ in range(60):
        endless = [endless, endless]  # 2⁶⁰ texts, to whoever writes them down
    for odd in (None, True, -1, 2**2000, "x", "9" * 5000, 1e308, float("nan"), [], {}, (1,), b"x", endless):
        for key in ("arch_index", "arch_str", "all_results", "dataset_seed"):
            yield state(0, CELLS[0], 200) | {key: odd}
        for key in ("epochs", "train_times", "eval_acc1es", "params", "flop"):
            spoilt = state(0, CELLS[0], 200)
            spoilt["all_results"]["cifar10", 777][key] = odd
            yield spoilt
        spoilt = state(0, CELLS[0], 200)
        spoilt["all_results"]["cifar10", 777]["train_times"][3] = odd
        yield spoilt
        spoilt = state(0, CELLS[0], 200)
        spoilt["all_results"]["cifar10", 777]["eval_acc1es"]["ori-test@199"] = odd
        yield spoilt
        yield state(0, CELLS[0], 200) | {"dataset_seed": {"cifar10": [odd]}}


def test_records_with_something_else_in_a_place_are_refused(imported, tmp_path):
    folder = tmp_path / "NATS"
    for spoilt in odd_states():
        pbz2(folder / "000000.pickle.pbz2", {"200": spoilt})
        imported(folder)


@pytest.fixture
def own(good, tmp_path):
    for name, content in contents(good).items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_damaged_parquet_files_are_refused_and_stay_as_they_are(own):
    path = own / IMPORTED
    (own / IMPORTED.replace(".parquet", ".safetensors")).unlink()
    content = path.read_bytes()
    head = len(content) - 6_000  # the description of the columns stands at the end
    spoilt = [*damaged(content, 40, seed=1), *(content[:head] + end for end in damaged(content[head:], 80, seed=2))]
    for one in spoilt:
        path.write_bytes(one)
        code, said = answer("query", TEXT, "--truth", str(path), "--data-dir", str(own))
        if code == 2:
            assert "nasbench201.parquet is damaged or not ours" in said
            assert list(contents(own)) == [IMPORTED]
        else:  # where the damage does not count, as in a statistic
            (own / IMPORTED.replace(".parquet", ".safetensors")).unlink()
        assert path.read_bytes() == one


def test_parquet_files_of_another_content_are_refused(own, columns):
    """Everything fits, checksum and all, but it is no table of the space."""
    import pyarrow

    path = own / IMPORTED
    (own / IMPORTED.replace(".parquet", ".safetensors")).unlink()
    good = TableProvenance("x", "x", "", content_checksum(columns))

    def save(columns, metadata, **options):
        table = pyarrow.table(columns).replace_schema_metadata(metadata)
        parquet.write_table(table, path, **options)

    def described(columns):
        checksum = content_checksum({name: np.asarray(values, float) for name, values in columns.items()})
        return {b"replica-201": json.dumps(vars(good) | {"checksum": checksum})}

    short = {name: values[:10] for name, values in columns.items()}
    lacking = {name: values for name, values in columns.items() if name != accuracy_column("cifar100_test")}
    many = columns | {f"x{number}": columns["index"] for number in range(300)}
    zeros = pyarrow.array(np.zeros(50_000_000))
    cases = [
        (short, described(short), {}),
        (lacking, described(lacking), {}),
        (many, described(many), {}),
        ({"index": np.zeros(0)}, {}, {}),
        (columns, {b"replica-201": "[" * 100_000}, {}),
        (columns, {b"replica-201": "{}"}, {}),
        (columns, {b"replica-201": '{"source": 1, "release": [], "source_md5": {}, "checksum": null}'}, {}),
        (columns, {b"replica-201": b"\xff"}, {}),
        (columns, None, {}),
        (columns, described(columns), {"row_group_size": 1000}),
        (columns | {"params": ["x"] * NUM_CELLS}, described(columns), {}),
        (columns | {"params": [[1.0]] * NUM_CELLS}, described(columns), {}),
        ({"cifar10_test_200": zeros}, {}, {"row_group_size": 100_000_000}),  # 400 MB of zeros in some bytes
    ]
    for spoilt, metadata, options in cases:
        save(spoilt, metadata, **options)
        for truth in ("nasbench201", str(path)):  # which shows what an import adds
            code, said = answer("query", TEXT, "--truth", truth, "--data-dir", str(own))
            assert code == 2 and "is damaged or not ours" in said
        assert list(contents(own)) == [IMPORTED]


def test_a_damaged_copy_is_never_believed(own):
    copy = own / IMPORTED.replace(".parquet", ".safetensors")
    content = copy.read_bytes()
    query = ("query", TEXT, "--truth", str(own / IMPORTED))
    right, table = answer(*query), (own / IMPORTED).read_bytes()
    for one in (*damaged(content, 40), *(end + content[1_000:] for end in damaged(content[:1_000], 60))):
        copy.write_bytes(one)
        assert answer(*query) == right
        assert (own / IMPORTED).read_bytes() == table and len(contents(own)) == 2


def test_what_is_no_file_is_refused(imported, tmp_path):
    for path in ("/dev/zero", "/dev/null", "/proc/self/mem", "", "x" * 5000, "a\nb.csv", tmp_path, tmp_path / "no.pth"):
        imported(path)
    for name in ("link.pth", "link.csv"):
        (tmp_path / name).symlink_to(tmp_path / name)
        imported(tmp_path / name)
    (tmp_path / "folder.csv").mkdir()
    imported(tmp_path / "folder.csv")
    (tmp_path / "000000.pickle.pbz2").mkdir()
    imported(tmp_path)
