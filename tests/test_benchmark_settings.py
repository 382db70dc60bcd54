"""Presets, overrides and the plan."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from benchmark.cli.search import parse_seeds
from benchmark.cli.shared import parse_names
from benchmark.describe import describe, field_docs, overview
from benchmark.errors import SettingsError
from benchmark.plan import chains, plan
from benchmark.results_folder import ResultsFolder
from benchmark.settings import (
    PRESETS,
    ProblemSettings,
    Scale,
    digest,
    override,
    preset_documents,
    read_preset,
    reason_of,
    reason_of_problem,
    table_of,
)
from data import splits
from data.folder import DataError
from data.truth import TruthTable
from methods import registry
from methods.settings import option_default, source_of
from methods.spos import SampleSettings
from spaces.compiled import CHOICE

METHODS = ["darts", "bdarts", "rlnas", "pt"]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_plans_every_method(preset):
    runs = plan(read_preset(preset), METHODS, [0, 1])
    assert [run.name for run in runs[:4]] == ["darts-seed0", "bdarts-seed0", "rlnas-seed0", "pt-seed0"]
    assert len(runs) == 8


@pytest.mark.parametrize("preset", PRESETS)
def test_every_exception_of_a_preset_has_a_reason(preset):
    tables = read_preset(preset)
    for section, said in preset_documents(preset)[0].unwrap().items():
        for key in said if section not in ("base", "scale", "why") else ():
            if (section, key) in (("problem", "images"), ("problem", "split")) and preset == "paper":
                continue
            reason = reason_of_problem(tables, key) if section == "problem" else reason_of(tables, section, key)
            assert len(reason) > 5 and reason != "as in the preset", f"{preset}: {section}.{key} says no reason"


@pytest.mark.parametrize("method", registry.names())
def test_every_setting_of_a_protocol_has_its_source(method):
    """An option, off by default, has none."""
    settings = registry.load(method).Settings
    for field in dataclasses.fields(settings):
        source, default = source_of(settings, field.name), option_default(settings, field.name)
        assert default is not dataclasses.MISSING or (source and len(source) > 5), f"{method}.{field.name}"


def test_the_settings_are_those_recorded():
    """The hash of every method's settings in every preset: what shapes results changes only where it is meant to."""
    recorded = json.loads((Path(__file__).parent / "settings_hashes.json").read_text())
    found = {
        preset: {method: plan(read_preset(preset), [method], [0])[0].settings_hash for method in methods}
        for preset, methods in recorded.items()
    }
    assert found == recorded
    assert {*registry.names()} <= set(recorded["paper"])


def test_the_paper_preset_holds_the_published_protocols():
    """The numbers that a reader would check first; each method's own page has them all."""
    tables = read_preset("paper")
    darts, bdarts, rlnas, pt = (plan(tables, [method], [0])[0].stages for method in METHODS)
    assert (darts[0].settings.epochs, darts[0].settings.weight_decay, darts[0].settings.nesterov) == (50, 5e-4, True)
    assert not darts[0].settings.alpha_first
    assert (bdarts[0].settings.epochs, bdarts[0].settings.weight_decay, bdarts[0].settings.nesterov) == (
        100,
        3e-4,
        False,
    )
    assert (bdarts[0].settings.strength, bdarts[0].settings.strength_epochs) == (50, 100)
    assert (bdarts[0].settings.regulariser, bdarts[0].settings.schedule) == ("beta", "linear")
    assert bdarts[0].settings.alpha_first
    assert (rlnas[0].settings.epochs, rlnas[0].settings.weight_decay) == (250, 5e-4)
    assert [stage.method for stage in pt] == ["darts", "pt"]
    assert (pt[0].settings.epochs, pt[0].settings.weight_decay, pt[0].settings.alpha_first) == (100, 3e-4, True)
    assert (pt[1].settings.finetune_epochs, pt[1].settings.finetune_lr) == (5, 0.0025)
    for stages in (darts, bdarts, pt):
        s = stages[0].settings
        assert (s.batch_size, s.lr, s.lr_min, s.momentum, s.clip) == (64, 0.025, 0.001, 0.9, 5)
        assert (s.alpha_lr, s.alpha_betas, s.alpha_weight_decay, s.alpha_init) == (3e-4, (0.5, 0.999), 1e-3, 1e-3)


