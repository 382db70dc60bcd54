"""The studies: each a question that a paper argues about, and the grid of runs that answers it.

A study is a list of variants. Each is a results folder of its own, `OUT/VARIANT`, which `benchmark report` understands
as any other; `variants.csv` says what tells them apart, and `reports.studies` compares them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from benchmark.plan import Run, plan
from benchmark.settings import ProblemSettings, SettingsError, Table, checked, override, read_preset, table_of
from reports import STUDIES, UNCHANGED
from spaces import Precision

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.provenance import Command
    from benchmark.runner import Setup
    from data.images import ImageSet
    from data.truth import TruthTable


@dataclass(frozen=True)
class Variant:
    """One results folder of a study."""

    name: str
    """Of its folder."""
    methods: tuple[str, ...]
    factors: dict[str, Any] = field(default_factory=dict)
    """What tells it apart from the others: columns of `variants.csv`."""
    changes: tuple[str, ...] = ()
    """Settings it has otherwise than the preset, written as for `--set`."""


@dataclass(frozen=True)
class Given:
    """What the variants of a study depend on."""

    tables: Table
    """The preset with the command's changes."""
    folder: Path
    """Of images and truth tables."""
    device: str = "cpu"
    preset: str | None = None
    """What the tables are but for the command's changes."""

    @property
    def images(self) -> str:
        """The image set that the preset searches on."""
        return str(self.tables.get("problem", {}).get("images"))


LAMBDAS: dict[str, tuple[float, ...]] = {
    "weight decay": (1e-3, 1e-2, 1e-1),  # the published 1e-3 of all the programs, and 10 and 100 times that
    "L2": (0.5, 5.0, 50.0),  # those of β-decay, so that the two differ in nothing but the term
    "β-decay": (0.5, 5.0, 50.0),  # the published 50, a tenth and a hundredth of it
}
"""λ of each regulariser of α. Of L2 and β-decay it is what the linear schedule ends at; Adam's weight decay is
constant. (A constant L2 would be nothing new: Adam adds weight decay to the gradient, as L2's own gradient is.)"""

SIZES = {"cells_per_stage": "{} cells a stage", "channels": "{} channels"}
"""The size of the supernet, told with the published numbers."""

PROTOCOL = {
    "α first": ("darts.alpha_first=true",),
    "training batches drawn": ("darts.train_batches=drawn",),
    "w as in DARTS-PT": ("darts.nesterov=false", "darts.weight_decay=3e-4"),
    "clip without α": ("darts.clip_counts_alpha=false",),
    "validation not augmented": ("darts.augment_valid=false",),
}
"""What the papers' programs do in more than one way, each otherwise than the program of DARTS."""

SHARES = {"1/2": 2, "1/4": 4}
"""The parts of the published budget that are tried beside the whole."""


def correlation(given: Given) -> list[Variant]:
    return [Variant("searches", ("darts", "bdarts", "rlnas", "spos-angle", "rlnas-sample", "spos-sample"))]


def collapse(given: Given) -> list[Variant]:
    """One condition otherwise at a time: the size of the search, towards the published one, and its protocol."""
    published = read_preset("paper")
    here, there = given.tables["problem"], published["problem"]
    conditions: dict[str, tuple[str, ...]] = {}
    conditions["twice the epochs"] = (f"darts.epochs={2 * epochs_of(given, 'darts')}",)
    for setting, title in SIZES.items():
        conditions[title.format(there[setting])] = (f"problem.{setting}={there[setting]}",)
    if (pixels := here["resolution"]) != "full" and 2 * pixels <= open_set(given.images, given).images.shape[-1]:
        conditions[f"{2 * pixels} × {2 * pixels} pixels"] = (f"problem.resolution={2 * pixels}",)
    rate = table_of(published, "darts")["alpha_lr"]
    conditions[f"learning rate of α {rate:g}"] = (f"darts.alpha_lr={rate}",)

    def settings(changes: Sequence[str]) -> str:
        (run,) = plan(override(given.tables, changes), ["darts"], [0])
        return run.settings_hash

    unchanged = settings(())
    return [
        Variant(folder_of(title), ("darts",), {"condition": title}, changes)
        for title, changes in ({UNCHANGED: ()} | conditions | PROTOCOL).items()
        if title == UNCHANGED or settings(changes) != unchanged  # it may be so already
    ]


