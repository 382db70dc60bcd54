"""`benchmark speed` through the command line, and what its floor counts. No test asks how fast anything is."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmark.cli import main
from benchmark.speed import take_turns
from benchmark.speed_floor import MIXTURE, Network, Passes, Probe, in_path, mean_path, passes, work
from benchmark.speed_rows import STEPS, Timing, compare, read_rows, write_rows
from benchmark.speed_steps import LiveTensors, device_name
from methods.single_path import sample_cell
from spaces import NASBENCH201, Cell
from spaces.nasbench201.cell import OPERATIONS

CPU = torch.device("cpu")
HEADER = "device,size,step,implementation,ms,times_faster_than_reference,times_floor,peak_mb"
SHORT = ["speed", "--device", "cpu", "--sizes", "mini", "--steps", "darts", "--rounds", "1"]
SMALL = Network(channels=4, cells_per_stage=2, classes=10, resolution=8, batch_size=3)
PAPER = Network(channels=16, cells_per_stage=5, classes=10, resolution=32, batch_size=64)


def a_row(**changes) -> Timing:
    row = {
        "device": device_name(CPU),
        "size": "mini",
        "step": "darts",
        "implementation": "ours",
        "ms": 10.0,
        "times_faster_than_reference": 4.0,
        "times_floor": 5.0,
        "peak_mb": 6.0,
    }
    return Timing(**(row | changes))


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    """What the shortest command writes."""
    out = tmp_path_factory.mktemp("speed") / "new folder" / "speed.csv"
    assert main([*SHORT, "--out", str(out)]) == 0
    return out


def test_without_a_reference_its_columns_stay_empty(measured):
    lines = measured.read_text().splitlines()
    assert lines[0] == HEADER
    (row,) = csv.DictReader(lines)
    assert (row["size"], row["step"], row["implementation"]) == ("mini", "darts", "ours")
    assert row["device"] == device_name(CPU)
    assert row["times_faster_than_reference"] == ""
    assert all(float(row[name]) > 0 for name in ("ms", "times_floor", "peak_mb"))


def test_every_step_beside_the_reference(tmp_path, capsys):
    pytest.importorskip("xautodl", reason="the reference is not installed: pip install --no-deps xautodl==1.0.0")
    out = tmp_path / "speed.csv"
    steps = ["--steps", ",".join(STEPS), "--against", "xautodl"]
    assert main([*SHORT, *steps, "--out", str(out)]) == 0
    rows = read_rows(out)
    assert [(row.step, row.implementation) for row in rows] == [
        (step, name) for step in STEPS for name in ("xautodl", "ours")
    ]
    for row in rows:
        assert row.times_faster_than_reference > 0
        assert row.times_faster_than_reference == 1 or row.implementation == "ours"
        assert row.times_floor > 0
        assert row.peak_mb > 0
    printed = capsys.readouterr().out
    assert "× faster than xautodl" in printed
    assert all(f"| mini | {step:<11} | {name:<14} |" in printed for step in STEPS for name in ("xautodl", "ours"))


def test_a_new_row_replaces_its_older_one_and_leaves_others(tmp_path):
    out = tmp_path / "speed.csv"
    others = [a_row(device="another"), a_row(size="paper"), a_row(step="pt-eval", times_faster_than_reference=None)]
    write_rows(out, [*others, a_row(), a_row(implementation="xautodl")])
    assert main([*SHORT, "--out", str(out)]) == 0
    *kept, new = read_rows(out)
    assert kept == others
    assert new.measured == a_row().measured
    assert new.times_faster_than_reference is None


@pytest.mark.parametrize(("recorded", "verdict", "code"), [(0.01, "worse", 1), (1e6, "better", 0)])
def test_a_check_compares_with_the_recorded_ratios(tmp_path, capsys, recorded, verdict, code):
    file = tmp_path / "recorded.csv"
    write_rows(file, [a_row(times_floor=recorded), a_row(implementation="xautodl", times_floor=1.0)])
    assert main([*SHORT, "--steps", "darts,pt-eval", "--check", str(file)]) == code
    printed = capsys.readouterr().out
    assert f"| mini | darts | × floor | {verdict}" in printed
    assert "× faster |" not in printed  # no reference was asked for
    assert "Not recorded: mini pt-eval" in printed


@pytest.mark.parametrize(
    ("faster", "floor", "verdicts"),
    [
        (4.0, 5.0, ["within", "within"]),
        (3.21, 6.24, ["within", "within"]),
        (3.19, 6.26, ["worse", "worse"]),
        (4.99, 4.01, ["within", "within"]),
        (5.01, 3.99, ["better", "better"]),
        (None, 6.26, ["worse"]),
    ],
)
def test_a_ratio_may_be_a_quarter_worse(faster, floor, verdicts):
    now = [a_row(implementation="xautodl"), a_row(times_faster_than_reference=faster, times_floor=floor)]
    recorded = {a_row().measured: a_row()}
    assert [comparison.verdict for comparison in compare(now, recorded)] == verdicts
    assert compare(now, {}) == []


def test_rows_are_read_as_they_were_written(tmp_path):
    rows = [a_row(), a_row(device="a, b", times_faster_than_reference=None)]
    write_rows(tmp_path / "speed.csv", rows)
    assert read_rows(tmp_path / "speed.csv") == rows


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sizes", "huge"], "--sizes 'huge' is unknown; choose from paper, proxy, mini"),
        (["--sizes", "mini,mini"], "name one or more, each once, of"),
        (["--steps", "darts,walk"], "--steps 'walk' is unknown; choose from darts, darts2, single-path, pt-eval"),
        (["--steps", ","], "name one or more, each once, of"),
        (["--against", "someone"], "--against 'someone' is unknown; choose from xautodl"),
        (["--device", "cuda:99"], "CUDA GPUs are visible"),
        (["--rounds", "0"], "--rounds 0: give a whole number from 1 up"),
        (["--out", "."], "cannot be written"),
        (["--out", "damaged.csv"], "damaged.csv cannot be read as measured speeds (its columns are not"),
        (["--out", "damaged.csv/speed.csv"], "damaged.csv/speed.csv cannot be made"),
        (["--check", "short.csv"], "short.csv cannot be read as measured speeds (a row has too few"),
        (["--check", "words.csv"], "words.csv cannot be read as measured speeds (could not convert"),
        (["--check", "zero.csv"], "zero.csv cannot be read as measured speeds (0 is no positive number)"),
        (["--check", "absent.csv"], "absent.csv has no such row of this device"),
        (["--check", "another.csv"], "another.csv has no such row of this device"),
    ],
)
def test_input_that_cannot_be_used(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    Path("damaged.csv").write_text("not,a,table\n")
    Path("short.csv").write_text(f"{HEADER}\ncpu,mini\n")
    Path("words.csv").write_text(f"{HEADER}\ncpu,mini,darts,ours,fast,,2,3\n")
    Path("zero.csv").write_text(f"{HEADER}\ncpu,mini,darts,ours,1,,0,3\n")
    write_rows(Path("another.csv"), [a_row(device="another"), a_row(implementation="xautodl"), a_row(size="paper")])
    before = sorted(Path().iterdir())
    assert main([*SHORT, *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert sorted(Path().iterdir()) == before


def test_a_reference_that_is_not_installed(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "xautodl.models.cell_searchs", None)
    assert main([*SHORT, "--against", "xautodl"]) == 2
    assert "pip install --no-deps xautodl==1.0.0" in capsys.readouterr().err


def test_the_help_says_what_was_never_run(capsys):
    with pytest.raises(SystemExit):
        main(["speed", "--help"])
    assert "has not yet run on a GPU" in capsys.readouterr().out


def test_all_take_turns_in_either_order():
    told, order = [], []
    tasks = {name: lambda name=name: order.append(name) for name in "abc"}
    seconds = take_turns(tasks, 3, CPU, told.append)
    assert "".join(order) == "abccbaabc"
    assert told == [1, 2, 3]
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3, "c": 3}


def test_live_tensors_counts_what_is_held_at_once():
    held = torch.ones(1000)  # from before
    live = LiveTensors()
    with live:
        a = torch.ones(1000)
        view = a[:10]
        del a
        held.add_(1)
        assert live.now == 4000
        del view
        assert live.now == 0
        b = torch.ones(500) + torch.ones(500)
        assert live.now == 2000
        assert len(b) == 500
    assert live.peak == 6000


@pytest.fixture(scope="module")
def networks():
    """The reference's, which are made of PyTorch's own layers."""
    return pytest.importorskip(
        "xautodl.models.cell_searchs", reason="the reference is not installed: pip install --no-deps xautodl==1.0.0"
    )


def reference(kind) -> torch.nn.Module:
    return kind(SMALL.channels, SMALL.cells_per_stage, 4, SMALL.classes, list(OPERATIONS), False, False)


def counted(network: torch.nn.Module, inputs: list[torch.Tensor]) -> int:
    """PyTorch's count of the FLOP of a forward pass and, where there are `inputs`, of their gradient."""
    images = torch.randn(SMALL.batch_size, 3, SMALL.resolution, SMALL.resolution)
    with FlopCounterMode(display=False) as counter:
        loss = F.cross_entropy(network(images)[1], torch.zeros(SMALL.batch_size, dtype=torch.int64))
        if inputs:
            torch.autograd.grad(loss, inputs, allow_unused=True)
    return counter.get_total_flops()