def test_darts_and_pt_share_a_supernet_exactly_where_their_settings_agree():
    for preset, shared in (("mini", True), ("smoke", True), ("paper", False)):
        darts, pt = plan(read_preset(preset), ["darts", "pt"], [0])
        assert (darts.checkpoint_name(0) == pt.checkpoint_name(0)) == shared
        assert len(chains([darts, pt])) == (1 if shared else 2)
    changed = override(read_preset("mini"), ["pt.supernet.epochs=30"])
    darts, pt = plan(changed, ["darts", "pt"], [0])
    assert darts.checkpoint_name(0) != pt.checkpoint_name(0)


def test_a_selection_rule_may_start_from_another_supernet():
    tables = read_preset("paper")
    bdarts, both = plan(tables, ["bdarts", "bdarts+pt"], [0])
    assert [stage.method for stage in both.stages] == ["bdarts", "pt"]
    assert both.stages[0] == bdarts.stages[0]
    pt, spelled_out = plan(tables, ["pt", "darts+pt"], [0])
    assert pt.stages == spelled_out.stages


@pytest.mark.parametrize(
    ("method", "complaint"),
    [("rlnas+pt", "cannot start from rlnas"), ("pt+darts", "no selection rule"), ("darts+bdarts", "no selection rule")],
)
def test_a_combination_without_meaning_is_refused_with_the_reason(method, complaint):
    with pytest.raises(SettingsError, match=complaint):
        plan(read_preset("mini"), [method], [0])


def test_the_settings_hash_tells_settings_apart_and_nothing_else():
    tables = read_preset("mini")
    (one,), (same,), (other_seed,) = (plan(tables, ["pt"], [seed]) for seed in (0, 0, 1))
    assert one.settings_hash == same.settings_hash == other_seed.settings_hash
    for change in ("problem.channels=8", "darts.alpha_lr=1e-3", "pt.finetune_lr=0.01", "problem.images=digits"):
        (changed,) = plan(override(tables, [change]), ["pt"], [0])
        assert changed.settings_hash != one.settings_hash, change
    (unrelated,) = plan(override(tables, ["rlnas.epochs=3"]), ["pt"], [0])
    assert unrelated.settings_hash == one.settings_hash
    for default in ("problem.precision=fp32", "darts.regulariser=none", "darts.strength=0"):
        (spelt_out,) = plan(override(tables, [default]), ["pt"], [0])
        assert spelt_out.settings_hash == one.settings_hash, default


def with_split(path):
    changes = ["problem.training_images=all", f"problem.split={path}"]
    (run,) = plan(override(read_preset("mini"), changes), ["darts"], [0])
    return run


def test_what_a_split_file_says_counts_and_not_where_it_lies(tmp_path):
    one, copy, other = (tmp_path / name for name in ("one.txt", "copy.txt", "other.txt"))
    for path, first in ((one, 0), (copy, 0), (other, 1)):
        path.write_text(f'{{"train": ["int", ["{first}"]], "valid": ["int", ["{1 - first}"]]}}')
    halves, by_file, by_other = (with_split(path).settings_hash for path in ("halves", one, other))
    assert with_split(copy).settings_hash == by_file
    assert len({halves, by_file, by_other}) == 3
    before = with_split(other)
    other.write_bytes(one.read_bytes())
    assert with_split(other).settings_hash == by_file
    other.unlink()
    assert before.settings_hash == by_other  # what was planned stays planned


@pytest.fixture
def split_folder(tmp_path, monkeypatch):
    """A data folder with a split file, which plays the official one: that is its authors' to give away."""
    (tmp_path / splits.FILE).write_text('{"train": ["int", ["1"]], "valid": ["int", ["0"]]}')
    sha256 = hashlib.sha256((tmp_path / splits.FILE).read_bytes()).hexdigest()
    monkeypatch.setattr(splits, "SHA256", sha256)
    monkeypatch.setattr("benchmark.plan.OFFICIAL", splits.Split(splits.FILE, sha256))
    return tmp_path