def folder_of(title: str) -> str:
    return title.replace("α", "alpha").replace("×", "x").replace(" ", "-").replace(".", "").lower()


def regularisers(given: Given) -> list[Variant]:
    off = ("darts.alpha_weight_decay=0.0", "darts.regulariser=none")
    variants = [Variant("none", ("darts",), {"regulariser": "none", "strength": 0.0}, off)]
    changes: tuple[str, ...]
    for regulariser, strengths in LAMBDAS.items():
        for strength in strengths:
            if regulariser == "weight decay":
                changes = (f"darts.alpha_weight_decay={strength}", "darts.regulariser=none")
            else:
                changes = (
                    "darts.alpha_weight_decay=0.0",
                    f"darts.regulariser={'l2' if regulariser == 'L2' else 'beta'}",
                    "darts.schedule=linear",
                    f"darts.strength={strength}",
                    f"darts.strength_epochs={epochs_of(given, 'darts')}",
                )
            folder = f"{regulariser.replace('β', 'beta').replace(' ', '-').lower()}-{strength:g}"
            variants.append(Variant(folder, ("darts",), {"regulariser": regulariser, "strength": strength}, changes))
    return variants


def budget(given: Given) -> list[Variant]:
    """A part of the epochs with all the images, and a part of the images with all the epochs.

    β-decay's λ grows with the epoch as in its program, whatever their number, and so ends lower in fewer of them.
    """
    methods = ("darts", "bdarts")
    count = given.tables["problem"]["training_images"]
    images = open_set(given.images, given)
    whole = len(images.labels) if count == "all" else int(count)
    variants = [Variant("whole", methods, {"epochs_share": "1", "images_share": "1"})]
    for share, divisor in SHARES.items():
        epochs = tuple(f"{method}.epochs={max(1, round(epochs_of(given, method) / divisor))}" for method in methods)
        variants.append(Variant(f"epochs-1of{divisor}", methods, {"epochs_share": share, "images_share": "1"}, epochs))
    for share, divisor in SHARES.items():
        fewer = (f"problem.training_images={evenly(images, whole // divisor)}",)
        variants.append(Variant(f"images-1of{divisor}", methods, {"epochs_share": "1", "images_share": share}, fewer))
    return variants


def transfer(given: Given) -> list[Variant]:
    """The image set of the preset, and every other that is in the data folder and that the truth tables may know."""
    there = [name for name in sets_there(given.folder) if name != given.images]
    variants = []
    for name in (given.images, *there):
        changes = [f"problem.images={name}"]
        if (count := given.tables["problem"]["training_images"]) != "all":
            changes.append(f"problem.training_images={evenly(open_set(name, given), int(count))}")
        variants.append(Variant(name, ("darts", "bdarts"), {"searched_on": name}, tuple(changes)))
    return variants


def precision(given: Given) -> list[Variant]:
    """Every number format that the device has, with the same seeds."""
    formats = [name for name in get_args(Precision) if name != "tf32" or given.device != "cpu"]
    return [Variant(name, ("darts", "bdarts"), {"precision": name}, (f"problem.precision={name}",)) for name in formats]


def discretisation(given: Given) -> list[Variant]:
    return [Variant("searches", ("discretisation",))]


VARIANTS: dict[str, Callable[[Given], list[Variant]]] = {
    "correlation": correlation,
    "collapse": collapse,
    "regularisers": regularisers,
    "budget": budget,
    "transfer": transfer,
    "precision": precision,
    "discretisation": discretisation,
}
"""The studies, by the names of `reports.STUDIES`."""


def epochs_of(given: Given, method: str) -> int:
    """
    Raises:
        SettingsError: where the preset does not say.
    """
    if "epochs" not in (table := table_of(given.tables, method)):
        raise SettingsError(f"this study needs {method}.epochs, which the preset does not say")
    return int(table["epochs"])


def open_set(name: str, given: Given) -> ImageSet:
    from data.images import open_images

    return open_images(name, given.folder)


def sets_there(folder: Path) -> list[str]:
    """The image sets in the data folder; the digits, which no truth table is about, are left out."""
    from data.cifar import CIFAR10, CIFAR100
    from data.inventory import status

    titles = {"cifar10": CIFAR10.title, "cifar100": CIFAR100.title, "imagenet16-120": "ImageNet16-120"}
    there = {item.what for item in status(folder) if item.state == "there"}
    return [name for name, title in titles.items() if title in there]


