"""`reproduce`: a folder's recorded commands anew, and every number beside the first one."""

import dataclasses
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmark.cli import main, parser
from benchmark.provenance import with_home, without_home
from benchmark.reproduce import as_recorded, command_line
from methods.darts import Darts
from reports.provenance import FILE, Provenance, read_provenance
from reports.reproduction import differing_facts, differing_runs

RUN = ["run", "--methods", "darts,random", "--preset", "smoke", "--set", "darts.epochs=2", "--jobs", "1"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder that one command began and another went on with."""
    out = tmp_path_factory.mktemp("made") / "first"
    assert main([*RUN, "--seeds", "1", "--out", str(out)]) == 0
    assert main([*RUN, "--seeds", "2", "--out", str(out)]) == 0
    return out


@pytest.fixture
def there(made, tmp_path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "there"))


def edit(path: Path, row: int, column: str, value: object) -> None:
    rows = pd.read_csv(path, dtype={"settings": str, "truth_checksum": str})
    rows[column] = rows[column].astype(object)
    rows.loc[row, column] = value
    rows.to_csv(path, index=False)


def rewrite(folder: Path, **changes: object) -> None:
    """Changes what the folder says of all its commands."""
    provenance = read_provenance(folder)
    assert provenance is not None
    entries = tuple(dataclasses.replace(entry, **changes) for entry in provenance.commands)
    (folder / FILE).write_bytes(Provenance(entries).encoded())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_commands_anew_give_the_same_rows_and_leave_nothing(there, tmp_path, capsys, monkeypatch):
    before = contents(there)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    assert main(["reproduce", str(there), "--jobs", "2"]) == 0
    told = capsys.readouterr().out
    assert told.count("Anew: python -m benchmark run") == 2
    assert "4 of 4 runs the same to the last bit" in told
    assert "Settings, versions, kernels and processor are the same." in told
    assert contents(there) == before
    assert list((tmp_path / "temporary").iterdir()) == []


def test_what_differs_is_said_and_the_exit_code_is_1(there, tmp_path, capsys):
    loss = pd.read_csv(there / "history.csv")["train_loss"][1]
    edit(there / "history.csv", 1, "train_loss", loss * (1 + 2**-52))  # the last bit, in the second epoch of a seed
    packages = {**read_provenance(there).commands[0].packages, "torch": "1.0"}
    rewrite(there, packages=packages, processor="Abacus")
    out = tmp_path / "again"
    assert main(["reproduce", str(there), "--out", str(out)]) == 1
    told = capsys.readouterr().out
    assert "3 of 4 runs the same to the last bit" in told
    assert "darts-seed0: differs from epoch 2 on, first in train_loss; ends with the same cell" in told
    assert "torch: 1.0 there, " in told
    assert "processor: Abacus, " in told
    # The same command finds the runs done, and a folder so made can be reproduced in its turn.
    assert main(["reproduce", str(there), "--out", str(out)]) == 1
    assert capsys.readouterr().out.count("1/4") == 0
    assert command_line(read_provenance(out).commands[0])[0] == "run"


def test_a_study_anew(tmp_path, capsys):
    given = ["study", "precision", "--seeds", "1", "--preset", "smoke", "--set", "darts.epochs=1"]
    assert main([*given, "--set", "bdarts.epochs=1", "--out", str(tmp_path / "study")]) == 0
    assert main(["reproduce", str(tmp_path / "study")]) == 0
    told = capsys.readouterr().out
    assert told.count("Anew: ") == 1
    assert "4 of 4 runs the same" in told
    edit(tmp_path / "study" / "bf16" / "runs.csv", 0, "rank", 7)
    assert main(["reproduce", str(tmp_path / "study")]) == 1
    assert "bf16 darts-seed0: has the same history, but differs in rank" in capsys.readouterr().out
    assert main(["reproduce", str(tmp_path / "study" / "bf16")]) == 2
    assert "is one variant of a study" in capsys.readouterr().err


def test_the_ways_in_which_a_run_can_differ(made, there):
    def differences() -> dict[str, str | None]:
        return differing_runs(made, there)

    assert set(differences().values()) == {None}
    edit(there / "scores.csv", 3, "score", 0.5)
    assert differences()["darts-seed0"] == "has the same history and cell, but other scores"
    edit(there / "runs.csv", 0, "genotype", "another")
    edit(there / "runs.csv", 1, "search_seconds", 1e6)
    edit(there / "runs.csv", 1, "device", "Abacus")
    assert differences()["darts-seed0"] == "has the same history, but differs in genotype"
    edit(there / "history.csv", 0, "weights", "0.2")
    edit(there / "history.csv", 1, "tau", float("nan"))
    assert differences()["darts-seed0"] == "differs from epoch 1 on, first in weights; ends with another cell"
    assert differences()["darts-seed1"] is None
    rows = pd.read_csv(there / "history.csv")
    rows.drop(index=3).to_csv(there / "history.csv", index=False)
    assert str(differences()["darts-seed1"]).startswith("differs from epoch 2 on")
    (there / "runs.csv").unlink()
    assert set(differences().values()) == {"did not end here"}
    pd.DataFrame(
        [{"method": "darts", "seed": 1, "settings": "a", "error": "E: no", "transient": 0, "details": "x"}]
    ).to_csv(there / "failures.csv", index=False)
    assert differences()["darts-seed1"] == "failed here (E: no)"
    (there / "runs.csv").write_bytes((made / "runs.csv").read_bytes())
    (there / "history.csv").write_bytes((made / "history.csv").read_bytes())
    assert differing_runs(there, made)["darts-seed1"] == "failed there (E: no), and not here"


def test_a_run_that_fails_anew_does_not_stop_the_others(there, capsys, monkeypatch):
    def fail(*_: object) -> None:
        raise ArithmeticError("no more numbers")

    monkeypatch.setattr(Darts, "alternate", fail)
    assert main(["reproduce", str(there), "--jobs", "1"]) == 1
    told = capsys.readouterr().out
    assert "2 of 4 runs the same to the last bit" in told
    assert "darts-seed1: failed here (ArithmeticError: no more numbers)" in told


def test_settings_and_facts_of_the_machine_beside_each_other(made):
    there = read_provenance(made)
    assert there is not None
    assert differing_facts(there, there) == []
    first, second = there.commands
    lr, *rest = first.settings
    changed = dataclasses.replace(
        first, settings=(dataclasses.replace(lr, value="gold"), *rest), kernels=None, commit="abc", changed=True
    )
    lines = differing_facts(Provenance((first,)), Provenance((changed, second)))
    assert lines[0] == f"setting {lr.name}: {lr.value!r} there, 'gold' / {lr.value!r} here"
    assert lines[1] == f"kernels: {first.computed_by} there, not recorded / {first.computed_by} here"
    assert lines[2].endswith(
        f"abc, with local changes / {first.commit or 'not run from a checkout'}"
        + ", with local changes" * second.changed
        + " here"
    )


@pytest.mark.parametrize("stop", [KeyboardInterrupt, None])
def test_stopped_it_leaves_nothing_behind_and_goes_on_where_it_was_told_to(there, tmp_path, capsys, monkeypatch, stop):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmark.runner.Runner.run_stages", interrupt)
    where = [] if stop else ["--out", str(tmp_path / "kept")]
    assert main(["reproduce", str(there), "--jobs", "1", *where]) == 130
    assert list((tmp_path / "temporary").iterdir()) == []
    assert ("goes on from the last finished epoch" in capsys.readouterr().err) == (stop is None)


def test_what_cannot_be_reproduced_is_refused_in_one_sentence(there, tmp_path, capsys):
    def said(*arguments: str) -> str:
        assert main(["reproduce", *arguments]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        return lines[0]

    assert "has no command in a provenance.json" in said(str(tmp_path))
    assert "has no command in a provenance.json" in said(str(tmp_path / "nowhere"))
    assert "is the folder to be reproduced" in said(str(there), "--out", f"{there}/../{there.name}")
    assert "--jobs 0" in said(str(there), "--jobs", "0")
    for command, why in (
        ("rm -rf /", "is no `run` and no `study`"),
        ("python -m benchmark data download nb201", "is no `run` and no `study`"),
        ("python -m benchmark run 'unclosed", "is no `run` and no `study`"),
        ("python -m benchmark run --methods darts --warp 9", "unrecognized arguments: --warp 9"),
        ("python -m benchmark run --methods drats", "drats"),
    ):
        rewrite(there, command=command)
        assert why in said(str(there))
    rewrite(there, command="python -m benchmark run --methods random", truth_checksum="0" * 64)
    assert "SHA-256 000000000000…, which is not here" in said(str(there))
    rewrite(there, gpu="H100")
    assert "computed on a GPU (H100)" in said(str(there))
    (there / FILE).write_text("{")
    assert "provenance.json cannot be read" in said(str(there))


def test_a_preset_s_file_that_is_gone_is_named(there, capsys):
    rewrite(there, preset="~/gone.toml")
    assert main(["reproduce", str(there)]) == 2
    assert "there is no preset" in capsys.readouterr().err


def test_runs_of_a_gpu_are_asked_of_a_gpu(made, monkeypatch):
    provenance = read_provenance(made)
    assert provenance is not None
    entry = provenance.commands[0]
    assert as_recorded(entry, parser()).device == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert as_recorded(dataclasses.replace(entry, device="cuda:3", gpu="H100"), parser()).device == "cuda"


def test_home_is_where_it_was_typed(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    for word in ("/home/me/a b", "--data-dir=/home/me", "/mnt/home/me", "problem.split=/home/me/split.txt", "a~b"):
        assert with_home(without_home(word)) == word