BY_FILE = ("darts", "darts2", "gdas", "rlnas", "spos", "spos-angle", "rlnas-accuracy", "spos-sample", "darts2+pt")
BY_HALVES = ("bdarts", "pt", "pt-fixed", "darts+pt", "bdarts+pt", "sdarts-rs", "pc-darts", "sgas", "discretisation")


@pytest.mark.parametrize("method", [*BY_FILE, *BY_HALVES])
def test_each_method_has_the_split_of_its_own_program(method, split_folder, tmp_path_factory):
    """AutoDL-Projects and RLNAS take the file, all others halves; without the file all do, and say so."""
    tables = read_preset("paper")
    (run,) = plan(tables, [method], [0], folder=split_folder)
    (without,) = plan(tables, [method], [0], folder=tmp_path_factory.mktemp("empty"))
    by_file = method in BY_FILE
    assert run.split.label == ("cifar-split.txt" if by_file else "halves")
    assert run.published and run.why == ""
    assert without.split.label == "halves"
    assert without.published != by_file
    assert ("cifar-split.txt is not in the data folder" in without.why) == by_file
    assert (run.settings_hash != without.settings_hash) == by_file
    assert {run.other and run.other.settings_hash} == {without.settings_hash if by_file else None}
    (asked,) = plan(override(tables, ["problem.split=halves"]), [method], [0], folder=split_folder)
    assert asked.settings_hash == without.settings_hash and asked.other is None and asked.published != by_file


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("problem.images=cifar100", "is of CIFAR-10, not of cifar100"),
        ("problem.training_images=5000", "is of all images, not of 5,000"),
    ],
)
def test_the_official_split_is_of_the_whole_of_cifar10(change, why, split_folder):
    (run,) = plan(override(read_preset("paper"), [change]), ["darts"], [0], folder=split_folder)
    assert run.split.label == "halves" and why in run.why and not run.published


def test_runs_that_share_a_supernet_share_its_split(split_folder):
    """DARTS and PT train the same supernet where nothing but their splits could tell them apart."""
    paper = override(read_preset("paper"), ["pt.supernet={}"])
    apart = plan(paper, ["darts", "pt"], [0], folder=split_folder)
    assert apart[0].stages == apart[1].stages[:1]
    assert len(chains(apart)) == 2
    together = plan(override(paper, ["problem.split.pt=cifar-split"]), ["darts", "pt"], [0], folder=split_folder)
    assert len(chains(together)) == 1
    angle = plan(read_preset("paper"), ["spos-angle", "spos"], [0], folder=split_folder)
    assert len(chains(angle)) == 1


def test_a_preset_may_have_the_split_of_a_single_method_otherwise(tmp_path, split_folder):
    path = tmp_path / "own.toml"
    path.write_text('base = "paper"\n[problem.split]\ndarts = "halves"\n')
    darts, gdas = plan(read_preset(str(path)), ["darts", "gdas"], [0], folder=split_folder)
    assert (darts.split.label, gdas.split.label) == ("halves", "cifar-split.txt")


def test_a_split_of_no_method_is_refused():
    with pytest.raises(SettingsError, match=r"problem\.split names 'drats', which is no method"):
        plan(override(read_preset("paper"), ["problem.split.drats=halves"]), ["darts"], [0])


def test_a_damaged_official_split_is_refused(split_folder):
    (split_folder / splits.FILE).write_text("{}")
    with pytest.raises(DataError, match=r"is not AutoDL-Projects' cifar-split\.txt"):
        plan(read_preset("paper"), ["darts"], [0], folder=split_folder)
    plan(
        read_preset("paper"), ["bdarts"], [0], folder=split_folder
    )  # whoever does not need it is not kept from running