def test_flop_of_the_mixture(networks):
    network = reference(networks.TinyNetworkDarts)
    forward, weights, alpha = (counted(network, of) for of in ([], network.get_weights(), network.get_alphas()))
    assert work(passes("pt-eval"), SMALL).flop == forward
    assert work(passes("darts"), SMALL).flop == weights + alpha
    assert work(passes("darts2"), SMALL).flop == 3 * weights + 2 * alpha
    assert forward < alpha < 2 * forward < weights < 3 * forward


@pytest.mark.parametrize("operations", [(3, 2, 3, 1, 4, 2), (3, 3, 3, 3, 3, 3), (1, 4, 1, 2, 0, 1)])
def test_flop_of_a_path(networks, operations):
    cell = Cell(operations)
    network = reference(networks.TinyNetworkSETN)
    network.set_cal_mode("dynamic", networks.CellStructure.str2structure(str(cell)))
    assert work(Passes(in_path(cell), weights=1), SMALL).flop == counted(network, network.get_weights())


def test_what_leads_nowhere_is_not_counted():
    # Node 1 gets a convolution, but nothing leaves it; node 2 only skips.
    assert in_path(Cell((3, 1, 0, 2, 0, 3))) == (1, 1, 2 + 1)
    assert in_path(Cell((1, 0, 1, 1, 1, 1))) == (0, 0, 1)  # two skips are summed up, one is no new map


