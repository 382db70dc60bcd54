"""The whole path through the real command line."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmark.cli import main
from benchmark.results_folder import read_if_there
from benchmark.runner import in_halves, prepare_images
from benchmark.settings import ProblemSettings, read_preset
from data.folder import DataError
from data.images import open_images
from data.splits import Split, split_by_file
from methods import registry
from reports.results import read_results
from reports.rows import read_rows

ROOT = Path(__file__).resolve().parent.parent
TIMES = ["search_seconds"]


def benchmark(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def rows(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / name).drop(columns=TIMES, errors="ignore")


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> Path:
    """The default command on the smoke preset, two runs side by side, from a folder that is not the project's."""
    folder = tmp_path_factory.mktemp("smoke")
    done = benchmark(
        "run", "--methods", "darts,bdarts,rlnas,pt", "--seeds", "2", "--preset", "smoke", "--jobs", "2", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    out = folder / "out" / "smoke-digits"
    (folder / "stdout.txt").write_text(done.stdout)
    return out


def test_a_run_writes_one_row_a_run_and_epoch(smoke):
    runs, history = rows(smoke, "runs.csv"), rows(smoke, "history.csv")
    assert list(zip(runs.method, runs.seed, strict=True)) == [
        (method, seed) for method in ("darts", "bdarts", "rlnas", "pt") for seed in (0, 1)
    ]
    counts = history.groupby(["method", "seed"], sort=False).size()
    assert counts.to_dict() == {(row.method, row.seed): row.epochs for row in runs.itertuples()}
    assert (history.groupby(["method", "seed"]).epoch.apply(list).map(lambda e: e == list(range(1, len(e) + 1)))).all()
    last = history.groupby(["method", "seed"], sort=False).last()
    assert (last.genotype.to_numpy() == runs.genotype.to_numpy()).all()


def test_the_accuracies_are_the_tables(smoke, capsys):
    for row in rows(smoke, "runs.csv").itertuples():
        assert main(["query", row.genotype]) == 0
        printed = capsys.readouterr().out.splitlines()
        line = next(line for line in printed if line.startswith("  cifar10_test         200 epochs"))
        assert f"{row.cifar10_test:.3f} %" in line
        assert f"rank {row.rank:>6,} of 15,625" in line
        assert f"regret {row.regret:6.3f}" in line


def test_every_method_runs_from_the_same_command(tmp_path):
    methods = [name for name in registry.names() if name not in ("darts", "bdarts", "pt", "rlnas")]
    methods += ["bdarts+pt", "sdarts-rs+pt", "sgas+pt", "pc-darts+pt", "darts-minus+pt"]
    arguments = ["run", "--methods", ",".join(methods), "--seeds", "1", "--preset", "smoke", "--out", str(tmp_path)]
    done = benchmark(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = rows(tmp_path, "runs.csv")
    assert runs.method.tolist() == methods
    assert runs.cifar10_test.between(0, 100).all()
    assert set(runs.method[runs.other_selection == "magnitude"]) >= {"bdarts+pt", "sgas+pt", "pt-fixed"}
    assert "β-DARTS + PT" in (tmp_path / "summary.md").read_text()


def test_pt_and_darts_of_a_seed_share_one_supernet(smoke):
    runs, history = rows(smoke, "runs.csv"), rows(smoke, "history.csv")
    for seed in (0, 1):
        darts = history[(history.method == "darts") & (history.seed == seed)]
        pt = history[(history.method == "pt") & (history.seed == seed)]
        assert pt.genotype.head(len(darts)).tolist() == darts.genotype.tolist()
        assert (pt.phase.value_counts() == pd.Series({"pt": 5, "darts": 3})).all()
        of = runs[runs.seed == seed].set_index("method")
        assert of.other_selection["pt"] == "magnitude"
        assert of.other_genotype["pt"] == of.genotype["darts"]
        assert of.other_cifar10_test["pt"] == of.cifar10_test["darts"]
    assert len(list((smoke / "checkpoints").glob("darts-seed0-*.safetensors"))) == 1


def test_the_report_names_truth_and_preset_and_can_be_made_again(smoke):
    summary = (smoke / "summary.md").read_text()
    assert "**Truth table:** NAS-Bench-201 (checksum" in summary
    assert "smoke" in summary
    assert "digits" in summary
    before = {path.name: path.read_bytes() for path in (smoke / "plots").iterdir()}
    assert {"accuracy.png", "accuracy.svg", "darts-vs-bdarts.png", "magnitude-vs-pt.svg", "seeds.png"} <= set(before)
    for path in (smoke / "plots").iterdir():
        path.unlink()
    (smoke / "summary.md").unlink()
    assert main(["report", str(smoke)]) == 0
    assert (smoke / "summary.md").read_text() == summary
    assert {path.name: path.read_bytes() for path in (smoke / "plots").iterdir()} == before


def test_the_command_says_what_it_chose_and_shows_plain_progress(smoke):
    printed = (smoke.parent.parent / "stdout.txt").read_text()
    first = printed.splitlines()[0]
    for word in ("smoke", "cpu", "2 at a time", "digits", "NAS-Bench-201", "out/smoke-digits"):
        assert word in first
    assert "8/8" in printed
    assert "\x1b" not in printed


def test_one_run_at_a_time_gives_the_same_rows(smoke, tmp_path):
    done = benchmark(
        *("run", "--methods", "darts,bdarts,rlnas,pt", "--seeds", "2", "--preset", "smoke"),
        *("--jobs", "1", "--out", str(tmp_path / "alone")),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    for name in ("runs.csv", "history.csv"):
        pd.testing.assert_frame_equal(rows(tmp_path / "alone", name), rows(smoke, name))


def test_a_killed_run_goes_on_to_the_same_rows(smoke, tmp_path):
    command = [sys.executable, "-m", "benchmark", "run", "--methods", "darts,pt", "--seeds", "2", "--preset", "smoke"]
    command += ["--jobs", "1", "--out", str(tmp_path)]
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = len(list((tmp_path / "checkpoints").glob("*.safetensors")))
        deadline = time.monotonic() + 120
        while len(list((tmp_path / "checkpoints").glob("*.safetensors"))) == before and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert subprocess.run(command, capture_output=True).returncode == 0
    for name in ("runs.csv", "history.csv"):
        expected = rows(smoke, name)
        expected = expected[expected.method.isin(["darts", "pt"])].reset_index(drop=True).dropna(axis=1, how="all")
        pd.testing.assert_frame_equal(rows(tmp_path, name).dropna(axis=1, how="all"), expected, check_dtype=False)


def test_an_interrupted_run_says_how_to_go_on(tmp_path):
    command = [sys.executable, "-m", "benchmark", "run", "--methods", "darts", "--seeds", "2", "--preset", "smoke"]
    command += ["--epochs", "5000", "--jobs", "2", "--out", str(tmp_path)]
    # Whoever runs the tests in the background lets their children ignore the signal that a terminal sends.
    as_in_a_terminal = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=as_in_a_terminal
    )
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "checkpoints").glob("*.safetensors"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    try:
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert error.strip() == "benchmark: stopped; the same command goes on from the last finished epoch"


def test_a_finished_command_changes_nothing(smoke):
    before = {name: (smoke / name).read_bytes() for name in ("runs.csv", "history.csv", "summary.md")}
    assert main(["run", "--methods", "darts,pt", "--seeds", "2", "--preset", "smoke", "--out", str(smoke)]) == 0
    after = {name: (smoke / name).read_bytes() for name in before}
    assert {name: content for name, content in after.items() if content != before[name]} == {}


def test_stacked_runs_come_to_the_same_results(smoke, tmp_path):
    """Side by side in one process, on a GPU each on a stream of its own; here only the threads are tried."""
    given = ["run", "--methods", "darts,bdarts,rlnas,pt", "--seeds", "2", "--preset", "smoke", "--stack-seeds"]
    assert main([*given, "--out", str(tmp_path)]) == 0
    for name in ("runs.csv", "history.csv"):
        pd.testing.assert_frame_equal(rows(tmp_path, name), rows(smoke, name))


def test_a_failure_in_a_stacked_run_is_the_commands(tmp_path, monkeypatch):
    def fail(*_):
        raise DataError("no such thing")

    monkeypatch.setattr("benchmark.runner.Runner.run_stages", fail)
    given = ["run", "--methods", "darts", "--seeds", "2", "--preset", "smoke", "--stack-seeds", "--out", str(tmp_path)]
    assert main(given) == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--methods", "dart"], "did you mean 'darts'"),
        (["--methods", ","], "--methods"),
        (["--seeds", "x"], "--seeds 'x'"),
        (["--preset", "huge"], "no preset 'huge'"),
        (["--images", "mnist"], "'mnist'"),
        (["--truth", "guess"], "'guess'"),
        (["--device", "tpu"], "--device 'tpu'"),
        (["--device", "cuda:99"], "--device 'cuda:99'"),
        (["--epochs", "0"], "--epochs 0"),
        (["--jobs", "-1"], "--jobs -1"),
        (["--set", "darts.nonsense=1"], "darts.nonsense"),
        (["--out", "/dev/null/here"], "--out"),
        (["--set", "problem.resolution=6"], "multiple of 4"),
        (["--set", "problem.training_images=123"], "123 images cannot be taken evenly"),
        (
            ["--set", "problem.training_images=all", "--set", "problem.split=nowhere.txt"],
            "'nowhere.txt' cannot be read",
        ),
        (["--set", "problem.training_images=all", "--set", "problem.split=/dev/null"], "/dev/null is no split file"),
        (["--set", "problem.split=nowhere.txt"], 'a split file is of all images: set problem.training_images to "all"'),
        (["--set", "problem.split=halves", "--set", "problem.split.darts=halves"], "is a value, not a table"),
        (["--precision", "fp8"], "'fp8'"),
        (["--precision", "tf32", "--device", "cpu"], "tf32 is a number format of CUDA GPUs"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(arguments, complaint, tmp_path, capsys):
    given = ["run", "--methods", "darts", "--seeds", "1", "--preset", "smoke", "--out", str(tmp_path), *arguments]
    assert main(given) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("*.csv"))


def test_an_official_split_file_says_which_images_train(tmp_path):
    """Of the digits, 1,500 training images: the odd ones train, the even ones validate."""
    size = {"channels": 4, "cells_per_stage": 1, "resolution": "full", "training_images": "all"}
    problem = {"images": "digits", "threads": 1, **size}
    odd, even = ([str(number) for number in range(first, 1500, 2)] for first in (1, 0))
    split = {"train": ["int", odd], "valid": ["int", even]}
    path = tmp_path / "digits-split.txt"
    path.write_text(json.dumps(split))
    plain = prepare_images(ProblemSettings(**problem), functools.partial(open_images, folder=tmp_path))
    planned = split_by_file(path)
    halved = in_halves(plain, planned)
    assert in_halves(plain, Split()) is plain
    assert torch.equal(halved.images[:750], plain.images[1::2])
    assert torch.equal(halved.labels[750:], plain.labels[::2])
    path.write_text(json.dumps({**split, "valid": ["int", ["0"]]}))
    with pytest.raises(DataError, match="does not halve"):
        in_halves(plain, split_by_file(path))
    with pytest.raises(DataError, match="has changed since this run was planned"):
        in_halves(plain, planned)


OWN_SPLITS = """
base = "smoke"
[problem]
training_images = "all"
[problem.split]
darts = "odd-even.txt"
"""


@pytest.fixture
def own_splits(tmp_path, monkeypatch) -> list[str]:
    """A preset in which DARTS trains on the odd digits and validates on the even ones, and all others on halves."""
    odd, even = ([str(number) for number in range(first, 1500, 2)] for first in (1, 0))
    (tmp_path / "odd-even.txt").write_text(json.dumps({"train": ["int", odd], "valid": ["int", even]}))
    (tmp_path / "own.toml").write_text(OWN_SPLITS)
    monkeypatch.chdir(tmp_path)
    return ["run", "--preset", "own.toml", "--seeds", "1", "--epochs", "1"]


@pytest.mark.parametrize("how", [["--jobs", "1"], ["--jobs", "2"], ["--stack-seeds", "--jobs", "2"]])
def test_each_method_searches_on_its_own_split(own_splits, how):
    """Whichever way the runs are carried out, and whichever runs beside them."""
    assert main([*own_splits, *how, "--methods", "darts,bdarts,pt", "--out", "together"]) == 0
    for method, split in (("darts", None), ("bdarts", "halves"), ("pt", "halves")):
        alone = ["--methods", method, "--out", method, *(["--set", f"problem.split={split}"] if split else [])]
        assert main([*own_splits, *alone]) == 0
    together = rows(Path("together"), "history.csv")
    for method in ("darts", "bdarts", "pt"):
        expected = rows(Path(method), "history.csv")
        found = together[together.method == method].reset_index(drop=True)[expected.columns]
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    runs = pd.read_csv("together/runs.csv")
    assert runs.split.str.fullmatch(r"halves|odd-even\.txt \([0-9a-f]{12}\)").all()
    assert runs.split.str.startswith("odd-even.txt").tolist() == [True, False, False]
    # PT starts from DARTS' supernet, but not from the one of the other split.
    losses = together.groupby("method").train_loss.first()
    assert losses["darts"] != losses["pt"]
    summary = Path("together/summary.md").read_text()
    assert "**Training and validation images:** halves by `odd-even.txt" in summary
    provenance = json.loads(Path("together/provenance.json").read_text())
    names = {setting["name"]: setting["value"] for setting in provenance["commands"][0]["settings"]}
    assert names["problem.split.darts"].startswith("odd-even.txt") and names["problem.split.pt"] == "halves"


@pytest.mark.parametrize("digest", ["585263075262", "12345e678901", "000000000012"])
def test_hashes_that_look_like_numbers_stay_text(smoke, tmp_path, digest):
    runs = pd.read_csv(smoke / "runs.csv").assign(settings=digest, truth_checksum=digest)
    runs.to_csv(tmp_path / "runs.csv", index=False)
    for rows_ in (read_if_there(tmp_path / "runs.csv", ()), read_rows(tmp_path, "runs.csv", {}).to_dict("records")):
        assert {(row["settings"], row["truth_checksum"]) for row in rows_} == {(digest, digest)}


def test_changed_settings_are_named_wherever_the_preset_is(tmp_path):
    given = ["run", "--methods", "darts", "--seeds", "1", "--preset", "smoke", "--epochs", "1", "--jobs", "1"]
    assert main([*given, "--set", "darts.alpha_lr=0.1", "--out", str(tmp_path)]) == 0
    (row,) = pd.read_csv(tmp_path / "runs.csv").to_dict("records")
    assert (row["preset"], row["changes"]) == ("smoke", "darts.epochs=1; darts.alpha_lr=0.1")
    assert "smoke with darts.epochs=1, darts.alpha_lr=0.1" in (tmp_path / "summary.md").read_text()


def test_a_file_called_as_a_preset_of_ours_does_not_pass_for_it(tmp_path):
    """Rows, page and verdicts go by what was run, not by what the file is called."""
    path = tmp_path / "anywhere" / "paper"
    path.parent.mkdir()
    path.write_text('base = "smoke"\n')
    given = ["run", "--methods", "darts", "--seeds", "3", "--epochs", "1", "--preset", str(path)]
    assert main([*given, "--out", str(tmp_path / "out")]) == 0
    runs = pd.read_csv(tmp_path / "out" / "runs.csv")
    assert set(runs.preset) == {"paper (a file)"} and not runs.as_published.any()
    found = pd.read_csv(tmp_path / "out" / "paper-vs-ours.csv").set_index("method")
    assert set(found.verdict.loc[["darts"]]) == {"not comparable"}
    beginning = "preset paper (a file) with changed settings; searched on digits"
    assert found.reason.loc[["darts"]].str.startswith(beginning).all()


def test_a_search_in_bfloat16_is_a_search_of_its_own(tmp_path, smoke):
    given = ["run", "--methods", "darts,rlnas", "--seeds", "1", "--preset", "smoke", "--jobs", "1"]
    assert main([*given, "--precision", "bf16", "--out", str(tmp_path)]) == 0
    runs, in_float32 = pd.read_csv(tmp_path / "runs.csv"), pd.read_csv(smoke / "runs.csv")
    assert set(runs.preset) == {"smoke"} and set(runs.changes) == {"problem.precision=bf16"}
    assert not set(runs.settings) & set(in_float32.settings)
    loss, expected = (
        pd.read_csv(folder / "history.csv").query("method == 'darts' and seed == 0").train_loss.iloc[0]
        for folder in (tmp_path, smoke)
    )
    assert loss == pytest.approx(expected, rel=0.02)
    assert loss != expected


def test_without_compiled_layers_a_run_says_that_it_is_slower_and_why(tmp_path):
    given = ["--methods", "darts", "--seeds", "1", "--preset", "smoke", "--epochs", "1", "--jobs", "1", "--out", "o"]
    done = benchmark("run", *given, cwd=tmp_path, CXX="no-such-compiler", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "slower than it could be: the C++ compiler no-such-compiler is not installed" in done.stdout
    assert pd.read_csv(tmp_path / "o" / "runs.csv").device.tolist() == ["CPU with PyTorch's layers"]


def test_a_folder_of_an_earlier_version_is_completed_by_the_planner(smoke, tmp_path, monkeypatch):
    """What the folder does not say, and the settings' hash does: here the smoke preset plays the published one."""
    monkeypatch.setattr("benchmark.plan._published", lambda: read_preset("smoke"))
    for name in ("history.csv", "scores.csv", "space.csv"):
        (tmp_path / name).write_bytes((smoke / name).read_bytes())
    now = pd.read_csv(smoke / "runs.csv", dtype=str, keep_default_na=False)
    now.drop(columns=["changes", "as_published", "asks"]).to_csv(tmp_path / "runs.csv", index=False)
    assert not read_results(tmp_path).runs["as_published"].any()
    given = ["run", "--methods", "darts,bdarts", "--seeds", "2", "--preset", "smoke", "--jobs", "1"]
    assert main([*given, "--out", str(tmp_path)]) == 0
    then = pd.read_csv(tmp_path / "runs.csv", dtype=str, keep_default_na=False)
    assert dict(zip(then.method, then.as_published, strict=True)) == {
        **dict.fromkeys(("darts", "bdarts"), "True"),
        **dict.fromkeys(("rlnas", "pt"), "False"),
    }
    pd.testing.assert_frame_equal(
        then.drop(columns="as_published")[list(now.columns.drop("as_published"))], now.drop(columns="as_published")
    )


def test_results_of_other_settings_are_never_mixed(smoke, capsys):
    before = (smoke / "runs.csv").read_bytes()
    given = ["run", "--methods", "darts", "--seeds", "3", "--preset", "smoke", "--epochs", "4", "--out", str(smoke)]
    assert main(given) == 2
    assert "other settings" in capsys.readouterr().err
    assert (smoke / "runs.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["query", "|none~0|"], "3 nodes"),
        (["query", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "--truth", "guess"], "guess"),
        (["report", "nowhere"], "does not exist"),
        (["methods", "random-forest"], "no method called"),
    ],
)
def test_other_commands_refuse_in_one_sentence(arguments, complaint, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_methods_lists_them_all(capsys):
    assert main(["methods"]) == 0
    printed = capsys.readouterr().out
    families: dict[str, list[str]] = {}
    for line in printed.splitlines():
        if line and not line.startswith(" "):
            families[line] = []
        elif line.startswith("  ") and line[2] != " ":
            *_, of_family = families.values()
            of_family.append(line.split()[0])
    assert list(families)[:4] == ["gradient", "one-shot", "selection", "table"]
    assert {"darts", "bdarts", "setn"} <= set(families["gradient"])
    assert {"rlnas", "rsps", "enas"} <= set(families["one-shot"])
    assert {"pt", "pt-fixed"} == set(families["selection"])
    assert {"random", "reinforce", "bohb", "local-search"} <= set(families["table"])
    assert all(methods == sorted(methods) for methods in families.values())
    assert "2022  β-DARTS: DARTS with β-decay" in printed
    assert 'Ye et al., "β-DARTS", CVPR 2022; program: Beta-DARTS' in printed
    assert main(["methods", "bdarts"]) == 0
    printed = capsys.readouterr().out
    assert "bdarts.strength" in printed
    assert "architect.py" in printed


def test_output_into_a_closed_pipe_is_no_error(tmp_path):
    done = subprocess.run(
        f"{sys.executable} -m benchmark methods | head -1", shell=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_help_comes_without_pytorch(tmp_path):
    script = "import sys; from benchmark.cli import parser; parser().format_help(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
