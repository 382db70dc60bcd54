"""What a command leaves of itself in its results folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmark.cli import main
from benchmark.plan import plan
from benchmark.provenance import checkout, settings_of, without_home
from benchmark.settings import PRESETS, override, read_preset, table_of
from data.folder import DataError
from methods import registry
from methods.pt import PT
from reports.provenance import FILE, read_provenance

RUN = ["run", "--methods", "random", "--seeds", "2", "--preset", "smoke", "--jobs", "1"]


def sources(methods: list[str], preset: str, changes: tuple[str, ...] = ()) -> dict[str, tuple[object, str]]:
    runs = plan(override(read_preset(preset), changes), methods, [0])
    return {setting.name: (setting.value, setting.source) for setting in settings_of(preset, runs)}


def test_commands_add_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*RUN, "--out", str(tmp_path / "of me & co")]
    assert main(command) == 0
    assert capsys.readouterr().out.rstrip().endswith("report.html")
    assert main([*command, "--set", "random-search.budget=3"]) == 0
    found = read_provenance(tmp_path / "of me & co")
    assert found is not None
    first, second = found.commands
    assert first.command == f"python -m benchmark {' '.join(RUN)} --out '{tmp_path}/of me & co'"
    assert second.command.endswith("--set random-search.budget=3")
    assert (first.runs, first.to_do, second.to_do, first.seeds, first.methods) == (2, 2, 0, (0, 1), ("random",))
    assert first.wall_seconds is not None and 0 <= first.wall_seconds < 60
    assert first.started <= second.started
    assert (first.images, first.preset, first.device, first.gpu) == ("digits", "smoke", "cpu", None)
    assert len(first.truth_checksum) == 64
    assert first.packages.keys() >= {"python", "torch", "numpy", "replica-201", "glibc"}
    assert first.computed_by.startswith("layers v") and first.computed_by.endswith("; PyTorch's kernels for AVX2")
    assert "g++" in first.computed_by
    page = (tmp_path / "of me & co" / "report.html").read_text()
    assert "&#39;" in page and "of me &amp; co" in page


def test_it_names_no_path_that_was_not_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.chdir(tmp_path)
    assert main([*RUN, "--out", "here"]) == 0
    text = (tmp_path / "here" / FILE).read_text()
    for private in ("somebody", str(tmp_path), str(Path(__file__).parent.parent)):
        assert private not in text


def test_an_interrupted_command_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise DataError("no such thing")

    with monkeypatch.context() as patched:
        patched.setattr("benchmark.runner.Runner.run_stages", fail)
        assert main([*RUN, "--out", str(tmp_path)]) == 2
    assert main([*RUN, "--out", str(tmp_path)]) == 0
    found = read_provenance(tmp_path)
    assert found is not None
    assert [entry.wall_seconds is None for entry in found.commands] == [True, False]


def test_damaged_provenance_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / FILE).write_text("{")
    assert main([*RUN, "--out", str(tmp_path)]) == 2
    assert "provenance.json cannot be read" in capsys.readouterr().err
    assert (tmp_path / FILE).read_text() == "{"


def test_every_setting_has_its_source() -> None:
    found = sources(["darts", "pt", "bdarts+pt"], "mini", ("darts.lr=0.5", "problem.precision=bf16"))
    assert found["problem.resolution"] == (8, "8 × 8 pixels of the paper's 32 × 32")
    assert found["problem.split"] == ("halves", "of so few images there is no other")
    assert found["darts.lr"] == (0.5, "changed; the preset has 0.025")
    assert found["problem.precision"] == ("bf16", "changed")
    assert found["darts.regulariser"] == ("none", "the program's default")
    assert found["pt.finetune_epochs"][1].startswith("5 epochs in all")
    assert found["bdarts.strength_epochs"] == (40, "0.4 of the published 100")
    assert found["pt.supernet.epochs"] == (20, "0.4 of the published 50"), "mini trains it by [darts] itself"
    assert not any(name.startswith("bdarts+pt") for name in found)


def test_the_split_of_each_method_has_its_source() -> None:
    found = sources(["darts", "bdarts", "sgas+pt", "random"], "paper", ("problem.split.sgas=cifar-split",))
    why = "instead of cifar-split: AutoDL-Projects' cifar-split.txt is not in the data folder"
    assert found["problem.split.darts"][0] == "halves" and found["problem.split.darts"][1].startswith(why)
    assert found["problem.split.bdarts"][1].startswith("Beta-DARTS, train_search.py")
    assert found["problem.split.random"] == ("halves", "the program's default")
    assert found["problem.split.sgas+pt"][1].startswith(why)
    found = sources(["bdarts", "pt"], "proxy", ("problem.split=cifar-split",))
    assert found["problem.split"][0] == "halves" and "problem.split.pt" not in found


@pytest.mark.parametrize("preset", PRESETS)
def test_nothing_of_a_preset_counts_as_changed(preset: str) -> None:
    found = sources(registry.names(), preset)
    assert {name: source for name, (_, source) in found.items() if source.startswith("changed") or not source} == {}


def test_the_paper_s_supernet_of_pt_has_its_own_sources() -> None:
    found, supernet = sources(["pt"], "paper"), table_of(read_preset("paper"), "pt")["supernet"]
    assert set(supernet) == set(PT.start_settings)
    for name, value in supernet.items():
        assert found[f"pt.supernet.{name}"][0] == value
        assert "changed" not in found[f"pt.supernet.{name}"][1]


def test_a_study_records_each_variant(tmp_path: Path) -> None:
    given = ["study", "precision", "--seeds", "1", "--preset", "smoke", "--jobs", "1", "--out", str(tmp_path)]
    assert main([*given, "--set", "darts.epochs=1", "--set", "bdarts.epochs=1"]) == 0
    values = {}
    for variant in ("fp32", "bf16"):
        found = read_provenance(tmp_path / variant)
        assert found is not None and found.commands[0].command.startswith("python -m benchmark study precision")
        values[variant] = found.value("problem.precision")
    assert values == {"fp32": "fp32", "bf16": "bf16"}


def test_home_is_written_as_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert without_home("run --out /home/me/a --data-dir=/home/me --x '/home/me/a b'") == (
        "run --out ~/a --data-dir=~ --x '~/a b'"
    )
    assert without_home("/mnt/home/me/a /home/mean") == "/mnt/home/me/a /home/mean"


def test_a_checkout_is_told_from_an_installation(tmp_path: Path) -> None:
    assert checkout(tmp_path) == (None, False)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "file").write_text("a")
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    commit, changed = checkout(tmp_path)
    assert commit is not None and len(commit) == 40 and not changed
    (tmp_path / "file").write_text("b")
    assert checkout(tmp_path) == (commit, True)
