"""Third parties' methods: nothing that one tells stands where it does not belong, and what it does ends no other."""

import errno
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import strangers
import torch
from strangers import Doing, Told

from benchmark import checkpoint, validation
from benchmark.cli import main
from benchmark.plan import plan
from benchmark.results_folder import Failed, Finished, ResultsFolder
from benchmark.runner import RunContext, Runner
from benchmark.settings import read_preset
from data.folder import DataError
from data.truth import open_truth
from methods import registry
from methods.registry import MethodError
from reports.rows import HISTORY_COLUMNS, read_csv
from spaces import Cell
from spaces.nasbench201.cell import NUM_CELLS

SMOKE = ("--seeds", "1", "--preset", "smoke", "--jobs", "1")


@pytest.fixture(autouse=True)
def short_report(monkeypatch):
    monkeypatch.setattr("reports.write.PLOTS", ("cost",))
    monkeypatch.setattr("benchmark.settings.cores", lambda: 1)


@pytest.fixture
def carried_out(tmp_path, monkeypatch):
    """`carried_out(epoch=…)`: the last news of a run of a method that answers so, and its results folder."""
    truth = open_truth("nasbench201", Path())
    runs = plan(read_preset("smoke"), ["random"], [0])
    monkeypatch.setattr(registry, "load", lambda name: Told)
    runner = Runner(RunContext(tmp_path, tmp_path, "cpu", truth), runs[0].problem)
    (tmp_path / "checkpoints").mkdir()

    def carry_out(**answers):
        Told.answers = answers
        *_, last = runner.attempt(runs[0])
        ResultsFolder(tmp_path, runs, truth).add(last)
        return last

    return carry_out


def failed(last, *said: str) -> None:
    assert isinstance(last, Failed), last
    for part in said:
        assert part in last.error
    assert "\n" not in last.error


def nothing_written(folder: Path) -> None:
    assert not (folder / "runs.csv").exists()
    assert not list((folder / "checkpoints").iterdir())


RESERVED = ("cifar10_test", "cifar100_valid", "seed", "method", "epoch", "phase", "genotype", "skip_connects", "tau")


@pytest.mark.parametrize("name", RESERVED)
@pytest.mark.parametrize("value", [99.9, 42, "darts"])
def test_no_measurement_takes_the_place_of_a_column(carried_out, tmp_path, name, value):
    failed(carried_out(epoch={"pips": 1, name: value}), repr(name), "a column of the program's own")
    nothing_written(tmp_path)


def test_every_column_of_the_history_is_reserved():
    assert {*HISTORY_COLUMNS, *open_truth("nasbench201", Path()).accuracies} <= validation.RESERVED


class Text(str):
    pass