@pytest.mark.parametrize("at_first", ["with the file", "without it"])
def test_a_stopped_run_does_not_go_on_with_another_split(at_first, split_folder, tmp_path_factory):
    """Neither anew and silently, nor from the checkpoint of the other split."""
    out = tmp_path_factory.mktemp("out")
    empty = tmp_path_factory.mktemp("empty")
    folders = [split_folder, empty] if at_first == "with the file" else [empty, split_folder]
    before, now = (plan(read_preset("paper"), ["darts", "bdarts"], [0], folder=folder) for folder in folders)
    truth = TruthTable("NAS-Bench-201", "", "c0ffee", {})
    (out / "checkpoints").mkdir()
    for run in before:
        (out / "checkpoints" / run.checkpoint_name(0)).touch()
    assert ResultsFolder(out, before, truth).missing(before) == before
    with pytest.raises(SettingsError, match="darts-seed0 was begun") as error:
        ResultsFolder(out, now, truth).missing(now)
    if at_first == "with the file":
        assert "with the split cifar-split.txt, but AutoDL-Projects' cifar-split.txt is not in" in str(error.value)
    else:
        assert "add --set problem.split.darts=halves" in str(error.value)
        tables = override(read_preset("paper"), ["problem.split.darts=halves"])
        goes_on = plan(tables, ["darts", "bdarts"], [0], folder=split_folder)
        assert ResultsFolder(out, goes_on, truth).missing(goes_on) == goes_on
        assert goes_on[0].checkpoint_name(0) == before[0].checkpoint_name(0)


def facts(method="darts", changes=(), preset="paper", truth="NAS-Bench-201", epochs=None):
    """But for the split, with halves as if every method were published with them."""
    (run,) = plan(override(read_preset(str(preset)), changes), [method], [0], epochs, str(preset))
    found = run.facts(TruthTable(truth, "", "", {}))
    assert found.pop("split") == "halves"
    return found


@pytest.fixture
def halves_published(monkeypatch):
    tables = override(read_preset("paper"), ["problem.split=halves"])
    monkeypatch.setattr("benchmark.plan._published", lambda: tables)


def published(*arguments, **options):
    return facts(*arguments, **options)["as_published"]


@pytest.mark.parametrize("method", ["darts", "bdarts", "rlnas", "pt", "pt-fixed", "spos", "gdas"])
def test_the_paper_preset_is_as_published(method, halves_published):
    assert facts(method) == {"preset": "paper", "changes": "", "as_published": True}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("darts.clip=1", "darts.clip=1.0"),
        ("darts.alpha_betas=[0.9, 0.99]", "darts.alpha_betas=[0.9, 0.99]"),
        ("darts.regulariser=beta", "darts.regulariser=beta"),
        ("problem.precision=bf16", "problem.precision=bf16"),
        ("problem.channels=4", "problem.channels=4"),
        ("problem.images=digits", ""),  # they have a column of their own
    ],
)
def test_a_changed_setting_is_said_and_is_not_as_published(change, said):
    assert facts(changes=[change]) == {"preset": "paper", "changes": said, "as_published": False}


@pytest.mark.parametrize("change", ["darts.clip=5", "darts.momentum=0.9", "rlnas.epochs=1", "darts.regulariser=none"])
def test_what_changes_nothing_of_a_run_is_no_change(change, halves_published):
    assert facts(changes=[change]) == {"preset": "paper", "changes": "", "as_published": True}


def test_threads_are_said_but_are_no_part_of_a_protocol(halves_published):
    assert facts(changes=["problem.threads=1"]) == {
        "preset": "paper",
        "changes": "problem.threads=1",
        "as_published": True,
    }


def test_changes_are_said_of_the_runs_that_they_concern():
    assert facts("pt", epochs=7)["changes"] == "pt.supernet.epochs=7"
    assert facts("bdarts+pt", ["bdarts.epochs=7", "pt.finetune_epochs=1"])["changes"] == (
        "bdarts.epochs=7; pt.finetune_epochs=1"
    )
    # Which derives from rlnas.
    assert facts("spos-angle", ["rlnas.batch_size=32"])["changes"] == "spos-angle.batch_size=32"


def test_another_truth_is_not_the_published_one(halves_published):
    assert not published(truth="AnalogNAS-Bench")


@pytest.mark.parametrize("preset", ["proxy", "mini", "smoke"])
def test_a_smaller_preset_is_itself_and_not_as_published(preset):
    assert facts(preset=preset) == {"preset": preset, "changes": "", "as_published": False}


