"""Fuzzers of what strangers bring: methods, environments, interruptions. Nothing that is generated may end in a
traceback, a false row, something executed or something lost; afterwards all is as without it.

The long run: `pytest tests/test_fuzz.py --hypothesis-profile=long`.
"""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strangers import Doing, Told

from benchmark.plan import plan
from benchmark.results_folder import Failed, Finished, ResultsFolder
from benchmark.runner import RunContext, Runner
from benchmark.settings import read_preset
from data.folder import DataError
from data.truth import open_truth
from methods import registry
from reports.results import read_results
from reports.rows import FAILURE_COLUMNS, HISTORY_COLUMNS, read_rows
from spaces import Cell
from spaces.nasbench201.cell import NUM_CELLS

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "results" / "mini-cifar10"


def examples() -> int:
    """As many as the profile of hypothesis has."""
    return int(settings().max_examples)


# Methods


class Evil:
    """Does harm wherever somebody looks closer."""

    harm = Path("/nonexistent")

    def __reduce__(self):
        return (Path.touch, (Evil.harm,))

    def __repr__(self) -> str:
        raise OSError("no text")

    __str__ = __float__ = __int__ = __index__ = __iter__ = __len__ = __bool__ = __array__ = __eq__ = __repr__
    __hash__ = None


class Untold(Exception):
    def __str__(self) -> str:
        raise ValueError


numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from((-(2**63), 2**63, 5e-324, True, np.float32(1.5), 1j))
    | st.just(5000).map(lambda digits: 10**digits)
)
texts = st.text(st.characters(), max_size=20) | st.sampled_from(
    ("nan", "1e5", "=cmd|x", "@SUM(1)", "<img src=x>", "[a](http://b)", "\x1b[2J", "\ud800", "x" * 20_000, "' ", "$x$")
)
cells = st.integers(0, NUM_CELLS - 1).map(Cell.at)
tensors = st.sampled_from(
    (
        *(torch.ones(2), torch.tensor(math.nan), torch.ones(2).to_sparse(), torch.ones(1, dtype=torch.complex64)),
        *(torch.empty(0), torch.ones(2, device="meta"), torch.nn.Parameter(torch.ones(1)), torch.ones(3, 2).T),
        *(np.ones(NUM_CELLS), np.full(NUM_CELLS, np.nan), np.arange(NUM_CELLS), np.ones(NUM_CELLS, object), np.ones(3)),
    )
)
leaves = st.none() | numbers | texts | cells | tensors | st.builds(Evil) | st.just(print) | st.binary(max_size=3)
keys = (
    texts | numbers | st.none() | st.sampled_from((*HISTORY_COLUMNS, *FAILURE_COLUMNS, "cifar10_test", "tau", "loss"))
)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3) | st.tuples(inner, inner),
)
errors = st.sampled_from(
    (
        *(OSError(28, "full"), FileNotFoundError(2, "gone"), DataError("x"), SystemExit(0), EOFError()),
        *(BrokenPipeError(), GeneratorExit(), StopIteration(), RecursionError(), MemoryError(), Untold()),
        *(ValueError("\ud800\n\x1b"), KeyError()),
    )
)


def raising(error: BaseException) -> Doing:
    def do():
        raise error

    return Doing(do)


def in_turn(values: list) -> Doing:
    """One answer after the other, the last of them again and again."""
    left = list(values)

    def do():
        value = left.pop(0) if len(left) > 1 else left[0]
        return value() if isinstance(value, Doing) else value

    return Doing(do)


