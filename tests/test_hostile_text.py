"""Presets, cells and command lines from nobody knows where: used, or refused in one sentence."""

import copy
import itertools
import random
from importlib.resources import files
from pathlib import Path

import pytest
from hostile import answer, contents, damaged
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import SettingsError
from benchmark.plan import plan
from benchmark.settings import PRESETS, override, read_preset
from data.folder import DataError
from methods import registry
from methods.registry import MethodError
from spaces import Cell, CellError
from spaces.nasbench201.cell import OPERATIONS

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "results" / "mini-cifar10"
STUDY = ROOT / "results" / "precision-mini"
TEXT = str(Cell((1, 0, 3, 0, 0, 1)))


METHODS = tuple(registry.names())


def planned(preset, changes=(), methods=METHODS):
    """What `run` makes of its options before it searches; True where they can be used."""
    try:
        tables = override(read_preset(str(preset)) if isinstance(preset, Path) else preset, changes)
        for method in methods:
            plan(tables, [method], [0], None, str(preset))
    except (SettingsError, MethodError, DataError) as error:
        assert str(error) and len(str(error)) < 6_000
        return False
    return True


@pytest.mark.parametrize("preset", PRESETS)
def test_damaged_presets_are_used_or_refused(tmp_path, preset):
    content = (files("benchmark") / "presets" / f"{preset}.toml").read_bytes()
    path = tmp_path / "own.toml"
    used = 0
    for spoilt in damaged(content, 25, seed=len(preset)):
        path.write_bytes(spoilt)
        used += planned(path, methods=("pt", "random"))
    assert used < 25


VALUES = (
    *("nan", "inf", "-inf", "-1", "0", "1e999", "9" * 30, "9" * 5000, "true", '"x"', "''", "[]", "{}", "[[1], [2]]"),
    *("1979-05-27", "07:32:00", "[nan, nan]", "[0.5, 0.999, 1]", "[" * 500, "[" * 500 + "]" * 500, "{a = " * 500, "0x"),
    *("{scale = 'darts'}", "{epochs = 3}", '"""\n"""', "'é'", "\0", "{x = {x = {x = {x = {x = {x = 1}}}}}}"),
)
NAMES = (
    *("problem.channels", "problem.images", "problem.resolution", "problem.split", "problem.threads", "darts.epochs"),
    *("problem.split.darts", "problem.split.x"),
    *("darts.alpha_lr", "darts.alpha_betas", "scale.epochs", "pt.supernet", "pt.supernet.epochs", "scale.x", "why.x"),
    *(
        "random.supernet",
        "base",
        "darts",
        "problem",
        "bdarts.regulariser",
        "x.y",
        "'a b'.c",
        "darts.x.y",
    ),
)


@pytest.mark.parametrize("name", NAMES)
def test_other_values_are_used_or_refused(tmp_path, name):
    path, mini = tmp_path / "own.toml", read_preset("mini")
    before = copy.deepcopy(mini)
    for number, value in enumerate(VALUES):
        planned(mini, [f"{name}={value}"], methods=("darts", "pt", "random"))
        if number % 4 == NAMES.index(name) % 4:  # reading its base takes longer than all the rest
            path.write_text(f'base = "mini"\n{name} = {value}\n', encoding="utf-8")
            planned(path, methods=("darts", "pt"))
    assert repr(mini) == repr(before)


def test_each_kind_of_broken_preset_is_refused_by_the_command(tmp_path):
    path = tmp_path / "own.toml"
    broken = (
        *(b"\xff\xfe", b"[problem]\nchannels = 1\nchannels = 2\n", b"[problem]\n[problem]\n", b"x = " + b"[" * 100_000),
        *(
            b"a." * 50_000 + b"b = 1\n",
            b"[" + b"a." * 50_000 + b"b]\n",
            b"x = " + b"9" * 5_000,
            b"x = 1979-13-45",
            b"\0",
        ),
        *(b"[problem]\nchannels = nan", b'base = "mini"\nproblem.channels = inf', b'base = ["mini"]', b"[[problem]]\n"),
        *(b'base = "mini"\n[darts]\nlike = ["pt"]', b'base = "mini"\n[darts]\nlike = {}', b"# " + b"x" * 2_000_000),
        *(
            b'base = "mini"\n[random]\nlike = "pt"\nsupernet = 5',
            b'base = "mini"\n[problem]\nchannels = 1979-05-27',
            b"",
        ),
    )
    for content in broken:
        path.write_bytes(content)
        options = ("--methods", "darts,random", "--seeds", "1", "--preset", str(path), "--out", str(tmp_path / "out"))
        code, said = answer("run", *options)
        assert code == 2, (content[:40], said)
    assert not (tmp_path / "out").exists()


