"""The studies through the command line, on a few digits."""

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from benchmark.cli import main
from benchmark.settings import override, read_preset
from benchmark.study import PlannedVariant, StudyInputs, plan_variants
from reports import studies
from reports.provenance import read_provenance
from reports.studies.budget import SHARES
from reports.studies.regularisers import LAMBDAS

SMALL = ("--seeds", "1", "--preset", "smoke", "--jobs", "1", "--truth", "analognas")
SMALL += ("--set", "problem.training_images=80", "--set", "darts.epochs=4", "--set", "bdarts.epochs=4")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """`study("budget")`: the folder of that study, run once."""
    done: dict[str, Path] = {}

    def study(name: str) -> Path:
        if name not in done:
            done[name] = tmp_path_factory.mktemp(name)
            data = str(done[name] / "data")
            assert main(["study", name, *SMALL, "--out", str(done[name]), "--data-dir", data]) == 0
        return done[name]

    return study


def plan_study(name: str, inputs: StudyInputs) -> list[PlannedVariant]:
    return plan_variants(studies.load(name).variants(inputs), inputs, [0])


def planned(name: str, tmp_path: Path) -> dict:
    given = StudyInputs(read_preset("smoke"), tmp_path)
    return {variant.name: (variant, runs) for variant, runs in plan_study(name, given)}


@pytest.mark.parametrize("name", studies.names())
def test_a_study_writes_a_table_and_a_picture_that_name_their_sources(study, name):
    folder = study(name)
    text = (folder / "study.md").read_text()
    for word in (studies.load(name).question, "AnalogNAS-Bench", "smoke", "digits", "No claim is made", "**Seeds:** 0"):
        assert word in text
    table = pd.read_csv(folder / "study.csv")
    for column, value in (("truth", "AnalogNAS-Bench"), ("images", "digits"), ("n", 1)):
        assert (table[column] == value).all()
    assert (table["preset"] == "smoke").all()
    assert table["changes"].str.contains("problem.training_images=").all()
    assert (folder / "plots" / "study.png").read_bytes().startswith(b"\x89PNG")
    assert b"AnalogNAS-Bench" in (folder / "plots" / "study.svg").read_bytes()


def test_every_variant_is_a_results_folder_and_the_study_can_be_reported_again(study, capsys):
    folder = study("budget")
    names = pd.read_csv(folder / "variants.csv").variant
    assert main(["report", str(folder / names[0])]) == 0
    before = {path.name: path.read_bytes() for path in (folder / "plots").iterdir()}
    text = (folder / "study.md").read_text()
    (folder / "study.md").unlink()
    assert main(["report", str(folder)]) == 0
    assert (folder / "study.md").read_text() == text
    assert {path.name: path.read_bytes() for path in (folder / "plots").iterdir()} == before


def test_a_finished_study_runs_nothing_again(study, capsys):
    folder = study("budget")
    before = (folder / "whole" / "runs.csv").read_bytes()
    capsys.readouterr()
    assert main(["study", "budget", *SMALL, "--out", str(folder)]) == 0
    assert "epoch 1/" not in capsys.readouterr().out
    assert (folder / "whole" / "runs.csv").read_bytes() == before


def test_variants_side_by_side_give_what_they_give_one_after_the_other(study, tmp_path, capsys):
    alone = study("budget")
    given = ["study", "budget", *SMALL, "--jobs", "3", "--out", str(tmp_path), "--data-dir", str(alone / "data")]
    assert main(given) == 0
    assert "10/10" in (shown := capsys.readouterr().out)
    for name in pd.read_csv(alone / "variants.csv").variant:
        assert f"{name} bdarts-seed0" in shown
        assert (tmp_path / name / "history.csv").read_bytes() == (alone / name / "history.csv").read_bytes()
        (command,) = read_provenance(tmp_path / name).commands
        assert command.wall_seconds is not None


def test_correlation_has_a_tau_for_each_epoch(study):
    history = pd.read_csv(study("correlation") / "searches" / "history.csv")
    assert set(history.method) == {"darts", "bdarts", "rlnas", "spos-angle", "rlnas-sample", "spos-sample"}
    # Five cells of a smoke run may all be equally accurate, which leaves no order to compare.
    assert history.tau[~history.method.str.endswith("-sample")].between(-1, 1).all()
    table = pd.read_csv(study("correlation") / "study.csv").set_index("method")
    for method, rows in history.dropna(subset="tau").groupby("method"):
        assert table.tau_last_mean[method] == pytest.approx(rows.tau.iloc[-1], abs=1e-4)
        assert table.tau_highest_mean[method] == pytest.approx(rows.tau.max(), abs=1e-4)


def test_each_condition_of_collapse_changes_one_thing(tmp_path):
    variants = planned("collapse", tmp_path)
    (plain,) = variants["as-the-preset"][1]
    paper = read_preset("paper")
    for variant, (run,) in variants.values():
        changed = [
            f"{section}.{name}"
            for section, one, other in (
                ("problem", run.problem, plain.problem),
                ("darts", run.stages[0].settings, plain.stages[0].settings),
            )
            for name in sorted(field.name for field in fields(other))
            if getattr(one, name) != getattr(other, name)
        ]
        assert changed == [change.partition("=")[0] for change in sorted(variant.changes)], variant.name
    (deeper,) = variants["5-cells-a-stage"][1]
    assert deeper.problem.cells_per_stage == paper["problem"]["cells_per_stage"]
    of_paper = plan_study("collapse", StudyInputs(paper, tmp_path))
    assert not any(change.startswith("problem.") for variant, _ in of_paper for change in variant.changes)