plausible = {
    "epoch": st.dictionaries(st.sampled_from(("loss", "pips", "note")), numbers | texts, max_size=3),
    "cell": cells,
    "scores": st.sampled_from(
        (None, np.arange(float(NUM_CELLS)), np.full(NUM_CELLS, np.nan), np.full(NUM_CELLS, np.inf))
    ),
    "alternative_cell": st.none() | st.tuples(texts, cells),
    "state": st.dictionaries(st.sampled_from(("done", "x")), anything, max_size=2),
    "epochs": st.integers(1, 4),
    "asks": st.sampled_from((None, "cifar10_test", "cifar10_valid")),
}
answers = st.fixed_dictionaries(
    {},
    optional={
        part: st.lists(right | anything | errors.map(raising), min_size=1, max_size=3).map(in_turn)
        for part, right in plausible.items()
    }
    | {"load": errors.map(raising), "__init__": errors.map(raising)},
)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    truth = open_truth("nasbench201", Path())
    runs = plan(read_preset("smoke"), ["random"], [0])
    out = tmp_path_factory.mktemp("stranger")
    Evil.harm = out / "harm"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "load", lambda _: Told)
        yield Runner(RunContext(out, out, "cpu", truth), runs[0].problem), runs, truth, out


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(told=answers)
def test_no_method_writes_a_false_row_or_ends_more_than_its_run(stranger, told):
    runner, runs, truth, out = stranger
    shutil.rmtree(out, ignore_errors=True)
    (out / "checkpoints").mkdir(parents=True)
    results = ResultsFolder(out, runs, truth)
    Told.answers = told
    *_, last = runner.attempt(runs[0])
    results.add(last)
    assert not Evil.harm.exists()
    check_rows(last, runs[0], truth, out)
    Told.answers = {}  # mended: it goes on from whatever was saved
    *_, mended = runner.attempt(runs[0])
    assert isinstance(mended, Finished), mended.details
    results.add(mended)
    check_rows(mended, runs[0], truth, out)
    assert not Evil.harm.exists() and not list(out.rglob("*.damaged"))
    assert not (out / "failures.csv").exists()


def check_rows(last, run, truth, out: Path) -> None:
    """What stands in the folder is of this run, and as the truth table has it."""
    if isinstance(last, Failed):
        assert last.error.isprintable() and last.details
        assert not (out / "runs.csv").exists()
        (row,) = read_rows(out, "failures.csv", FAILURE_COLUMNS).to_dict("records")
        assert (row["method"], row["seed"], row["settings"]) == (run.method, run.seed, run.settings_hash)
        return
    (out / "space.csv").write_bytes(space(truth, out))
    found = read_results(out)
    (row,) = found.runs.to_dict("records")
    assert (row["method"], row["seed"], row["settings"]) == (run.method, run.seed, run.settings_hash)
    assert row["epochs"] == len(found.history) and found.history["epoch"].tolist() == list(range(1, row["epochs"] + 1))
    for frame in (found.runs, found.history):
        for record in frame.to_dict("records"):
            for metric, accuracy in truth.query(Cell.parse(record["genotype"])).items():
                assert record[metric] == accuracy
    assert row["rank"] == truth.rank(Cell.parse(row["genotype"]), row["metric"])


def space(truth, out: Path, made: dict = {}) -> bytes:  # noqa: B006 (made once)
    from benchmark.results_folder import write_space

    if truth.checksum not in made:
        write_space(out, truth)
        made[truth.checksum] = (out / "space.csv").read_bytes()
    return made[truth.checksum]


# Environments

# One process imports everything once and forks a child for each environment: it has computed nothing, so that is safe.
ENVIRONMENTS = """
import json, os, resource, signal, sys
from pathlib import Path
import benchmark.experiment, data.inventory
import reports.compare, reports.plots, reports.write, sklearn.datasets, benchmark.describe
reports.write.PLOTS = ("cost",)
import benchmark.settings
benchmark.settings.cores = lambda: 1
from benchmark.cli import main

LIMITS = {"files": resource.RLIMIT_NOFILE, "size": resource.RLIMIT_FSIZE, "core": resource.RLIMIT_CORE}


def surround(case):
    os.chdir(case["cwd"])
    if case["gone"]:
        os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
    os.umask(case["umask"])
    for name, value in case["variables"].items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does
    for number, what in enumerate(case["streams"]):
        if what == "closed":
            os.close(number)
        else:
            path = {"full": "/dev/full", "nowhere": "/dev/null", "file": case["said"]}.get(what)
            if path:
                opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            else:  # a pipe that nobody reads
                read, opened = os.pipe()
                os.close(read)
            os.dup2(opened, number)
            os.close(opened)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        closed = case["streams"][number] == "closed"
        stream = None if closed else open(number, mode, encoding=case["encoding"], closefd=False)
        setattr(sys, name, stream)
    for name, value in case["limits"].items():
        resource.setrlimit(LIMITS[name], (value, value))


def attempt(case):
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            surround(case)
            code = main(case["arguments"])
        except SystemExit as error:
            code = error.code
        except BaseException:
            import traceback
            Path(case["trace"]).write_text(traceback.format_exc())
        finally:
            os._exit(code if isinstance(code, int) else 98)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


for line in sys.stdin:
    print(attempt(json.loads(line)), flush=True)
"""