def evenly(images: ImageSet, count: int) -> int:
    """The largest number up to `count` of which every class has the same share, one an image at least."""
    return max(1, count // images.classes) * images.classes


def check_name(name: str) -> str:
    """The name of a study, as given.

    Raises:
        SettingsError: where there is no such study.
    """
    if name in STUDIES:
        return name
    close = difflib.get_close_matches(name, STUDIES, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(STUDIES)}"
    raise SettingsError(f"there is no study called {name!r}; {hint}")


def plan_study(name: str, given: Given, seeds: Sequence[int]) -> list[tuple[Variant, list[Run]]]:
    """The variants of a study with their runs.

    Raises:
        SettingsError: for settings that cannot be used.
        DataError: for images that cannot be had.
    """
    checked(given.tables.get("problem", {}), ProblemSettings, "problem")
    return [
        (
            variant,
            plan(override(given.tables, variant.changes), variant.methods, seeds, None, given.preset, given.folder),
        )
        for variant in VARIANTS[name](given)
    ]


def carry_out(
    name: str,
    planned: Sequence[tuple[Variant, list[Run]]],
    setup: Setup,
    truth: TruthTable,
    jobs: int,
    console: Console,
    command: Command,
    retry_failed: bool,
    tensorboard: bool,
) -> list[tuple[Path, dict[str, Any]]]:
    """Run what is missing of every variant, each in its folder below `setup.out`.

    With `tensorboard` the curves of all variants stand below one folder, so that they can be seen side by side.

    Returns:
        The rows of the runs that failed, as in `failures.csv`, each with its variant's folder.

    Raises:
        SettingsError: where a folder holds other results, or another command is writing into it.
    """
    from benchmark.progress import Progress
    from benchmark.results_folder import Results, locked, read_if_there, write_effects, write_rows, write_space
    from benchmark.runner import main_metric
    from benchmark.second_opinion import write_second_opinions
    from benchmark.tensorboard import FOLDER, with_curves
    from benchmark.workers import Batch, run_all
    from data.folder import make_folder, refuse_link

    out = setup.out
    if other := {row["study"] for row in read_if_there(out / "variants.csv", ("study",))} - {name}:
        raise SettingsError(f"{out} holds the study {other.pop()}; choose another --out")
    with ExitStack() as locks:
        folders = []
        for variant, runs in planned:
            folder = out / variant.name
            refuse_link(folder)
            make_folder(folder / "checkpoints")
            locks.enter_context(locked(folder))
            results = Results(folder, runs, truth)
            folders.append((variant, results, runs, results.missing(runs, retry_failed)))
            write_space(folder, truth)
            if "discretisation" in variant.methods:
                write_effects(folder, truth, main_metric(truth, runs[0].problem.images))
        write_rows(out / "variants.csv", [{"study": name, "variant": v.name, **v.factors} for v, _ in planned])
        missing = sum(len(runs) for _, _, _, runs in folders)
        total = sum(len(runs) for _, runs in planned)
        with Progress(console, total, total - missing) as progress:
            batches = [
                Batch(
                    replace(setup, out=results.out),
                    runs,
                    results,
                    command.recorded(results, asked, len(runs), truth),
                    with_curves(
                        progress.of(variant.name if len(planned) > 1 else ""),
                        out / FOLDER / variant.name if tensorboard else None,
                    ),
                )
                for variant, results, asked, runs in folders
            ]
            run_all(batches, jobs)
        for notice in write_second_opinions([results for _, results, _, _ in folders], truth):
            console.print(notice)
    return [(results.out, row) for _, results, asked, _ in folders for row in results.failures_of(asked)]


def describe_plan(planned: Sequence[tuple[Variant, list[Run]]]) -> str:
    """A line a variant: its folder, its methods, and what it has otherwise than the preset."""
    width = max(len(variant.name) for variant, _ in planned)
    return "\n".join(
        f"  {variant.name:<{width}}  {', '.join(variant.methods)}{'  ' if variant.changes else ''}"
        + " ".join(variant.changes)
        for variant, _ in planned
    )