PIECES = (
    "|",
    "+",
    "~",
    "~0",
    "~1",
    "~2",
    "|none~0|",
    "|",
    *OPERATIONS,
    "",
    " ",
    "\n",
    "\0",
    "é",
    "𝟘",
    "~-1",
    "~00",
    "x" * 5000,
)
cells = st.text() | st.lists(st.sampled_from(PIECES)).map("".join)


@settings(max_examples=300, deadline=None)
@given(cells)
def test_any_text_is_a_cell_or_is_refused(text):
    try:
        assert Cell.parse(str(Cell.parse(text))) == Cell.parse(text)
    except CellError as error:
        assert len(str(error)) < 1_000


@settings(max_examples=100, deadline=None)
@given(cells)
def test_any_text_is_answered_by_query(text):
    answer("query", "--truth", "analognas", "--", text)


def test_nearly_right_cells_are_answered_by_query():
    for content in damaged(TEXT.encode(), 150):
        answer("query", "--truth", "analognas", "--", content.decode("utf-8", "surrogateescape"))


ODD = (
    "",
    " ",
    "-1",
    "0",
    "1e99",
    "nan",
    "é",
    "9" * 30,
    "9" * 5000,
    "x" * 5000,
    "/nowhere/x",
    "/dev/null",
    ".",
    "\udcff",
    "a\nb",
)
FILES_OF_DATA = ("data download", "data import", "data verify", "data build")
OPTIONS = {
    "run": (
        "--methods",
        "--images",
        "--epochs",
        "--seeds",
        "--preset",
        "--truth",
        "--set",
        "--precision",
        "--jobs",
        "--device",
    ),
    "study": ("--seeds", "--preset", "--truth", "--set", "--precision", "--jobs", "--device"),
    "report": (),
    "compare": (),
    "query": ("--truth",),
    "data": (),
    "data status": (),
    "data download": (),
    "data import": (),
    "data verify": (),
    "data build": (),
    "speed": ("--against", "--sizes", "--steps", "--device", "--rounds"),
    "methods": (),
    "": ("--help-me",),
}


def command_lines(count):
    """For each command its options and arguments at random, with at least one that cannot be."""
    numbers = random.Random(3)
    right = {"--methods": "random", "--seeds": "1", "--preset": "smoke", "--truth": "analognas", "--rounds": "1"}
    for command, _ in itertools.product(OPTIONS, range(count)):
        line = command.split()
        if command in ("run", "speed"):
            line += ["--device", numbers.choice(("cpu:", "cuda:99", "gpu", "", "cpu:0", "cuda:", "cuda:-1", "cuda:²"))]
        elif command == "study":
            line.append(numbers.choice(("nothing", *ODD)))
        elif command in ("report", "compare", "query", "methods", *FILES_OF_DATA):
            two = command in ("compare", "data build")
            line += numbers.choices(ODD[2:] if command != "methods" else ODD[1:], k=1 + two)
        for option in numbers.sample(OPTIONS[command], k=numbers.randint(0, len(OPTIONS[command]))):
            if option != "--device":
                line += [option, right.get(option, "x") if numbers.random() < 0.6 else numbers.choice(ODD)]
        if numbers.random() < 0.2:
            line.insert(numbers.randint(0, len(line)), numbers.choice(ODD))
        yield line


def test_no_command_line_raises_anything(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "data"))
    for line in command_lines(15):
        code, said = answer(*line)
        assert code == 2 or line[0] in ("methods", "data"), (line, said)
    assert contents(tmp_path) == {}


def test_folders_that_cannot_be_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    run = ("run", "--methods", "random", "--seeds", "1", "--preset", "smoke", "--device", "cpu")
    for odd in ("file", "file/x", "loop", "loop/x", "x" * 5000, "/dev/null", "/proc/x"):
        for line in (
            ("report", odd),
            ("compare", odd, odd),
            ("compare", str(EXAMPLE), str(EXAMPLE), "--out", odd),
            (*run, "--out", odd),
            ("study", "budget", "--seeds", "1", "--preset", "smoke", "--device", "cpu", "--out", odd),
            (*run, "--preset", odd),
            (*run, "--truth", odd),
            (*run, "--truth", f"api:{odd}"),
            ("data", "import", odd),
            ("data", "verify", odd),
            ("data", "build", odd, "out"),
            ("speed", "--device", "cpu", "--out", f"{odd}/x"),
        ):
            code, said = answer(*line)
            assert code == 2, (line, said)
        answer("query", TEXT, "--data-dir", odd)  # which needs none
        answer("data", "status", "--data-dir", odd)
    assert answer("data", "status", "--data-dir", "~nobody-of-that-name")[0] == 2
    assert contents(tmp_path) == {"file": b"x"}