@pytest.mark.parametrize(
    "value",
    [
        *(
            math.nan,
            math.inf,
            -math.inf,
            np.float64("nan"),
            np.float32("inf"),
            torch.tensor(math.nan),
            torch.tensor(1.0),
        ),
        *(None, True, np.True_, 1j, b"1", [1.0], (1,), {}, {"a": 1}, np.ones(1), object(), lambda: 1, 2**63, 10**5000),
        *("", " ", " a", "a\nb", "\0", "\ud800", "x" * 20_000, "nan", "1", "-1e9", "Infinity", "+.5", Text("7")),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("name", ["loss", "train_loss", "pips"])
def test_what_is_no_number_and_no_text_fails_its_run_before_anything_is_written(carried_out, tmp_path, name, value):
    failed(carried_out(epoch={name: value}), name)
    nothing_written(tmp_path)


@pytest.mark.parametrize("name", ["", "a b", "=cmd|x", "@SUM(1)", "a\nb", "é", "1", "-x", 3, None, ("a",), "x" * 65])
def test_what_is_no_name_of_a_column_fails_its_run(carried_out, tmp_path, name):
    failed(carried_out(epoch={name: 1.0}), "cannot name a column")
    nothing_written(tmp_path)


def test_numbers_and_texts_are_read_back_as_they_were_told(carried_out, tmp_path):
    told = {"a": 1, "b": 0.1 + 0.2, "c": np.float32(0.1), "d": np.int8(3), "e": "=cmd|' /C calc'!A0", "f": "@SUM(1)"}
    told |= {"g": "none", "h": "1 2", "i": "True", "j": "'quoted'", "k": "NA", "l": "-", "m": "<b>", "n": 5e-324}
    assert isinstance(carried_out(epoch=told), Finished)
    rows = read_csv(tmp_path / "history.csv")
    for name, value in told.items():
        expected = value.item() if isinstance(value, np.generic) else value
        assert [str(found) for found in rows[name]] == [str(expected)] * 2, name
    text = (tmp_path / "history.csv").read_text()
    assert "=cmd" in text and not re.search(r"(^|,)[\"]?[=@+]", text, re.MULTILINE), "no cell is a formula"


@pytest.mark.parametrize(
    "answers",
    [
        *({"epoch": value} for value in (None, [], 1.0, "x")),
        *({"cell": value} for value in (None, "x", str(Cell.at(0)), (0, 0, 0, 0, 0, 0), 7, object())),
        *({"scores": value} for value in (1.0, [1.0], np.ones(3), np.ones((NUM_CELLS, 1)), np.full(NUM_CELLS, "x"))),
        *({"alternative_cell": value} for value in (1, "x", ("x",), ("x", "y"), (lambda: 1, Cell.at(0)), lambda: 1)),
        *({"alternative_cell": (name, Cell.at(0))} for name in ("", "a\nb", "7", "nan", 3)),
        *({"state": value} for value in (None, [], {"x": object()}, {"x": lambda: 1}, {(1, 2): 3}, {"x": np.ones(3)})),
        *({"state": {"x": value}} for value in (10**5000, {1}, b"x", 1j, torch.ones(2).to_sparse(), range(3))),
        *({"epochs": value} for value in (0, -1, 1.5, "2", None, True, 10**9, math.inf)),
        *({"asks": value} for value in (1, "", "cifar10", ["cifar10_test"])),
    ],
    ids=lambda answers: next(iter(answers)),
)
def test_what_a_method_may_not_tell_is_its_runs_failure(carried_out, tmp_path, answers):
    last = carried_out(**answers)
    failed(last, "MethodFailed: ")
    assert not last.transient
    assert not (tmp_path / "runs.csv").exists()
    if not {"alternative_cell", "asks"} & set(answers):  # asked for when all epochs are done
        nothing_written(tmp_path)
    assert isinstance(carried_out(), Finished), "mended, it goes on"


def raising(error: BaseException) -> Doing:
    def do():
        raise error

    return Doing(do)


def nested(levels: int) -> dict:
    return {"x": nested(levels - 1)} if levels else {}


class Untold(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


class TwoArguments(Exception):
    """Which cannot be made again in another process."""

    def __init__(self, one, other):
        super().__init__(one)


@pytest.mark.parametrize("part", ["__init__", "epoch", "cell", "scores", "state", "alternative_cell"])
@pytest.mark.parametrize(
    "error",
    [
        *(OSError(errno.ENOSPC, "No space left"), FileNotFoundError(2, "gone"), DataError("no table"), SystemExit(0)),
        *(
            BrokenPipeError(),
            EOFError(),
            StopIteration(),
            GeneratorExit(),
            RecursionError("deep"),
            Untold(),
            MethodError("x"),
        ),
        *(
            TwoArguments(1, 2),
            ValueError("\ud800\x1b[2J"),
            AssertionError(),
            UnicodeDecodeError("utf-8", b"x", 0, 1, "x"),
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_method_raises_is_its_runs_failure(carried_out, part, error):
    last = carried_out(**{part: raising(error)})
    failed(last, type(error).__name__)
    assert last.error.isprintable() and "Traceback" in last.details
    assert isinstance(carried_out(), Finished)


def test_an_interrupt_of_its_own_is_no_stop(carried_out, monkeypatch):
    monkeypatch.setattr("signal.getsignal", lambda _: None)  # as where a command handles Ctrl-C
    failed(carried_out(epoch=raising(KeyboardInterrupt())), "KeyboardInterrupt")
    monkeypatch.undo()


def test_a_state_of_many_levels_is_refused(carried_out, tmp_path):
    failed(carried_out(state=nested(60)), "nested deeper than 50 levels")
    nothing_written(tmp_path)
    assert isinstance(carried_out(state=nested(20)), Finished)


def test_a_checkpoint_holds_nothing_that_was_not_checked(carried_out, tmp_path):
    """As where the method has an error in its second epoch and is mended: it goes on from the first."""
    cells = iter([Cell.at(3), "no cell"])
    failed(carried_out(cell=Doing(lambda: next(cells))), "cell() returned something of type str")
    (path,) = (tmp_path / "checkpoints").glob("*.safetensors")
    saved = checkpoint.read(path, pytest.fail)
    assert len(saved.rows) == 1 and saved.rows[0]["genotype"] == str(Cell.at(3))
    last = carried_out()
    assert isinstance(last, Finished) and last.history[0]["genotype"] == str(Cell.at(3))


def test_a_device_that_fails_is_the_commands(carried_out):
    from benchmark.errors import RunError

    with pytest.raises(RunError, match="the device failed"):
        carried_out(epoch=raising(torch.AcceleratorError("illegal address")))
    failed(carried_out(epoch=raising(MemoryError())), "MemoryError")


# Names and packages


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.startswith("stranger")]:
        del sys.modules[name]


BAD_NAMES = (
    *("../../x", "nan", "null", "none", "na", "inf", "true", "201", "001", "1e5", "-x", "x-", "a--b", "a_b", "A", "é"),
    *("a+b", "a.b", "a/b", "a b", "problem", "base", "like", "optimal", "x" * 41, "a,b", "<b>", "@x"),
)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_of_another_form_is_refused_where_it_enters(site, tmp_path, name, capsys):
    strangers.install(site, {name: "Honest"})
    assert name not in registry.names() and "darts" in registry.names()
    with pytest.raises(MethodError, match="calls it so"):
        registry.load(name)
    assert main(["methods"]) == 0
    listed = capsys.readouterr().out
    assert "Installed, but not to be used:" in listed and registry.shown(name) in listed
    assert main(["run", f"--methods={name}", *SMOKE, "--out", str(tmp_path / "out" / "in")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("benchmark: ") and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("name", ["a", "dice", "x2", "rl-nas-2", "x" * 40])
def test_a_name_of_the_right_form_is_taken(site, name):
    strangers.install(site, {name: "Honest"})
    assert name in registry.names() and registry.load(name).__name__ == "Honest"


BROKEN = {
    "raises": "raise RuntimeError('no licence\\nhere')",
    "exits": "sys.exit(0)",
    "needs": "import a_module_that_nobody_has",
    "is-wrong": "def (",
    "no-search": "class Honest: pass",
    "no-class": "Honest = 3",
    "is-absent": "del Honest",
    "is-abstract": "class Honest(Search):\n    Settings, source = Settings, 'x'",
    "no-settings": "Honest.Settings = None",
    "no-source": "Honest.source = None",
    "follows-a-number": "Honest.follows = 3",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_package_that_is_broken_is_listed_with_its_reason_and_the_others_go_on(site, tmp_path, name, capsys):
    strangers.install(site, {name: "Honest"}, BROKEN[name])
    assert main(["methods"]) == 0
    head, _, broken = capsys.readouterr().out.partition("Installed, but not to be used:")
    assert "darts  " in head and name not in head
    assert f"{name}': method" in broken and "Traceback" not in broken
    assert main(["methods", name]) == 2
    assert main(["methods", "darts"]) == 0
    assert main(["run", "--methods", f"random,{name}", *SMOKE, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("benchmark: ") == 2


def test_two_packages_with_one_name_are_told_apart_by_nobody(site, capsys):
    strangers.install(site, {"dice": "Honest"})
    strangers.install(site, {"dice": "Honest"}, module="stranger2")
    with pytest.raises(MethodError, match=r"stranger2?:Honest and stranger2?:Honest all have this name"):
        registry.load("dice")
    strangers.install(site, {"darts": "Honest"}, module="stranger2")
    assert main(["methods"]) == 0
    assert "'darts': " in capsys.readouterr().out, "not ours, and not theirs in its place"


@pytest.mark.parametrize("content", [b"[benchmark.methods]\nnonsense\n", b"\xff\xfe", b"[benchmark.methods]\n = x\n"])
def test_damaged_metadata_of_a_package_are_no_end_of_all(site, content, capsys):
    strangers.install(site, {"dice": "Honest"})
    (site / "stranger-1.0.dist-info" / "entry_points.txt").write_bytes(content)
    assert main(["methods"]) == 0
    assert "darts  " in capsys.readouterr().out
    assert registry.load("darts").__name__ == "Darts"


# What it does to its process, end to end

DOING = '''
class Ending(Honest):
    """Ending: ends its process in the middle"""

    def epoch(self):
        os._exit(0)


class Killing(Honest):
    """Killing: ends its process from outside"""

    def epoch(self):
        os.kill(os.getpid(), 9)


class Opening(Honest):
    """Opening: wants a file"""

    def epoch(self):
        open("/nonexistent")


class Telling(Honest):
    """Telling: a function instead of a name"""

    def alternative_cell(self):
        return lambda: 1


class Interrupting(Honest):
    """Interrupting: stops"""

    def epoch(self):
        raise KeyboardInterrupt


class Raising(Honest):
    """Raising: what cannot be sent"""

    def epoch(self):
        class Local(Exception):
            def __init__(self, one, other):
                super().__init__(lambda: 1)

        raise Local(1, 2)
'''
SAID = {
    "ending": "ended with exit code 0, 3 times without finishing an epoch",
    "killing": "ended by signal SIGKILL, 3 times without finishing an epoch",
    "opening": "FileNotFoundError: ",
    "telling": "MethodFailed: alternative_cell() returned something of type function",
    "interrupting": "KeyboardInterrupt",
    "raising": "Local: ",
}


@pytest.mark.parametrize(
    ("jobs", "kinds"),
    [("1", ("ending", "opening")), ("2", ("killing", "telling", "interrupting", "raising"))],
)
def test_whatever_one_does_the_others_come_to_their_end(site, tmp_path, capsys, jobs, kinds):
    strangers.install(site, {kind: kind.capitalize() for kind in (*kinds, "honest")}, DOING)
    methods = ",".join((*kinds, "honest", "random"))
    given = [
        "run",
        "--methods",
        methods,
        "--seeds",
        "1",
        "--preset",
        "smoke",
        "--jobs",
        jobs,
        "--out",
        str(tmp_path / "o"),
    ]
    assert main(given) == 1
    error = capsys.readouterr().err
    assert f"{len(kinds)} of {len(kinds) + 2} runs failed" in error and error.count("\n") == 1
    assert set(read_csv(tmp_path / "o" / "runs.csv").method) == {"honest", "random"}
    failures = read_csv(tmp_path / "o" / "failures.csv").set_index("method")
    for kind in kinds:
        assert SAID[kind] in failures.error[kind]
        assert failures.transient[kind] == (kind == "killing")
    assert f"{len(kinds)} runs failed" in (tmp_path / "o" / "summary.md").read_text()


def test_a_mended_method_goes_on_from_what_was_right(site, tmp_path):
    """Through the command: an invalid cell in epoch 2, then the package is mended, and `--retry-failed`."""
    wrong = "class Dice(Honest):\n    def cell(self):\n        return Cell.at(7) if self.done < 2 else 'none'\n"
    strangers.install(site, {"dice": "Dice"}, wrong)
    given = ["run", "--methods", "dice", *SMOKE, "--out", str(tmp_path / "o")]
    assert main(given) == 1
    strangers.install(site, {"dice": "Dice"}, wrong.replace("'none'", "Cell.at(8)"))
    assert main([*given, "--retry-failed"]) == 0
    history = read_csv(tmp_path / "o" / "history.csv")
    assert history.genotype.tolist() == [str(Cell.at(7)), str(Cell.at(8))]
    assert history.pips.tolist() == [1, 2]


SETTINGS = {
    "local": "def made():\n    @dataclass(frozen=True)\n    class Odd:\n        epochs: int = 2\n    return Odd\n"
    "class Dice(Honest):\n    Settings = made()\n",
    "type": "@dataclass(frozen=True)\nclass Odd:\n    epochs: int = 2\n    x: object = object()\n"
    "class Dice(Honest):\n    Settings = Odd\n",
    "refusal": "@dataclass(frozen=True)\nclass Odd:\n    epochs: int = 2\n    def __post_init__(self):\n"
    "        raise LookupError('no')\nclass Dice(Honest):\n    Settings = Odd\n",
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_settings_that_cannot_be_used_are_said_before_anything_runs(site, tmp_path, capsys, kind):
    strangers.install(site, {"dice": "Dice"}, SETTINGS[kind])
    assert main(["run", "--methods", "random,dice", *SMOKE, "--out", str(tmp_path / "o")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("benchmark: the settings of ") and "dice" in error and error.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_descriptions_are_the_same_without_docstrings():
    """As Python has none with -OO."""
    plain, bare = (
        subprocess.run(
            [sys.executable, *flags, "-m", "benchmark", "methods", *name], capture_output=True, text=True, check=True
        ).stdout
        for flags, name in (([], ["darts"]), (["-OO"], ["darts"]))
    )
    assert plain == bare and "darts: DARTS, first order" in plain


def test_a_failure_is_told_in_rows_that_can_be_read(carried_out, tmp_path):
    odd = type("=cmd|x", (Exception,), {})
    failed(carried_out(epoch=raising(odd("'a, b\nc"))), "=cmd|x: 'a, b c")
    rows = read_csv(tmp_path / "failures.csv")
    assert rows.error.tolist() == ["=cmd|x: 'a, b c"]
    assert "\"'=cmd" in (tmp_path / "failures.csv").read_text()
    json.dumps(rows.to_dict("list"))
    pd.testing.assert_frame_equal(rows, read_csv(tmp_path / "failures.csv"))
    assert [path.name for path in (tmp_path / "failures").iterdir()] == ["random-seed0.txt"]