def test_a_condition_that_is_met_already_or_cannot_be_is_left_out(tmp_path):
    given = override(read_preset("smoke"), ["darts.alpha_first=true", "problem.resolution=4"])
    names = [variant.name for variant, _ in plan_study("collapse", StudyInputs(given, tmp_path))]
    assert "alpha-first" not in names
    assert "8-x-8-pixels" in names  # the digits have no more
    larger = override(given, ["problem.resolution=8"])
    assert not any("pixels" in variant.name for variant, _ in plan_study("collapse", StudyInputs(larger, tmp_path)))


def test_collapse_is_compared_seed_by_seed(study):
    table = pd.read_csv(study("collapse") / "study.csv").set_index("variant")
    change = (table.cifar10_test_mean - table.cifar10_test_mean["as-the-preset"]).round(4)
    assert (table.difference_mean.round(3) == change.round(3)).all()
    assert table.collapsed.between(0, 1).all()


def test_each_regulariser_is_studied_alone(tmp_path):
    variants = planned("regularisers", tmp_path)
    assert len(variants) == 1 + sum(map(len, LAMBDAS.values()))
    on = set()
    for variant, (run,) in variants.values():
        settings = run.stages[0].settings
        assert settings.alpha_weight_decay == 0 or settings.regulariser == "none"
        assert settings.regulariser == "none" or settings.strength_epochs == settings.epochs
        strength = settings.alpha_weight_decay if settings.regulariser == "none" else settings.strength
        assert strength == variant.factors["strength"]
        on.add((settings.regulariser, strength))
    assert len(on) == len(variants)


def test_a_budget_is_a_share_of_epochs_or_of_images(tmp_path):
    variants = planned("budget", tmp_path)
    whole = variants["whole"][1]
    for divisor in SHARES.values():
        for run, of_whole in zip(variants[f"epochs-1of{divisor}"][1], whole, strict=True):
            assert run.stages[0].settings.epochs == max(1, round(of_whole.stages[0].settings.epochs / divisor))
            assert run.problem == of_whole.problem
        for run, of_whole in zip(variants[f"images-1of{divisor}"][1], whole, strict=True):
            assert run.stages == of_whole.stages
            assert run.problem.training_images == of_whole.problem.training_images // divisor // 10 * 10


def test_a_device_is_given_the_number_formats_it_has(tmp_path):
    assert list(planned("precision", tmp_path)) == ["fp32", "bf16"]
    on_a_gpu = plan_study("precision", StudyInputs(read_preset("smoke"), tmp_path, "cuda"))
    assert [runs[0].problem.precision for _, runs in on_a_gpu] == ["fp32", "tf32", "bf16"]


def test_precision_is_compared_seed_by_seed(study):
    table = pd.read_csv(study("precision") / "study.csv").set_index(["variant", "method"])
    exact, rounded = table.loc["fp32"], table.loc["bf16"]
    assert (exact.same_cell == exact.n).all()
    assert (rounded.difference_mean == (rounded.cifar10_test_mean - exact.cifar10_test_mean).round(4)).all()


def test_transfer_takes_the_image_sets_that_are_there(tmp_path, monkeypatch):
    assert list(planned("transfer", tmp_path)) == ["digits"]
    monkeypatch.setattr(StudyInputs, "image_sets", ["cifar10", "cifar100"])
    monkeypatch.setattr(StudyInputs, "open_images", lambda inputs, name: SimpleNamespace(classes=10))
    variants = planned("transfer", tmp_path)
    assert list(variants) == ["digits", "cifar10", "cifar100"]
    assert [runs[0].problem.images for _, runs in variants.values()] == list(variants)


def test_transfer_says_plainly_what_it_cannot_show(study):
    text = (study("transfer") / "study.md").read_text()
    assert "One image set only" in text
    assert "One data set of truth only" in text


def test_a_folder_holds_one_study_with_one_choice_of_settings(study, capsys):
    folder = str(study("transfer"))
    assert main(["study", "budget", *SMALL, "--out", folder]) == 2
    assert "holds the study transfer" in capsys.readouterr().err
    assert main(["study", "transfer", *SMALL, "--set", "darts.lr=0.5", "--out", folder]) == 2
    assert "other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["correlations"], "did you mean 'correlation'"),
        (["zzz"], "choose from budget, collapse"),
        (["budget", "--seeds", "x"], "--seeds 'x'"),
        (["budget", "--jobs", "0"], "--jobs 0"),
        (["budget", "--preset", "huge"], "no preset 'huge'"),
        (["budget", "--preset", "smoke", "--set", "problem.images=mnist"], "'mnist'"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(arguments, complaint, tmp_path, capsys):
    assert main(["study", *arguments, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_help_lists_the_studies_with_their_questions(capsys):
    with pytest.raises(SystemExit):
        main(["study", "--help"])
    printed = capsys.readouterr().out
    assert all(f"{name} " in printed and studies.load(name).question in printed for name in studies.names())
