"""The options of the commands that search, resolved once, and how such a command ends."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from benchmark.cli.shared import add_data_dir, add_device, add_truth, check_count, choose_device
from benchmark.errors import SettingsError
from data.folder import data_folder
from reports import RowsError
from spaces import Precision

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.experiment import ResolvedOptions, Searched
    from data.truth import TruthTable


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """Those that `resolve` takes."""
    parser.add_argument(
        "--seeds",
        default="5",
        metavar="N|A,B,…",
        help="5 means seeds 0 to 4; 3,7 (or 3, for one) means those (default 5)",
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="settings: paper (as published), proxy (smaller: hours on a CPU), mini (a laptop, minutes), smoke "
        "(seconds, shows nothing), or the path of a TOML file like theirs (default: paper on a GPU, mini on a CPU)",
    )
    add_truth(parser)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="METHOD.SETTING=VALUE",
        help="change one setting, as darts.alpha_lr=1e-3; can be repeated (settings: benchmark methods NAME)",
    )
    parser.add_argument(
        "--precision",
        metavar="NAME",
        help=f"number format of the supernets: {', '.join(get_args(Precision))} (default fp32, as published; bf16 and, "
        "on a GPU only, tf32 are faster and less exact)",
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="runs side by side (default: what the cores allow; 1 on a GPU)"
    )
    parser.add_argument(
        "--stack-seeds",
        action="store_true",
        help="runs side by side in one process, so that they share one GPU, each on a stream of its own (default "
        "--jobs: one for each seed; not yet run on a GPU); the results are the same",
    )
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="carry out again what failed before, from its last finished epoch on",
    )
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="write each run's curves into DIR/tensorboard, too, for `tensorboard --logdir`, from the epochs of this "
        "command on (needs pip install 'replica-201[tensorboard]')",
    )
    add_device(parser)
    add_data_dir(parser)


def resolve(options: argparse.Namespace, truth: TruthTable | None = None) -> ResolvedOptions:
    """What a command was asked, every default filled in.

    Args:
        options: those of `add_search_options`, and `images` where the command has it.
        truth: opened already.

    Raises:
        SettingsError, DataError: for what cannot be used or had.
    """
    seeds = parse_seeds(options.seeds)
    check_count("--jobs", options.jobs)
    from benchmark.experiment import ResolvedOptions
    from benchmark.memory import PROCESS, memory
    from benchmark.runner import threads
    from benchmark.settings import ProblemSettings, cores, override, read_preset, validate
    from benchmark.tensorboard import check_installed
    from data.truth import open_truth

    if options.tensorboard:
        check_installed()
    device, why_device = choose_device(options.device)
    preset = options.preset or ("mini" if device == "cpu" else "paper")
    changes = list(options.set)
    changes += [
        f"problem.{name}={value}" for name in ("precision", "images") if (value := getattr(options, name, None))
    ]
    tables = override(read_preset(preset), changes)
    problem = validate(tables.get("problem", {}), ProblemSettings, "problem")
    folder = data_folder(options.data_dir)
    if options.jobs or options.stack_seeds:
        jobs = options.jobs or len(seeds)
    else:
        jobs = max(1, min(cores() // threads(problem), memory(device) // PROCESS)) if device == "cpu" else 1
    return ResolvedOptions(
        typed=options.typed,
        seeds=seeds,
        preset=preset,
        why_preset="" if options.preset else why_device,
        tables=tables,
        device=device,
        folder=folder,
        truth=truth or open_truth(options.truth, folder),
        jobs=jobs,
        threads=threads(problem),
        stacked=options.stack_seeds,
        retry_failed=options.retry_failed,
        tensorboard=options.tensorboard,
    )


MOST_SEEDS = 100_000
"""By how many; a slip of the finger would fill the memory with runs."""


def parse_seeds(text: str) -> list[int]:
    """`5` is 0 to 4; `3,7` and `3,` are those.

    Raises:
        SettingsError: for anything else.
    """
    try:
        seeds = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        seeds = []
    if len(seeds) == 1 and "," not in text:
        seeds = list(range(seeds[0])) if seeds[0] <= MOST_SEEDS else []
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**32 or len(set(seeds)) < len(seeds):
        raise SettingsError(
            f"--seeds {text[:100]!r}: give how many (5 means seeds 0 to 4), or which, separated by commas (3,7), each "
            "once"
        )
    return seeds


def write_up(done: Searched, write: Callable[[Path], list[Path]], page: str, console: Console) -> list[Path]:
    """Write the report of what was searched, and print its page without the pictures; returns the written files.

    Raises:
        RunError: where so many runs failed that there is none.
    """
    try:
        written = write(done.out)
    except RowsError:
        done.raise_failures()
        raise
    console.print((done.out / page).read_text("utf-8").split("\n![", 1)[0])
    return written
