"""Where the program finds itself: folders of users, containers, notebooks, full disks, small machines."""

import errno
import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import platformdirs
import pytest
from hostile import answer

from benchmark import memory
from benchmark.cli import main
from benchmark.errors import SettingsError
from benchmark.plan import plan
from benchmark.process import Outlet, allow_files, limit_reached
from benchmark.settings import override, read_preset
from reports.write import write_report

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "results" / "mini-cifar10"
CELL = "|skip_connect~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"
SMOKE = ("--methods", "random", "--seeds", "1", "--preset", "smoke", "--jobs", "1")


@pytest.fixture
def short_report(monkeypatch):
    monkeypatch.setattr("reports.write.PLOTS", ("cost",))
    monkeypatch.setattr("benchmark.settings.cores", lambda: 1)


QUICK = "import sys, reports; reports.PLOTS = ('cost',); from benchmark.cli import main; sys.exit(main())"
"""The command with one plot only, since all take longer than everything else."""


def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None, **given) -> subprocess.CompletedProcess:
    """One command of its own; the environment as given, or this one's."""
    of_program = ["-c", QUICK] if arguments[0] in ("run", "report") else ["-m", "benchmark"]
    command = [sys.executable, *of_program, *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=not given, text=True, timeout=300, **given)


def bare(**variables: str) -> dict[str, str]:
    """An environment with nothing but these and a path."""
    return {"PATH": os.environ["PATH"], **variables}


# Folders