CELL = "|skip_connect~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"
RUN = ["run", "--methods", "random,evolution", "--seeds", "1", "--preset", "smoke", "--jobs", "1", "--out", "OUT"]
COMMANDS = {
    "methods": ["methods"],
    "method": ["methods", "bdarts"],
    "query": ["query", CELL],
    "wrong": ["query", "x"],
    "status": ["data", "status"],
    "compare": ["compare", "EXAMPLE", "EXAMPLE", "--out", "OUT"],
    "report": ["report", "COPY"],
    "run": RUN,
}
PATHS = st.sampled_from(
    (None, "", "/nonexistent/x", "/dev/null", "/proc", ".", "a\nb", "x" * 300, "~nobody/x", "relative")
)
VARIABLES = {
    **dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "BENCHMARK_DATA", "MPLCONFIGDIR"), PATHS),
    "MPLBACKEND": st.sampled_from((None, "", "nonsense", "TkAgg", "module://matplotlib_inline.backend_inline")),
    "COLUMNS": st.sampled_from((None, "", "0", "-1", "1", "x", "100000")),
    "LINES": st.sampled_from((None, "0", "x")),
    "TERM": st.sampled_from((None, "", "dumb", "unknown", "xterm-256color")),
    "NO_COLOR": st.sampled_from((None, "", "1")),
    "FORCE_COLOR": st.sampled_from((None, "1")),
    "PATH": st.sampled_from((None, "", "/nonexistent")),
    "CXX": st.sampled_from((None, "", "'", "g++ -O2", "no-such-compiler", "false")),
    "REPLICA_201_LAYERS": st.sampled_from((None, "", "torch", "v9", "x y")),
    "LC_ALL": st.sampled_from((None, "C", "xx_XX", "en_US.ISO-8859-1")),
    "TZ": st.sampled_from((None, "", "Nowhere/X")),
}
STREAMS = ("file", "file", "nowhere", "closed", "full", "pipe")
environments = st.fixed_dictionaries(
    {
        "command": st.sampled_from(sorted(COMMANDS)),
        "variables": st.fixed_dictionaries({}, optional=VARIABLES),
        "streams": st.tuples(
            st.sampled_from(("nowhere", "closed")), st.sampled_from(STREAMS), st.sampled_from(STREAMS)
        ),
        "limits": st.fixed_dictionaries(
            {},
            optional={
                "files": st.integers(12, 80),
                "size": st.sampled_from((0, 100, 5000, 50_000, 10**6)),
                "core": st.just(0),
            },
        ),
        "umask": st.sampled_from((0o022, 0o077, 0o000, 0o027)),
        "gone": st.sampled_from((False, False, False, True)),
        "encoding": st.sampled_from(("utf-8", "ascii", "latin-1")),
    }
)
needs_linux = pytest.mark.skipif(
    not Path("/proc/self/fd").exists() or not Path("/dev/full").exists(), reason="needs Linux"
)


