"""What goes wrong with one run, one process, the disk or the folder is said, recorded, and can be gone on from."""

import functools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark import workers
from benchmark.cli import main
from benchmark.errors import SettingsError
from benchmark.results_folder import locked
from methods.darts import Darts
from spaces import Cell

SMOKE = ("run", "--seeds", "2", "--preset", "smoke", "--jobs", "1")


@pytest.fixture(autouse=True)
def short_report(monkeypatch):
    monkeypatch.setattr("reports.write.PLOTS", ("cost",))
    monkeypatch.setattr("benchmark.settings.cores", lambda: 1)


def rows(folder: Path, name: str = "runs.csv") -> pd.DataFrame:
    return pd.read_csv(folder / name).drop(columns="search_seconds", errors="ignore")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.write.PLOTS", ("cost",))
        patch.setattr("benchmark.settings.cores", lambda: 1)
        assert main([*SMOKE, "--methods", "darts,random", "--out", str(out)]) == 0
    return out


def failing(error: BaseException, seed: int, epoch: int):
    """`Darts.epoch`, which raises in one epoch of one seed."""
    whole = Darts.epoch

    def epoch_or_error(search):
        search.epochs_begun = getattr(search, "epochs_begun", 0) + 1
        if (search.seed, search.epochs_begun) == (seed, epoch):
            raise error
        return whole(search)

    return epoch_or_error


@pytest.fixture
def seeds_known(monkeypatch):
    begin = Darts.__init__

    def begin_with_seed(search, problem, settings, seed, start=None):
        begin(search, problem, settings, seed, start)
        search.seed = seed

    monkeypatch.setattr(Darts, "__init__", begin_with_seed)


def test_a_loss_that_is_no_number_fails_its_run_alone(tmp_path, capsys):
    given = [*SMOKE, "--methods", "darts,random", "--set", "darts.lr=1e30", "--out", str(tmp_path)]
    assert main(given) == 1
    error = capsys.readouterr().err
    assert "2 of 4 runs failed: darts-seed0 (FloatingPointError: " in error
    assert "--retry-failed" in error
    assert error.count("\n") == 1
    assert rows(tmp_path).method.tolist() == ["random", "random"]
    failures = rows(tmp_path, "failures.csv")
    assert failures.error.str.contains("_loss is (?:nan|inf) in epoch").all()
    assert "Traceback" in (tmp_path / failures.details[0]).read_text()
    summary = (tmp_path / "summary.md").read_text()
    assert "2 runs failed" in summary
    assert "darts-seed0" in summary
    assert "2 runs failed" in (tmp_path / "report.html").read_text()


def test_what_failed_is_tried_again_when_asked_to(tmp_path, capsys, monkeypatch, seeds_known, undisturbed):
    given = [*SMOKE, "--methods", "darts,random", "--out", str(tmp_path)]
    with monkeypatch.context() as patch:
        patch.setattr(Darts, "epoch", failing(ValueError("a bug\nof two lines in [/brackets]"), seed=1, epoch=2))
        assert main(given) == 1
    assert "1 of 4 runs failed: darts-seed1 (ValueError: a bug of two lines in [/brackets])" in capsys.readouterr().err
    assert len(rows(tmp_path)) == 3
    assert main(given) == 1, "as before: nothing is tried again that nobody asked for"
    assert len(rows(tmp_path)) == 3
    assert main([*given, "--retry-failed"]) == 0
    pd.testing.assert_frame_equal(rows(tmp_path), rows(undisturbed))
    assert (tmp_path / "history.csv").read_bytes() == (undisturbed / "history.csv").read_bytes()
    assert not (tmp_path / "failures.csv").exists()
    assert not list((tmp_path / "failures").iterdir())
    assert "failed" not in (tmp_path / "summary.md").read_text()


def test_a_run_without_memory_is_tried_again_by_the_same_command(tmp_path, monkeypatch, seeds_known, undisturbed):
    given = [*SMOKE, "--methods", "darts,random", "--out", str(tmp_path)]
    with monkeypatch.context() as patch:
        patch.setattr(Darts, "epoch", failing(torch.OutOfMemoryError("no memory"), seed=0, epoch=3))
        assert main(given) == 1
    assert main(given) == 0
    pd.testing.assert_frame_equal(rows(tmp_path), rows(undisturbed))
    assert (tmp_path / "history.csv").read_bytes() == (undisturbed / "history.csv").read_bytes()