def test_a_file_called_paper_does_not_pass_for_the_preset(tmp_path, halves_published):
    """What counts is what it says: one with other settings is not as published, whatever it is called."""
    path = tmp_path / "paper"
    path.write_text('base = "paper"\n[darts]\nepochs = 2\n')
    assert facts(preset=path) == {"preset": "paper (a file)", "changes": "", "as_published": False}
    assert published("bdarts", preset=path)  # the file leaves it as it is
    path.write_text('base = "smoke"\n')
    assert not published(preset=path)
    assert facts(preset=path)["preset"] == "paper (a file)"


def test_settings_that_a_preset_lacks_are_changes(tmp_path):
    path = tmp_path / "bare.toml"
    path.write_text(tomlkit.dumps({"problem": read_preset("mini")["problem"]}))
    found = facts("random-search", ["random-search.budget=3"], path)
    assert found == {"preset": "bare.toml", "changes": "random-search.budget=3", "as_published": False}


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    size: int = 1


@dataclass(frozen=True)
class Outer:
    inner: Inner = dataclasses.field(default_factory=Inner)
    colours: tuple[Colour, ...] = (Colour.RED,)


def test_settings_of_any_shape_have_a_hash_and_defaults_do_not_count():
    assert digest(Outer()) == digest(Outer(Inner(1), (Colour.RED,))) == digest({})
    others = [Outer(Inner(2)), Outer(colours=(Colour.BLUE,)), Outer(Inner(2), (Colour.BLUE,))]
    assert len({digest(outer) for outer in [Outer(), *others]}) == 4


def test_epochs_changes_every_supernet_and_no_selection():
    runs = {run.method: run.stages for run in plan(read_preset("mini"), METHODS, [0], epochs=7)}
    assert [runs[method][0].settings.epochs for method in METHODS] == [7] * 4
    assert runs["pt"][1].settings.finetune_epochs == 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("darts.alpha_lr", "not of the form"),
        ("alpha_lr=1", "not of the form"),
        ("darts.alpha_rl=1", "darts.alpha_rl is not a setting"),
        ("darts.alpha_lr=-1", "darts"),
        ("darts.alpha_lr=fast", "darts"),
        ("darts.epochs=0", "darts"),
        ("darts.momentum=0", "Nesterov"),
        ("darts.alpha_betas=[0.9,1.0]", "darts"),
        ("darts.epochs=2.5", "darts"),
        ("darts.train_batches=sorted", "darts"),
        ("darts.epochs.x=1", "the settings of darts cannot be used"),
        ("problem.channels.x=1", "is a value, not a table"),
        ("problem.channels=0", "problem"),
        ("darst.epochs=1", r"\[darst\] is neither"),
        ("darts.supernet.epochs=1", "no selection rule"),
    ],
)
def test_a_wrong_change_is_refused_by_name(change, complaint):
    with pytest.raises(SettingsError, match=complaint):
        plan(override(read_preset("mini"), [change]), ["darts"], [0])


@given(st.text(max_size=20))
def test_any_change_is_taken_or_refused_in_one_sentence(text):
    try:
        plan(override(read_preset("mini"), [text]), ["darts"], [0])
    except SettingsError as error:
        assert str(error)