def driver(script: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def forking(tmp_path_factory):
    process = driver(ENVIRONMENTS)
    folder = tmp_path_factory.mktemp("environments")

    def attempt(case: dict) -> tuple[int, str, str]:
        """The exit code, what was said, and the traceback where there was one."""
        said, trace = folder / "said.txt", folder / "trace.txt"
        for path in (said, trace):
            path.unlink(missing_ok=True)
        given = case | {"cwd": str(case["cwd"]), "said": str(said), "trace": str(trace)}
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        return code, *(path.read_text("utf-8", "replace") if path.exists() else "" for path in (said, trace))

    yield attempt
    process.stdin.close()
    process.wait()


SANE = {"variables": {}, "streams": ("nowhere", "file", "file"), "limits": {}, "umask": 0o022, "gone": False}


@needs_linux
@settings(max_examples=examples() // 5, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=environments)
def test_no_environment_ends_in_a_traceback_or_loses_anything(forking, tmp_path_factory, case):
    folder = tmp_path_factory.mktemp("case")
    places = {"OUT": str(folder / "out"), "EXAMPLE": str(EXAMPLE), "COPY": str(folder / "copy")}
    arguments = [places.get(word, word) for word in COMMANDS[case["command"]]]
    shutil.copytree(EXAMPLE, folder / "copy", ignore=shutil.ignore_patterns("plots", "*.html", "*.md", "*.tex"))
    before = rows_of(folder / "copy")
    (folder / "here").mkdir()
    case = case | {"arguments": arguments, "cwd": folder / "here"}
    code, said, trace = forking(case)
    assert not trace, trace
    assert code in (0, 1, 2), said
    assert "Traceback" not in said
    assert rows_of(folder / "copy") == before
    if code and case["streams"][2] == "file" and "size" not in case["limits"]:
        assert "benchmark: " in said
    sane = SANE | {"arguments": arguments, "cwd": folder, "encoding": "utf-8"}
    again, said, trace = forking(sane)
    assert (again, trace) == (2 if case["command"] == "wrong" else 0, ""), said
    if case["command"] == "run":
        runs = pd.read_csv(folder / "out" / "runs.csv")
        assert runs.method.tolist() == ["random", "evolution"]
    shutil.rmtree(folder)


def rows_of(folder: Path) -> dict[str, bytes]:
    names = ("runs.csv", "history.csv", "space.csv", "provenance.json")
    return {name: (folder / name).read_bytes() for name in names}


# Interruptions

INTERRUPTIONS = '''
import json, os, random, signal, sys
from pathlib import Path
import benchmark.experiment
import reports.plots, reports.write, sklearn.datasets
reports.write.PLOTS = ("cost",)
import benchmark.settings
benchmark.settings.cores = lambda: 1
from benchmark.cli import main

arguments, count, log = json.loads(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
randomly = random.Random(1)
WAYS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}


def disturb(number, way):
    """At the number-th operation on a file: a signal, or an error of the disk."""
    seen = 0

    def counted(name, function):
        def called(*given, **options):
            nonlocal seen
            seen += 1
            if seen == number:
                with log.open("a") as file:
                    file.write(f"{way} {name} {given[0] if isinstance(given[0], Path) else ''}\\n")
                if way == "disk":
                    raise OSError(28, "No space left on device")
                os.kill(os.getpid(), WAYS[way])
            return function(*given, **options)
        return called

    os.fsync = counted("fsync", os.fsync)
    for name in ("replace", "unlink", "mkdir", "open"):
        setattr(Path, name, counted(name, getattr(Path, name)))


def attempt(prepare):
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        prepare()
        os._exit(main(arguments))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


ended = []
for _ in range(count):
    number, way = randomly.randint(1, 60), randomly.choice(("kill", "kill", "kill", "term", "int", "disk"))
    ended.append((way, attempt(lambda: disturb(number, way))))
ended.append(("none", attempt(lambda: None)))
print(json.dumps(ended))
'''


@needs_linux
def test_interrupted_at_any_write_it_ends_the_same(tmp_path):
    """Commands on one folder, each stopped at some operation on a file, and then one that is not."""
    given = ["run", "--methods", "rlnas,pt,random", "--seeds", "3", "--preset", "smoke", "--epochs", "4", "--jobs", "1"]
    ways = set()
    for place in range(max(1, examples() // 1000)):
        out, undisturbed, log = (tmp_path / f"{name}{place}" for name in ("out", "undisturbed", "log"))
        for folder, count in ((undisturbed, 0), (out, 10 if examples() < 1000 else 40)):
            process = subprocess.run(
                [sys.executable, "-c", INTERRUPTIONS, json.dumps([*given, "--out", str(folder)]), str(count), str(log)],
                cwd=ROOT,
                capture_output=True,
                text=True,
            )
            assert process.returncode == 0 and "Traceback" not in process.stderr, process.stderr
            *stopped, (_, last) = json.loads(process.stdout)
            assert last == 0, process.stderr
            for way, code in stopped:
                assert code in {"kill": (0, -9), "term": (0, 143), "int": (0, 130), "disk": (0, 1, 2)}[way], (way, code)
            ways |= {way for way, code in stopped if code}
        for name in ("history.csv", "scores.csv", "space.csv"):
            assert (out / name).read_bytes() == (undisturbed / name).read_bytes()
        runs = [pd.read_csv(folder / "runs.csv").drop(columns="search_seconds") for folder in (out, undisturbed)]
        pd.testing.assert_frame_equal(*runs)
        assert not list(out.rglob("*.partial")) and not list(out.rglob("*.damaged"))
        assert not (out / "failures.csv").exists()
    assert "kill" in ways
    print(os.linesep, len((tmp_path / "log0").read_text().splitlines()), "interruptions")
