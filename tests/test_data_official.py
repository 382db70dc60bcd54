"""Files in the official formats, written by the official packages' own classes, against the official API's answers."""

import bz2
import collections
import os
import pickle
import random
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data import nasbench201
from data.folder import DataError, checksum
from data.metrics import FLOPS, IMAGES, INDEX, METRICS, PARAMS, accuracy_column, runs_column, seconds_column
from data.nasbench201 import import_truth
from data.official import ADMITTED, EVALUATED, read_nats, read_pth
from data.official_api import read_api
from data.pickle_stream import PickleStream
from data.truth import open_truth
from spaces import Cell
from spaces.nasbench201.cell import NUM_CELLS

nas_201_api = pytest.importorskip("nas_201_api", reason="the package nas-bench-201 is not installed")
nats_bench = pytest.importorskip("nats_bench", reason="the package nats-bench is not installed")

CELLS = random.Random(0).sample(list(Cell.all()), 24)
SETS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}
SEEDS = ((777, 888, 999), (777, 888), (888,))  # as many runs as the release has of one cell or another
ASKED = {  # what a published table calls the metric, and how the official API is asked for it
    "cifar10_valid": ("cifar10-valid", "valid-accuracy"),
    "cifar10_test": ("cifar10", "test-accuracy"),
    "cifar100_valid": ("cifar100", "valid-accuracy"),
    "cifar100_test": ("cifar100", "test-accuracy"),
    "imagenet16-120_valid": ("ImageNet16-120", "valid-accuracy"),
    "imagenet16-120_test": ("ImageNet16-120", "test-accuracy"),
}


def one_run(package, data_set, cell, seed, epochs, numbers):
    def curve():
        return collections.OrderedDict(enumerate(numbers.uniform(0, 100, epochs).tolist()))

    classes = {"cifar100": 100, "ImageNet16-120": 120}.get(data_set, 10)
    arch = {"channel": 16, "num_cells": 5, "arch_str": str(cell), "class_num": classes}
    params, flops = np.float64(cell.position / 1e6), float(numbers.uniform(1, 200))
    run = package.ResultsCount(data_set, None, curve(), curve(), params, flops, arch, seed, epochs, None)
    run.update_train_info(curve(), curve(), curve(), curve())
    names = [f"{name}@{epoch}" for name in SETS[data_set] for epoch in range(epochs)]
    drawn = numbers.uniform(0, 100, (3, len(names))).tolist()
    run.update_eval(*(dict(zip(names, row, strict=True)) for row in drawn))
    run.update_latency([0.01, 0.02])
    return run


def results(package, index, cell, epochs, seeds, data_sets=tuple(SETS)):
    numbers = np.random.default_rng([index, epochs])
    state = package.ArchResults(index, str(cell))
    for data_set in data_sets:
        flops = None
        for seed in seeds:
            run = one_run(package, data_set, cell, seed, epochs, numbers)
            flops = run.flop = flops or run.flop  # the runs of one network cost the same
            state.update(data_set, seed, run)
    state.clear_params()
    return state.state_dict()


def benchmark(**less):
    """The dict that the official `.pth` file is."""
    package = nas_201_api
    infos = {
        index: {
            "full": results(package, index, cell, 200, SEEDS[index % 3]),
            "less": results(package, index, cell, 12, (111, 777), **less),
        }
        for index, cell in enumerate(CELLS)
    }
    names = [str(cell) for cell in CELLS]
    return {"meta_archs": names, "arch2infos": infos, "evaluated_indexes": set(range(len(CELLS)))}


@pytest.fixture(scope="module")
def content():
    return benchmark()


@pytest.fixture(scope="module")
def official(content):
    return nas_201_api.NASBench201API(content, verbose=False)


@pytest.fixture(scope="module")
def pth(content, tmp_path_factory):
    """The file in the form that the official one has."""
    path = tmp_path_factory.mktemp("official") / "NAS-Bench-201-v1_1-096897.pth"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def compare(measurements, official):
    """That every number of the table is the official API's, with nothing missing and nothing besides."""
    compared = set()

    def equal(column, cell, expected):
        assert measurements.columns[column][cell.position] == expected, column
        compared.add((column, cell.position))

    for index, cell in enumerate(CELLS):
        equal(INDEX, cell, official.query_index_by_arch(str(cell)))
        for epochs in (12, 200):
            for metric, (data_set, answer) in ASKED.items():
                info = official.get_more_info(index, data_set, hp=str(epochs), is_random=False)
                equal(accuracy_column(metric, epochs), cell, info[answer])
                for seed in official.arch2infos_dict[index][str(epochs)].get_dataset_seeds(data_set):
                    run = official.get_more_info(index, data_set, hp=str(epochs), is_random=seed)
                    equal(accuracy_column(metric, epochs, seed), cell, run[answer])
                training = data_set.replace("ImageNet", "imagenet")
                equal(seconds_column(training, epochs), cell, info["train-all-time"])
                seeds = official.arch2infos_dict[index][str(epochs)].get_dataset_seeds(data_set)
                equal(runs_column(training, epochs), cell, len(seeds))
        costs = official.get_cost_info(index, "cifar10", hp="200")
        assert measurements.columns[PARAMS][cell.position] == cell.position
        assert costs["params"] == pytest.approx(cell.position / 1e6, abs=1e-12)
        compared.add((PARAMS, cell.position))
        equal(FLOPS, cell, costs["flops"])
    measured = {
        (name, int(at)) for name, values in measurements.columns.items() for at in np.flatnonzero(values == values)
    }
    assert measured == compared