def test_the_mean_path_is_that_of_the_training():
    random = np.random.default_rng(0)
    drawn = np.mean([in_path(sample_cell(NASBENCH201, random)) for _ in range(4000)], 0)
    assert drawn == pytest.approx(mean_path(), rel=0.03)


def test_the_floor_of_a_darts_step_at_the_papers_size():
    """155 GFLOP, as PyTorch counts over our own step; 32 million numbers a map of the mixture over the 15 cells."""
    least = work(passes("darts"), PAPER)
    assert least.flop / 1e9 == pytest.approx(154.856, abs=0.001)
    cells = 5 * MIXTURE.maps * 64 * (16 * 32**2 + 32 * 16**2 + 64 * 8**2)
    others = 64 * (2 * 16 * 32**2 + 4 * (32 * 16**2 + 64 * 8**2))
    assert least.working_set == 4 * (cells + others)
    assert least.bytes == 12 * least.working_set == pytest.approx(6.86e9, rel=0.001)


def test_the_floor_is_the_slower_of_arithmetic_and_traffic():
    least = work(passes("pt-eval"), SMALL)
    probe = Probe(CPU, least.working_set)
    by_flop, by_bytes = least.flop / probe.flop, least.bytes / probe.bytes
    assert probe.floor(least, 1.0, 0.0) == by_flop
    assert probe.floor(least, 0.0, 1.0) == by_bytes
    assert probe.floor(least, 1.0, 1.0) == max(by_flop, by_bytes)
    for task in probe.tasks.values():
        task()


def test_the_layers_beside_a_matrix_product(capsys):
    assert main(["speed", "--layers", "--rounds", "1"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.endswith("% |")]
    assert [row.split("|")[3].strip() for row in rows] == ["forward", "input gradient", "weight gradient"] * 3


def test_pytorchs_layers_have_no_rates(capsys, pytorch_layers):
    assert main(["speed", "--layers"]) == 2
    assert "times the compiled layers, which cannot be had here" in capsys.readouterr().err