def test_a_device_that_fails_ends_the_command(tmp_path, capsys, monkeypatch, seeds_known):
    monkeypatch.setattr(Darts, "epoch", failing(torch.AcceleratorError("illegal address"), seed=0, epoch=1))
    assert main([*SMOKE, "--methods", "darts", "--out", str(tmp_path)]) == 1
    assert "the device failed in darts-seed0" in capsys.readouterr().err
    assert not (tmp_path / "failures.csv").exists()


def test_a_method_that_exits_has_failed(tmp_path, capsys, monkeypatch, seeds_known):
    monkeypatch.setattr(Darts, "epoch", failing(SystemExit(3), seed=0, epoch=1))
    assert main([*SMOKE, "--methods", "darts,random", "--out", str(tmp_path)]) == 1
    assert "1 of 4 runs failed: darts-seed0 (SystemExit: 3)" in capsys.readouterr().err


def test_an_error_of_our_own_files_is_no_failure_of_the_run(tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("benchmark.checkpoint.write", full)
    assert main([*SMOKE, "--methods", "darts", "--out", str(tmp_path)]) == 1
    assert "darts-seed0 was stopped (OSError: [Errno 28] No space left on device)" in capsys.readouterr().err
    assert not (tmp_path / "failures.csv").exists()


def test_where_all_runs_fail_there_is_no_report(tmp_path, capsys, monkeypatch, seeds_known):
    monkeypatch.setattr(Darts, "epoch", failing(ValueError("a bug"), seed=0, epoch=1))
    assert main([*SMOKE, "--methods", "darts", "--seeds", "1", "--out", str(tmp_path)]) == 1
    assert "1 of 1 runs failed" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(("seeds", "seed", "epoch"), [("2", 0, 3), ("1,", 1, 3)])
def test_a_study_says_what_failed(tmp_path, capsys, monkeypatch, seeds_known, seeds, seed, epoch):
    """Of one seed of two, or of the only one, so that nothing is left to compare with."""
    given = ["study", "budget", "--seeds", seeds, "--preset", "smoke", "--jobs", "1", "--out", str(tmp_path)]
    with monkeypatch.context() as patch:
        patch.setattr(Darts, "epoch", failing(ValueError("a bug"), seed=seed, epoch=epoch))
        assert main(given) == 1
    assert f"runs failed: darts-seed{seed} (ValueError: a bug)" in capsys.readouterr().err
    assert "1 run of whole failed" in (tmp_path / "study.md").read_text()
    assert main([*given, "--retry-failed"]) == 0
    assert "failed" not in (tmp_path / "study.md").read_text()


def test_generators_of_the_process_are_seeded_and_gone_on_with(tmp_path, monkeypatch):
    """A third party's method may draw from Python's, NumPy's and PyTorch's own generators."""

    def draw(search):
        numbers = random.random(), np.random.random(), np.random.standard_normal(), torch.rand(()).item()  # noqa: NPY002
        search.cells = Cell.at(int(sum(numbers[:2]) * 7000))
        return {"drawn": sum(numbers)}

    def begin(search, problem, settings, seed, start=None):
        search.epochs, search.cells = 4, Cell.at(0)

    monkeypatch.setattr(Darts, "__init__", begin)
    monkeypatch.setattr(Darts, "epoch", draw)
    monkeypatch.setattr(Darts, "cell", lambda search: search.cells)
    monkeypatch.setattr(Darts, "scores", lambda search: None)
    monkeypatch.setattr(Darts, "alternative_cell", lambda search: None)
    monkeypatch.setattr(Darts, "state", lambda search: {})
    monkeypatch.setattr(Darts, "load", lambda search, state: None)
    given = [*SMOKE, "--methods", "darts", "--out"]
    assert main([*given, str(tmp_path / "whole")]) == 0
    expected = rows(tmp_path / "whole", "history.csv")
    assert expected.drawn.nunique() == len(expected)
    with monkeypatch.context() as patch:
        patch.setattr("benchmark.checkpoint.write", stop_after(3))
        assert main([*given, str(tmp_path / "stopped")]) == 130
    assert main([*given, str(tmp_path / "stopped")]) == 0
    pd.testing.assert_frame_equal(rows(tmp_path / "stopped", "history.csv"), expected)


def stop_after(writes: int):
    """`checkpoint.write`, then Ctrl-C after so many of them."""
    from benchmark import checkpoint

    write, done = checkpoint.write, []

    def written(path, content):
        write(path, content)
        done.append(path)
        if len(done) == writes:
            raise KeyboardInterrupt

    return written


def dying_work(context, problem, connection) -> None:
    """A worker that dies of seed 0."""
    runner = workers.Runner(context, problem)
    connection.send(None)
    while (given := connection.recv()) is not None:
        for run in given[1]:
            if run.seed == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            for news in runner.attempt(run):
                connection.send(news)
        connection.send(None)


def test_a_run_that_kills_its_process_again_and_again_has_failed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(workers, "_work", dying_work)
    given = ["run", "--methods", "random", "--seeds", "3", "--preset", "smoke", "--jobs", "2", "--out", str(tmp_path)]
    assert main(given) == 1
    told = capsys.readouterr()
    assert "random-seed0 (its process was ended by signal SIGKILL, 3 times without finishing an epoch)" in told.err
    assert "the process of random-seed0 was ended by signal SIGKILL; another one goes on" in told.out
    assert rows(tmp_path).seed.tolist() == [1, 2]
    monkeypatch.undo()
    assert main(given) == 0, "no flag is needed where the machine was at fault"


def ending_work(context, problem, connection) -> None:
    os._exit(3)


def test_processes_that_cannot_even_begin_end_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(workers, "_work", ending_work)
    given = ["run", "--methods", "random", "--seeds", "3", "--preset", "smoke", "--jobs", "2", "--out", str(tmp_path)]
    assert main(given) == 1
    assert "the worker processes end before their first run (with exit code 3); try --jobs 1" in capsys.readouterr().err


def test_what_cannot_be_recorded_is_no_death_of_a_process(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("no room for provenance")

    monkeypatch.setattr("benchmark.provenance.RecordedCommand.recorded", refuse)
    given = ["run", "--methods", "random", "--seeds", "2", "--preset", "smoke", "--jobs", "2", "--out", str(tmp_path)]
    with pytest.raises(PermissionError, match="no room"):
        main(given)


def start(out: Path, *options: str, **settings) -> subprocess.Popen:
    """A command of many epochs, once its first checkpoints are there."""
    given = ["run", "--methods", "darts", "--seeds", "2", "--preset", "smoke", "--epochs", "5000", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmark", *given, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )
    wait_for(lambda: len(list((out / "checkpoints").glob("*.safetensors"))) >= 2)
    return process


def wait_for(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children_of(process: subprocess.Popen) -> list[int]:
    """Its worker processes."""
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


has_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")


@has_proc
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_stopped_command_leaves_no_process_behind_and_says_how_to_go_on(tmp_path, number, code):
    # Whoever runs the tests in the background lets their children ignore the signal that a terminal sends.
    as_in_a_terminal = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = start(tmp_path, "--jobs", "2", preexec_fn=as_in_a_terminal)
    children = children_of(process)
    assert len(children) == 2
    process.send_signal(number)
    try:
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code
    if code > 0:
        assert error.strip() == "benchmark: stopped; the same command goes on from the last finished epoch"
    wait_for(lambda: not any(alive(pid) for pid in children))
    with locked(tmp_path):
        pass


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@has_proc
def test_a_worker_that_is_killed_is_replaced(tmp_path):
    process = start(tmp_path, "--jobs", "2")
    try:
        before = children_of(process)
        os.kill(before[0], signal.SIGKILL)
        wait_for(lambda: len(set(children_of(process)) - set(before)) == 1)
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "was ended by signal SIGKILL; another one goes on from its last finished epoch" in told


def test_a_second_command_on_the_folder_is_told(tmp_path, capsys):
    given = [*SMOKE, "--methods", "random", "--out", str(tmp_path)]
    with locked(tmp_path):
        assert main(given) == 2
        assert "another command is writing into" in capsys.readouterr().err
        with pytest.raises(SettingsError), locked(tmp_path):
            pass
    assert main(given) == 0


def test_a_full_disk_ends_the_command_with_a_sentence_and_loses_nothing(tmp_path, undisturbed):
    """Files above a limit cannot be written, as on a full disk."""
    resource = pytest.importorskip("resource")
    given = [sys.executable, "-m", "benchmark", *SMOKE, "--methods", "darts,random", "--out", str(tmp_path)]
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (20_000, 20_000))
    done = subprocess.run(given, capture_output=True, text=True, preexec_fn=limit)
    assert done.returncode == 2
    assert "cannot be written (File too large); free some space" in done.stderr
    assert done.stderr.count("\n") == 1
    assert subprocess.run(given, capture_output=True).returncode == 0
    pd.testing.assert_frame_equal(rows(tmp_path), rows(undisturbed))
    assert (tmp_path / "history.csv").read_bytes() == (undisturbed / "history.csv").read_bytes()