@pytest.mark.parametrize("name", ["data", "reports", "spaces", "methods"])
@pytest.mark.parametrize("kind", ["empty", "package", "module"])
def test_a_users_folder_hides_no_part_of_the_program(tmp_path, name, kind):
    if kind == "module":
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not this one')")
    else:
        (tmp_path / name).mkdir()
        if kind == "package":
            (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not this one')")
    done = run("query", CELL, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and "93" in done.stdout


def test_the_standard_library_is_not_hidden_either(tmp_path):
    for name in ("json", "argparse", "numpy", "torch"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not this one')")
    assert run("query", CELL, cwd=tmp_path).returncode == 0


def test_what_hides_a_part_all_the_same_is_named(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "__init__.py").write_text("")
    done = run("methods", cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr == (
        f"benchmark: {tmp_path / 'data'} hides data, a part of this program; take its folder out of PYTHONPATH, or "
        "rename it\n"
    )


def test_it_runs_in_its_own_folder_and_in_one_that_is_gone(tmp_path):
    assert run("query", CELL, cwd=ROOT).returncode == 0
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"rmdir {gone}; {sys.executable} -m benchmark query '{CELL}'"
    done = subprocess.run(["sh", "-c", script], cwd=gone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "line",
    [
        ("run", *SMOKE, "--out", ""),
        ("study", "budget", "--out", ""),
        ("reproduce", ""),
        ("report", ""),
        ("compare", "", str(EXAMPLE)),
        ("compare", str(EXAMPLE), str(EXAMPLE), "--out", ""),
        ("query", CELL, "--data-dir", ""),
        ("data", "import", ""),
        ("data", "build", "x", ""),
    ],
    ids=" ".join,
)
def test_an_empty_path_is_not_the_present_folder(tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    code, said = answer(*line)
    assert code == 2 and "the path is empty" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["checkpoints", "plots", "failures", "tensorboard", ".lock"])
def test_links_in_a_results_folder_are_not_followed(tmp_path, name, short_report):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "cost.png").write_text("a photograph")
    (tmp_path / "file").write_text("a letter")
    out = tmp_path / "out"
    out.mkdir()
    (out / name).symlink_to(tmp_path / "file" if name == ".lock" else precious)
    code, said = answer("run", *SMOKE, "--out", str(out))
    assert code == 2 and f"{out / name} is a link" in said and "remove the link" in said
    assert [path.name for path in precious.iterdir()] == ["cost.png"]
    assert (precious / "cost.png").read_text() == "a photograph" and (tmp_path / "file").read_text() == "a letter"
    (out / name).unlink()
    assert answer("run", *SMOKE, "--out", str(out))[0] == 0, "what the message says to do, works"


def test_a_report_follows_no_link_either(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "r", ignore=shutil.ignore_patterns("plots"))
    (tmp_path / "precious").mkdir()
    (tmp_path / "r" / "plots").symlink_to(tmp_path / "precious")
    code, said = answer("report", str(tmp_path / "r"))
    assert code == 2 and "plots is a link" in said
    assert not list((tmp_path / "precious").iterdir())


@pytest.mark.parametrize("names", [("runs.csv",), ("history.csv",), ("runs.csv", "history.csv"), ("scores.csv",)])
def test_damaged_rows_that_are_removed_are_made_anew_from_checkpoints(tmp_path, names, short_report, monkeypatch):
    given = ["run", "--methods", "bdarts", "--seeds", "2", "--preset", "smoke", "--jobs", "1", "--out", str(tmp_path)]
    assert main(given) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.csv")}
    for name in names:
        (tmp_path / name).write_bytes(b"\xff\xfe\0nonsense")
    code, said = answer(*given)
    assert code == 2 and "remove it, so that this command makes its rows anew from the checkpoints" in said
    code, said = answer("report", str(tmp_path))
    assert code == 2 and "remove it" in said
    for name in names:
        (tmp_path / name).unlink()
    if names != ("scores.csv",):
        code, said = answer("report", str(tmp_path))
        assert code == 2 and "does not exist, but checkpoints do: the `benchmark run`" in said
    with monkeypatch.context() as patch:  # nothing is searched again
        patch.setattr("methods.darts.Darts.epoch", lambda _: pytest.fail("a search"))
        assert main(given) == 0
    for name in ("history.csv", "scores.csv"):
        assert (tmp_path / name).read_bytes() == before[name]
    assert pd.read_csv(tmp_path / "runs.csv").seed.tolist() == [0, 1]


# Containers and notebooks


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense", "TkAgg"])
def test_a_report_needs_no_window(tmp_path, backend):
    shutil.copytree(EXAMPLE, tmp_path / "r")
    done = run("report", "r", cwd=tmp_path, env={**os.environ, "MPLBACKEND": backend})
    assert done.returncode == 0, done.stderr


@pytest.fixture
def nobody(tmp_path) -> dict[str, str]:
    """The environment of a user without a name and a home, as a container has that runs as any user."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import pwd\ndef nobody(*_):\n    raise KeyError('uid not found')\npwd.getpwuid = pwd.getpwnam = nobody\n"
    )
    return bare(PYTHONPATH=str(tmp_path / "site"))


def test_a_user_without_a_home_and_a_name_gives_the_folders_and_all_works(tmp_path, nobody):
    folders = {name: str(tmp_path / name) for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR", "BENCHMARK_DATA")}
    shutil.copytree(
        platformdirs.user_cache_path("replica-201", appauthor=False), tmp_path / "XDG_CACHE_HOME/replica-201"
    )
    done = run("run", *SMOKE, "--out", "o", cwd=tmp_path, env=nobody | folders)
    assert (done.returncode, done.stderr) == (0, "")
    assert run("report", "o", cwd=tmp_path, env=nobody | folders).returncode == 0


def test_without_any_folder_it_says_which_to_give(tmp_path, nobody):
    done = run("data", "status", cwd=tmp_path, env=nobody)
    assert (done.returncode, done.stderr) == (
        2,
        "benchmark: there is no home folder to keep data in; choose a folder with --data-dir or BENCHMARK_DATA\n",
    )
    done = run("run", *SMOKE, "--data-dir", "d", "--out", "o", cwd=tmp_path, env=nobody)
    assert done.returncode == 0, done.stderr
    assert "set XDG_CACHE_HOME to a folder of yours; PyTorch's layers are used" in done.stdout


def test_plots_are_drawn_where_processes_cannot_share_memory(tmp_path, monkeypatch):
    """As where /dev/shm cannot be written to."""
    monkeypatch.setattr("reports.write.PLOTS", ("cost", "seeds"))
    shutil.copytree(EXAMPLE, tmp_path / "r", ignore=shutil.ignore_patterns("plots"))

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refuse)
    written = write_report(tmp_path / "r", jobs=2)
    assert {path.name for path in written if path.suffix == ".png"} == {"cost.png", "seeds.png"}


# Outputs


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [("methods",), ("query", CELL), ("run", *SMOKE, "--out", "o"), ("report", "o")])
def test_a_full_disk_behind_the_output_is_said_and_loses_no_file(tmp_path, arguments):
    if arguments[0] == "report":
        shutil.copytree(EXAMPLE, tmp_path / "o")
    with FULL.open("w") as full:
        done = run(*arguments, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.startswith("benchmark: standard output cannot be written (No space left on device); ")
    assert done.stderr.count("\n") == 1
    assert arguments[0] in ("methods", "query") or (tmp_path / "o" / "report.html").exists()


@pytest.mark.parametrize("redirect", ["| head -1", ">&-", "2>&-", "<&-", ">&- 2>&- <&-", "2>/dev/full", "| true"])
def test_a_reader_who_is_gone_and_closed_outputs_stop_nothing(tmp_path, redirect):
    script = f'set -o pipefail; {sys.executable} -c "$QUICK" run {" ".join(SMOKE)} --out o {redirect}'
    environment = {**os.environ, "QUICK": QUICK}
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "o" / "report.html").exists()
    wrong = subprocess.run(["bash", "-c", f"{sys.executable} -m benchmark query x {redirect}"], cwd=tmp_path)
    assert wrong.returncode == 2 or "|" in redirect
    for path in (tmp_path / "o").rglob("*.csv"):  # no output went into a file that got a closed one's number
        assert "benchmark: " not in path.read_text()


def test_an_outlet_gives_up_once():
    class Full:
        encoding = "utf-8"
        writes = 0

        def write(self, text):
            self.writes += 1
            raise OSError(errno.ENOSPC, "full")

        def fileno(self):
            return os.open(os.devnull, os.O_WRONLY)

    outlet = Outlet(Full())
    assert outlet.write("abc") == outlet.write("def") == 3
    outlet.flush()
    assert outlet.stream.writes == 1 and outlet.error.errno == errno.ENOSPC and outlet.encoding == "utf-8"


ASCII = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}


@pytest.mark.parametrize("variables", [{}, ASCII], ids=["UTF-8", "ASCII"])
def test_names_that_are_no_text_are_written_as_they_can_be(tmp_path, variables):
    name = os.fsdecode(b"p\xff\xc3\xa9<b>.toml")
    (tmp_path / name).write_text((ROOT / "benchmark" / "presets" / "smoke.toml").read_text("utf-8"), "utf-8")
    out = os.fsdecode(b"o\xff")
    given = ["run", "--methods", "random,darts", "--seeds", "1", "--jobs", "1", "--preset", name, "--out", out]
    done = run(*given, cwd=tmp_path, env={**os.environ, **variables})
    assert (done.returncode, done.stderr) == (0, "")
    rows = pd.read_csv(tmp_path / out / "runs.csv")
    assert set(rows.preset) == {"p\\xffé<b>.toml"}
    assert "\\\\xff" in (tmp_path / out / "provenance.json").read_text("utf-8")
    for page in ("summary.md", "paper-vs-ours.md"):
        assert "<b>" not in (tmp_path / out / page).read_text("utf-8")
    done = run("compare", out, out, "--out", "c", cwd=tmp_path, env={**os.environ, **variables})
    assert (done.returncode, done.stderr) == (0, "")


# The system's limits, and bounds


@pytest.mark.parametrize(
    ("setting", "bound"),
    [
        ("problem.threads=100000", "<= 1024"),
        ("problem.threads=1000000000000", "<= 1024"),
        ("problem.channels=100000", "<= 4096"),
        ("problem.cells_per_stage=1000000", "<= 1000"),
        ("problem.resolution=4000000", "<= 4096"),
        ("problem.training_images=10000000000", "<= 1000000000"),
        ("darts.batch_size=1000000000", "<= 1000000"),
        ("darts.epochs=1000000000000000000000", ""),
    ],
)
def test_a_setting_beyond_any_machine_is_refused(tmp_path, setting, bound):
    given = ["run", "--methods", "darts", *SMOKE[2:], "--set", setting, "--out", str(tmp_path / "o")]
    code, said = answer(*given)
    assert code == 2 and setting.split(".")[0] in said and bound in said
    assert not (tmp_path / "o").exists()


def planned(*changes: str, seeds: int = 1):
    return plan(override(read_preset("smoke"), changes), ["darts", "random"], range(seeds))


def test_what_cannot_fit_into_memory_is_said_before_it_begins(monkeypatch):
    size = memory.ImageSize(8, 1200)

    def check(runs, jobs, there):
        monkeypatch.setattr(memory, "memory", lambda _: there)
        memory.check_memory(runs, {run.problem: size for run in runs}, "cpu", jobs)

    check(planned(), 1, 2**27)  # one run that is small is not refused
    check(planned(seeds=9), 4, 2**40)
    with pytest.raises(SettingsError, match=r"side by side need at least 4 GiB.* and there are 1\.0; lower --jobs"):
        check(planned(seeds=100), 20, 2**30)
    check(planned(), 1_000_000, 2**30)  # of two runs, no more than two processes are started
    large = planned("problem.channels=4096", "problem.cells_per_stage=100")
    with pytest.raises(SettingsError, match=r"darts needs at least .* GiB of memory for one batch, .* lower its"):
        check(large, 1, 2**35)


def test_the_least_memory_is_less_than_what_a_step_takes(problem):
    """Else what could be computed would be refused: the feature maps that autograd keeps of one step, counted."""
    import torch

    runs = planned("problem.channels=4", "problem.cells_per_stage=1")
    size = memory.ImageSize(problem.images.images.shape[-1], len(problem.images.labels))
    kept = 0

    def pack(tensor):
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    from methods import registry

    search = registry.load("darts")(problem, runs[0].stages[0].settings, 0)
    batch = next(search.train.shuffled(search.settings.batch_size))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        search.supernet(batch[0], search.weights())
    weights = sum(parameter.numel() * parameter.element_size() for parameter in search.supernet.parameters())
    assert memory.least_bytes(runs[0], size) <= kept + 2 * weights


def test_more_jobs_than_memory_are_refused_by_the_command(tmp_path):
    given = ["run", "--methods", "random", "--seeds", "100000", "--preset", "smoke", "--out", str(tmp_path / "o")]
    code, said = answer(*given, "--jobs", "100000")
    assert code == 2 and "100,000 runs side by side need at least" in said and "lower --jobs" in said


def test_limits_of_the_system_are_told_in_a_sentence(tmp_path, monkeypatch, capsys):
    for error in (
        OSError(errno.EMFILE, "x"),
        MemoryError(),
        RuntimeError("can't start new thread"),
        BlockingIOError(11, "x"),
    ):

        def refuse(*_, error=error):
            raise error

        monkeypatch.setattr("benchmark.workers.run_all", refuse)
        assert main(["run", *SMOKE, "--out", str(tmp_path)]) == 2
        said = capsys.readouterr().err
        assert said == f"benchmark: {limit_reached(error)}; the same command goes on\n"
    assert (
        limit_reached(OSError(errno.ENOENT, "x")) is limit_reached(ValueError("x")) is limit_reached(OSError()) is None
    )


def test_few_open_files_are_more_where_the_system_allows_it(tmp_path):
    resource = pytest.importorskip("resource")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    script = "import resource; from benchmark.process import allow_files; allow_files(); print(resource.getrlimit(7))"
    limits = [(20, hard), (20, 20)]
    for limit in limits:
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            capture_output=True,
            text=True,
            preexec_fn=functools.partial(resource.setrlimit, resource.RLIMIT_NOFILE, limit),
        )
        soft = 20 if limit == (20, 20) else min(1024, hard if hard > 0 else 1024)
        assert done.stdout.startswith(f"({soft}, "), done.stderr
    allow_files()


def test_too_few_open_files_end_a_command_in_a_sentence(tmp_path):
    resource = pytest.importorskip("resource")
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_NOFILE, (20, 20))
    given = ["run", "--methods", "random", "--seeds", "4", "--preset", "smoke", "--jobs", "4", "--out", "o"]
    command = [sys.executable, "-c", QUICK, *given]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, preexec_fn=limit)
    assert "Traceback" not in done.stderr
    assert done.returncode == 2 and "raise the limit (ulimit -n 1024)" in done.stderr
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