def test_a_preset_may_stand_on_another(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('base = "mini"\n[darts]\nepochs = 7\n')
    (run,), (mini,) = plan(read_preset(str(path)), ["darts"], [0]), plan(read_preset("mini"), ["darts"], [0])
    assert run.stages[0].settings == dataclasses.replace(mini.stages[0].settings, epochs=7)
    assert run.problem == mini.problem
    for text in ('base = "huge"\n', "base = 3\n", "epochs = 3\n"):
        path.write_text(text)
        with pytest.raises(SettingsError, match=r"own\.toml"):
            read_preset(str(path))


def test_proxy_shortens_every_search_alike_and_keeps_learning_rate_times_steps():
    paper, proxy = ({run.method: run.stages for run in plan(read_preset(p), METHODS, [0])} for p in ("paper", "proxy"))
    for method in METHODS:
        for short, whole in zip(proxy[method], paper[method], strict=True):
            if method == "pt" and short.method == "pt":
                continue
            assert short.settings.epochs == 0.6 * whole.settings.epochs
            if hasattr(whole.settings, "alpha_lr"):
                assert short.settings.alpha_lr * short.settings.epochs == pytest.approx(
                    whole.settings.alpha_lr * whole.settings.epochs
                )
    assert proxy["pt"][0].settings.train_batches == "drawn"  # what proxy does not say stays the paper's


def test_a_supernet_that_is_no_table_is_refused():
    with pytest.raises(SettingsError, match="no table of settings"):
        plan(override(read_preset("mini"), ["pt.supernet=5"]), ["pt"], [0])


def test_a_method_shares_what_is_said_of_the_one_it_derives_from():
    tables = override(read_preset("paper"), ["spos.population=7", "spos.parents=5", "rlnas-accuracy.parents=6"])
    derived = table_of(tables, "rlnas-accuracy")
    assert (derived["population"], derived["parents"], derived["generations"]) == (7, 6, 20)
    assert table_of(tables, "spos")["parents"] == 5
    smoke = read_preset("smoke")  # `random` derives from random search, but has a budget of its own
    assert (table_of(smoke, "random-search")["budget"], table_of(smoke, "random")["budget"]) == (10, 1)


@given(st.floats(0.01, 1), st.integers(1, 400) | st.none())
def test_a_scale_shortens_whatever_is_told_in_epochs_alike(share, most):
    scale = Scale(epochs=share, most_epochs=most)
    whole = {"epochs": 250, "interval": 25, "sample": 100}
    scaled = scale.scaled(whole, SampleSettings)
    assert scaled["sample"] == 100
    assert 1 <= scaled["epochs"] <= (most or 250) and 1 <= scaled["interval"] <= 25
    assert abs(scaled["epochs"] / 250 - scale.share(250)) <= 0.51 / 250 or scaled["epochs"] == 1


def test_a_preset_of_ones_own(tmp_path):
    path = tmp_path / "own.toml"
    document = tomlkit.parse("[problem]\nimages = 'digits'\n")
    path.write_text(tomlkit.dumps(document))
    with pytest.raises(SettingsError, match="channels"):
        plan(read_preset(str(path)), ["darts"], [0])
    path.write_text("[problem\n")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_preset(str(path))
    with pytest.raises(SettingsError, match="no preset 'huge'"):
        read_preset("huge")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_preset(str(path))
    with pytest.raises(SettingsError, match="cannot be read"):
        read_preset(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "seeds"), [("5", [0, 1, 2, 3, 4]), ("1", [0]), ("3,7", [3, 7]), ("3,", [3]), ("7, 3", [7, 3])]
)
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "0", "-1", "a", "1,1", "1,-2", "1.5", str(2**32) + ",", ","])
def test_wrong_seeds_are_refused(text):
    with pytest.raises(SettingsError, match="--seeds"):
        parse_seeds(text)


def test_method_lists():
    assert parse_names("--methods", " darts, pt,", ["darts"]) == ["darts", "pt"]
    for text in ("", ",", "darts,darts"):
        with pytest.raises(SettingsError, match="--methods"):
            parse_names("--methods", text, ["darts"])


@pytest.mark.parametrize("name", METHODS)
def test_every_setting_of_every_method_is_described(name):
    settings = registry.load(name).Settings
    docs = field_docs(settings)
    page = describe(name)
    for field in dataclasses.fields(settings):
        assert docs[field.name].endswith(".")
        assert f"{name}.{field.name}" in page
    assert name in overview()


def test_every_setting_of_the_problem_is_described():
    assert set(field_docs(ProblemSettings)) == {field.name for field in dataclasses.fields(ProblemSettings)}


@pytest.mark.parametrize("build", ["v5", "AVX2"])
def test_layers_that_do_not_exist_are_refused(tmp_path, build):
    command = [
        sys.executable,
        "-m",
        "benchmark",
        "run",
        "--methods",
        "random",
        "--preset",
        "smoke",
        "--out",
        str(tmp_path),
    ]
    environment = os.environ | {CHOICE: build}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith(f"benchmark: REPLICA_201_LAYERS={build} is unknown; it may be v3, v4 or torch\n")