def test_every_number_of_the_pth_file_is_the_official_apis(pth, official):
    seen = []
    compare(read_pth(pth, lambda *news: seen.append(news)), official)
    assert len(seen) == len(CELLS)
    assert all(what == f"reading {pth.name}" and 0 < done <= total == pth.stat().st_size for what, done, total in seen)


def test_a_file_of_todays_pytorch_reads_the_same(content, official, tmp_path):
    torch.save(content, tmp_path / "new.pth")
    compare(read_pth(tmp_path / "new.pth", None), official)


def test_what_torch_load_refuses_by_default_is_read(pth):
    with pytest.raises(pickle.UnpicklingError, match=r"[Ww]eights.only"):
        torch.load(pth)
    assert np.isfinite(read_pth(pth, None).columns[INDEX]).sum() == len(CELLS)


def test_the_package_itself_answers_the_same(pth, official):
    """All that `--truth api:FILE` asks; of a file in the form of the official one, which PyTorch would not open."""
    compare(read_api(pth), official)


def test_numbers_are_read_under_numpys_older_name_too(pth, official, tmp_path):
    """The official files were written before NumPy 2."""
    content = pth.read_bytes()
    assert b"cnumpy._core.multiarray\nscalar\n" in content
    older = tmp_path / "older.pth"
    older.write_bytes(content.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    compare(read_api(older), official)
    compare(read_pth(older, None), official)


@pytest.mark.parametrize("zipped", [False, True])
def test_the_package_is_given_no_pickle_to_run(tmp_path, zipped):
    bad = {"meta_archs": Command(f"touch {tmp_path / 'ran'}"), "arch2infos": {}, "evaluated_indexes": []}
    torch.save(bad, tmp_path / "bad.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match=r"bad\.pth holds what has no place in NAS-Bench-201.*do not trust it"):
        read_api(tmp_path / "bad.pth")
    assert not (tmp_path / "ran").exists()


def test_what_the_package_cannot_answer_from_is_refused(tmp_path, monkeypatch):
    for content, complaint in ((b"", "cannot answer from"), (b"nonsense", r"(cannot answer from|has no place)")):
        (tmp_path / "x.pth").write_bytes(content)
        with pytest.raises(DataError, match=complaint):
            read_api(tmp_path / "x.pth")
    torch.save({"meta_archs": [str(CELLS[0])], "arch2infos": {}, "evaluated_indexes": []}, tmp_path / "x.pth")
    with pytest.raises(DataError, match=r"nas-bench-201 cannot answer from .*x\.pth"):
        read_api(tmp_path / "x.pth")
    with pytest.raises(DataError, match=r"no\.pth does not exist"):
        read_api(tmp_path / "no.pth")
    monkeypatch.setitem(sys.modules, "nas_201_api", None)
    with pytest.raises(DataError, match=r"is not installed: run pip install 'replica-201\[api\]'"):
        read_api(tmp_path / "x.pth")


def test_v1_0_has_the_12_epochs_for_cifar10_alone(tmp_path):
    torch.save(benchmark(data_sets=("cifar10-valid",)), tmp_path / "v1_0.pth", _use_new_zipfile_serialization=False)
    columns = read_pth(tmp_path / "v1_0.pth", None).columns
    assert {name for name in columns if "_12" in name and "seed" not in name} == {
        "cifar10_valid_12",
        "runs_cifar10-valid_12",
        "train_seconds_cifar10-valid_12",
    }
    assert set(columns) >= {accuracy_column(metric) for metric in METRICS}


@pytest.fixture(scope="module")
def nats(tmp_path_factory):
    folder = tmp_path_factory.mktemp("official") / "NATS-tss-v1_0-3ffb9-simple"
    folder.mkdir()
    package = nats_bench.api_utils
    names = [str(cell) for cell in CELLS]
    with bz2.open(folder / "meta.pickle.pbz2", "wb") as file:
        pickle.dump({"meta_archs": names, "total_archs": len(names), "evaluated_indexes": set(range(len(names)))}, file)
    for index, cell in enumerate(CELLS):
        states = {
            "12": results(package, index, cell, 12, (111, 777)),
            "200": results(package, index, cell, 200, SEEDS[index % 3]),
        }
        with bz2.open(folder / f"{index:06d}.pickle.pbz2", "wb", compresslevel=1) as file:
            pickle.dump(states, file)
    return folder


def test_every_number_of_the_nats_folder_is_the_official_apis(nats):
    seen = []
    measurements = read_nats(nats, lambda *news: seen.append(news))
    compare(measurements, nats_bench.create(str(nats), "tss", fast_mode=True, verbose=False))
    assert [done for _, done, _ in seen] == list(range(1, len(CELLS) + 1))


def test_contradicting_costs_are_mended_as_nats_bench_does(tmp_path):
    """Some published runs of one network disagree on its operations; the package then takes those of seed 888."""
    package, cell = nats_bench.api_utils, CELLS[0]
    state = results(package, 0, cell, 200, (777, 888, 999))
    state["all_results"]["cifar10", 777]["flop"] = 1.0
    for name, content in (("000000", {"200": state}), ("meta", {"meta_archs": [str(cell)]})):
        with bz2.open(tmp_path / f"{name}.pickle.pbz2", "wb") as file:
            pickle.dump(content, file)
    official = nats_bench.create(str(tmp_path), "tss", fast_mode=True, verbose=False)
    expected = official.get_cost_info(0, "cifar10", hp="200")["flops"]
    assert read_nats(tmp_path, None).columns[FLOPS][cell.position] == expected != 1.0


@pytest.mark.parametrize("source", ["pth", "nats"])
def test_a_part_of_the_benchmark_is_refused_with_the_number_missing(source, request, tmp_path):
    path = request.getfixturevalue(source)
    with pytest.raises(DataError, match=r"lacks 15,601 of the 15,625 cells.*was not imported"):
        import_truth(path, tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A file of all cells, each with one run of which only what counts is there; and the accuracies in it."""
    images = np.array(list(IMAGES.values()))
    accuracies = 100 * np.random.default_rng(2).integers(0, images, (NUM_CELLS, 6)) / images
    infos = {}
    for index, cell in enumerate(Cell.all()):
        runs = {(data_set, 777): {"epochs": 200, "eval_acc1es": {}, "train_times": None} for data_set in SETS}
        runs["cifar10", 777] |= {"params": 0.07, "flop": 7.8}
        for (data_set, evaluated), accuracy in zip(EVALUATED.values(), accuracies[index].tolist(), strict=True):
            runs[data_set, 777]["eval_acc1es"][f"{evaluated}@199"] = accuracy
        seeds = {data_set: [777] for data_set in SETS}
        full = {"arch_index": index, "arch_str": str(cell), "all_results": runs, "dataset_seed": seeds}
        infos[index] = {"full": full, "less": full | {"all_results": {}, "dataset_seed": {}}}
    path = tmp_path_factory.mktemp("whole") / "NAS-Bench-201-v1_1-096897.pth"
    torch.save({"arch2infos": infos}, path, _use_new_zipfile_serialization=False)
    return path, accuracies


def test_a_whole_file_becomes_the_truth(whole, tmp_path, monkeypatch):
    path, accuracies = whole
    monkeypatch.setattr(nasbench201, "OFFICIAL", {checksum(path, "md5")[-6:]: "v9.9"})
    truth = open_truth(str(import_truth(path, tmp_path)), tmp_path)
    np.testing.assert_array_equal(np.stack([truth.accuracies[metric] for metric in METRICS], axis=1), accuracies)
    assert truth.label.startswith("NAS-Bench-201 (file v9.9): ")


class Command:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_command_in_a_pth_file_is_refused_by_name_and_not_run(tmp_path, zipped):
    bad = {"meta_archs": Command(f"touch {tmp_path / 'ran'}"), "arch2infos": {}, "evaluated_indexes": []}
    torch.save(bad, tmp_path / "bad.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match=r"bad\.pth asks for (posix|nt)\.system.*do not trust it"):
        read_pth(tmp_path / "bad.pth", None)
    assert not (tmp_path / "ran").exists()


def test_a_command_in_the_nats_folder_is_refused_by_name_and_not_run(tmp_path):
    with bz2.open(tmp_path / "000000.pickle.pbz2", "wb") as file:
        pickle.dump({"200": Command(f"touch {tmp_path / 'ran'}")}, file)
    with pytest.raises(DataError, match=r"000000\.pickle\.pbz2 asks for (posix|nt)\.system"):
        read_nats(tmp_path, None)
    assert not (tmp_path / "ran").exists()


def test_tensors_have_no_place_in_the_file(tmp_path):
    for zipped in (False, True):
        torch.save({"arch2infos": torch.ones(3)}, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
        with pytest.raises(DataError, match=r"x\.pth asks for torch\._utils\._rebuild_tensor"):
            read_pth(tmp_path / "x.pth", None)


@pytest.mark.parametrize("keep", [0, 1, 1000, 100_000, -1])
def test_a_truncated_file_is_called_damaged(pth, tmp_path, keep):
    (tmp_path / "cut.pth").write_bytes(pth.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"cut\.pth is (damaged|empty).*get the"):
        read_pth(tmp_path / "cut.pth", None)


def test_other_content_is_said_not_to_be_the_benchmark(tmp_path):
    torch.save({"weights": [1, 2]}, tmp_path / "net.pth")
    with pytest.raises(DataError, match=r"net\.pth is not NAS-Bench-201's file"):
        read_pth(tmp_path / "net.pth", None)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda less: less.update(arch_str=str(CELLS[1])),
        lambda less: less.update(arch_str="|none~0|+|none~0|none~9|"),
        lambda less: less["all_results"].clear(),
        lambda less: less["all_results"]["cifar10", 777].update(epochs=200),
        lambda less: less["all_results"]["cifar10", 777]["eval_acc1es"].pop("ori-test@11"),
        lambda less: less.pop("dataset_seed"),
    ],
)
def test_a_record_of_another_form_is_refused(tmp_path, spoil):
    less = results(nas_201_api, 0, CELLS[0], 12, (777, 888))
    spoil(less)
    full = results(nas_201_api, 0, CELLS[0], 200, (777,))
    torch.save({"arch2infos": {0: {"full": full, "less": less}}}, tmp_path / "odd.pth")
    with pytest.raises(DataError, match=r"odd\.pth (mixes the cells|is not laid out as the release is)"):
        read_pth(tmp_path / "odd.pth", None)


def test_a_cell_twice_is_refused(tmp_path):
    record = {name: results(nas_201_api, 0, CELLS[0], e, (777,)) for name, e in (("full", 200), ("less", 12))}
    torch.save({"arch2infos": {0: record, 1: pickle.loads(pickle.dumps(record))}}, tmp_path / "twice.pth")
    with pytest.raises(DataError, match="twice"):
        read_pth(tmp_path / "twice.pth", None)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.tuples(inner, inner, inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.text(), st.integers()), inner)
        | st.dictionaries(st.integers(0, 300), st.floats(allow_nan=False)).map(collections.OrderedDict)
        | st.frozensets(st.integers()).map(set)
    ),
)


@settings(max_examples=60, deadline=None)
@given(values, values)
def test_the_stream_reads_what_pickle_reads(one, other):
    shared = [one, {"again": one}, one]
    stream = PickleStream(pickle.dumps(shared, 2) + pickle.dumps(other, 2), "x", ADMITTED)
    first = stream.load()
    assert first == shared
    if isinstance(one, list | dict | set):  # pickle remembers containers; equal numbers may come back as two objects
        assert first[0] is first[1]["again"] is first[2]
    assert stream.load() == other


def curves(count, epochs=200):
    """Records as the release has them: integer keys, then three dicts over the same texts."""
    numbers = np.random.default_rng(1)
    for _ in range(count):
        names = [f"x-valid@{epoch}" for epoch in range(epochs)]
        record = {"train": dict(enumerate(numbers.random(epochs).tolist()))}
        for kind in ("accuracy", "loss", "time"):
            record[kind] = dict(zip(names, numbers.random(epochs).tolist(), strict=True))
        yield record | {"done": True}


def test_records_are_handed_out_whole_and_in_order():
    records, taken = list(curves(20)), []

    def take(target):
        if "done" not in target:
            return False
        taken.append(dict(target))
        target.clear()
        return True

    assert PickleStream(pickle.dumps({"all": records}, 2), "x", {}, take).load() == {"all": [{}] * 20}
    assert taken == records


def test_a_reference_to_what_was_forgotten_is_refused_not_guessed():
    shared = {"done": True, "inner": dict.fromkeys(range(50), 1.0)}
    content = pickle.dumps([shared, {"late": shared["inner"]}], 2)
    with pytest.raises(DataError, match="shares data between records"):
        PickleStream(content, "x", {}, lambda target: "done" in target).load()


def test_calling_anything_but_an_admitted_name_is_refused():
    with pytest.raises(DataError, match="calls what is no class of it"):
        PickleStream(b"\x80\x02X\x01\x00\x00\x00x)R.", "x", ADMITTED).load()


def test_small_settings_may_be_shared_by_records():
    settings_of_all = {"channel": 16}
    records = [{"done": True, "settings": settings_of_all} for _ in range(3)]
    assert PickleStream(pickle.dumps(records, 2), "x", {}, lambda target: "done" in target).load() == records
