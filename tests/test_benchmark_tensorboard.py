"""Curves for TensorBoard: what TensorBoard itself reads out of them, also when a stopped command has gone on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmark.cli import main
from benchmark.errors import RunError
from benchmark.plan import plan
from benchmark.results_folder import Failed, Finished
from benchmark.runner import Event, News, Notice
from benchmark.settings import read_preset
from benchmark.tensorboard import Curves, with_curves

RUN = ["run", "--methods", "darts,rlnas", "--seeds", "2", "--epochs", "2", "--preset", "smoke", "--jobs", "1"]
CHOSEN = ["chosen/accuracy", "chosen/rank", "chosen/regret"]


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every curve of one run: its steps and values, in order."""
    found = EventAccumulator(str(folder))
    found.Reload()
    return {name: [(event.step, event.value) for event in found.Scalars(name)] for name in found.Tags()["scalars"]}


def event(epoch: int, **measured: Any) -> Event:
    return Event("darts-seed0", epoch, 4, "", measured, 50 + epoch)


def finished(epochs: int) -> Finished:
    same = {"method": "darts", "seed": 0}
    row = {**same, "metric": "cifar10_test", "cifar10_test": 90.0, "regret": 4.0, "rank": 8000, "epochs": epochs}
    history = [
        {**same, "epoch": epoch, "phase": "darts", "genotype": "", "skip_connects": 2, "cifar10_test": 50 + epoch}
        | {"train_loss": 1 / epoch, "weights": "0.2 0.2", "tau": None}
        for epoch in range(1, epochs + 1)
    ]
    return Finished(row, history, [])


def test_a_command_writes_what_its_rows_say(tmp_path: Path) -> None:
    assert main([*RUN, "--out", str(tmp_path / "with"), "--tensorboard"]) == 0
    assert main([*RUN, "--out", str(tmp_path / "without")]) == 0
    assert not (tmp_path / "without" / "tensorboard").exists()
    (runs, history), (other_runs, other_history) = (
        [pd.read_csv(tmp_path / folder / f"{name}.csv", dtype={"settings": str}) for name in ("runs", "history")]
        for folder in ("with", "without")
    )
    pd.testing.assert_frame_equal(history, other_history)
    pd.testing.assert_frame_equal(runs.drop(columns="search_seconds"), other_runs.drop(columns="search_seconds"))
    written = {path.name: curves(path) for path in (tmp_path / "with" / "tensorboard").iterdir()}
    assert set(written) == {"darts-seed0", "darts-seed1", "rlnas-seed0", "rlnas-seed1"}
    names = {
        "accuracy/true": "cifar10_test",
        "accuracy/train": "train_accuracy",
        "accuracy/valid": "valid_accuracy",
        "loss/train": "train_loss",
        "loss/valid": "valid_loss",
        "search/largest_weight": "largest_weight",
    }
    found = written["darts-seed1"]
    assert sorted(found) == sorted([*names, *CHOSEN])
    of_run = history[(history["method"] == "darts") & (history["seed"] == 1)]
    for name, column in names.items():
        assert [step for step, _ in found[name]] == [1, 2]
        assert [value for _, value in found[name]] == pytest.approx(list(of_run[column]))
    row = runs[(runs["method"] == "darts") & (runs["seed"] == 1)].iloc[0]
    for name in ("regret", "rank"):
        assert found[f"chosen/{name}"] == [(2, pytest.approx(row[name]))]
    assert found["chosen/accuracy"] == [(2, pytest.approx(row["cifar10_test"]))]
    assert "search/angle" in written["rlnas-seed0"] and "loss/valid" not in written["rlnas-seed0"]


def test_a_study_keeps_its_variants_apart(tmp_path: Path) -> None:
    given = ["study", "precision", "--seeds", "1", "--preset", "smoke", "--jobs", "1", "--out", str(tmp_path)]
    assert main([*given, "--set", "darts.epochs=1", "--set", "bdarts.epochs=1", "--tensorboard"]) == 0
    written = {str(path.relative_to(tmp_path / "tensorboard")) for path in tmp_path.glob("tensorboard/*/*")}
    assert written == {f"{variant}/{method}-seed0" for variant in ("fp32", "bf16") for method in ("darts", "bdarts")}


def test_a_command_that_goes_on_writes_no_step_twice(tmp_path: Path) -> None:
    with Curves(tmp_path) as stopped:
        for epoch in (1, 2, 3):
            stopped(event(epoch, train_loss=float(epoch)))
    with Curves(tmp_path) as gone_on:  # from the checkpoint of epoch 1, as the disk has forgotten the later ones
        for epoch in (2, 3, 4):
            gone_on(event(epoch, train_loss=10.0 * epoch))
        gone_on(finished(4))
    found = curves(tmp_path / "darts-seed0")
    assert found["loss/train"] == [(1, 1.0), (2, 20.0), (3, 30.0), (4, 40.0)]
    assert found["accuracy/true"] == [(1, 51), (2, 52), (3, 53), (4, 54)]
    assert found["chosen/rank"] == [(4, 8000)]


def test_a_worker_that_takes_over_from_an_older_checkpoint_writes_no_step_twice(tmp_path: Path) -> None:
    with Curves(tmp_path) as curves_:
        for epoch, loss in ((1, 1.0), (2, 2.0), (3, 3.0), (2, 20.0), (3, 30.0)):
            curves_(event(epoch, train_loss=loss))
    assert curves(tmp_path / "darts-seed0")["loss/train"] == [(1, 1.0), (2, 20.0), (3, 30.0)]


def test_a_run_that_only_had_to_be_noted_down_has_all_its_epochs_once(tmp_path: Path) -> None:
    with Curves(tmp_path) as stopped:
        for epoch in (1, 2):
            stopped(event(epoch, train_loss=7.0))
    with Curves(tmp_path) as gone_on:
        gone_on(finished(3))
    found = curves(tmp_path / "darts-seed0")
    assert found["loss/train"] == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    assert sorted(found) == ["accuracy/true", *CHOSEN, "loss/train"]


def test_other_news_is_passed_on_and_written_nowhere(tmp_path: Path) -> None:
    (run,) = plan(read_preset("smoke"), ["darts"], [0])
    heard: list[News] = []
    failed = Failed(run, "no", "", False)
    with with_curves(heard.append, tmp_path) as report:
        report(Notice("a checkpoint is damaged"))
        assert list(tmp_path.iterdir()) == []
        report(event(1, weights="0.2 0.2", operation="none"))
        report(failed)
        report(event(1, train_loss=1.0))
    assert [type(news) for news in heard] == [Notice, Event, Failed, Event]
    assert set(curves(tmp_path / "darts-seed0")) == {"accuracy/true", "loss/train"}


def test_without_a_folder_there_is_nothing_between(tmp_path: Path) -> None:
    heard: list[News] = []
    with with_curves(heard.append, None) as report:
        report(event(1))
    assert heard == [event(1)]


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Curves(tmp_path / "file") as written, pytest.raises(RunError, match="without --tensorboard it writes no"):
        written(event(1))


def test_without_the_package_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("benchmark.tensorboard.find_spec", lambda name: None)
    for command in (RUN, ["study", "precision", "--preset", "smoke"]):
        assert main([*command, "--out", str(tmp_path / "out"), "--tensorboard"]) == 2
        assert capsys.readouterr().err == (
            "benchmark: --tensorboard needs a package that is not here: pip install 'replica-201[tensorboard]'\n"
        )
    assert not (tmp_path / "out").exists()
