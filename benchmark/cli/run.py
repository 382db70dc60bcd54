"""`benchmark run`: methods and seeds, which is a study of one variant."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from benchmark.cli.search import add_search_options, resolve, write_up
from benchmark.cli.shared import a_path, check_count, parse_names, terminal
from data import IMAGE_SETS

if TYPE_CHECKING:
    from benchmark.experiment import Searched
    from data.truth import TruthTable

HELP = "search with every method and seed, then write the report"

EXAMPLES = """\
examples:
  python -m benchmark run --methods darts,bdarts,rlnas,pt --seeds 5
  python -m benchmark run --methods darts --seeds 3,7 --epochs 50 --out out/longer
  python -m benchmark run --methods darts,bdarts --seeds 2 --preset smoke
  python -m benchmark run --methods bdarts --seeds 5 --set bdarts.strength=5 --out out/weak-decay
  python -m benchmark run --methods bdarts,bdarts+pt --seeds 5 --out out/beta-pt

Stop it at any moment: the same command goes on from the last finished epoch."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    from methods import registry

    parser.description = "Search with every method and seed, look the cells up, and write tables and plots."
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    parser.set_defaults(execute=execute)
    parser.add_argument(
        "--methods", required=True, metavar="A,B,…", help=f"methods, by name: {', '.join(registry.names())}"
    )
    parser.add_argument(
        "--images", metavar="NAME", help=f"images to search on: {', '.join(IMAGE_SETS)} (default: the preset's)"
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs of every supernet, instead of the preset's")
    parser.add_argument("--out", type=a_path, metavar="DIR", help="results folder (default out/PRESET-IMAGES)")
    add_search_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Carry the command out; returns the exit code."""
    from functools import partial

    from benchmark.settings import cores
    from reports.write import write_report

    console = terminal()
    with search(options) as done:
        written = write_up(done, partial(write_report, jobs=cores()), "summary.md", console)
    console.print(f"{len(written)} files of tables and plots are in {done.out}; start with {done.out / 'report.html'}")
    done.raise_failures()
    return 0


def search(options: argparse.Namespace, truth: TruthTable | None = None) -> AbstractContextManager[Searched]:
    """Carry out what is missing of the runs; their folder is locked until what is inside ends.

    Args:
        truth: where it is opened already.
    """
    from methods import registry

    methods = parse_names("--methods", options.methods, registry.names())
    check_count("--epochs", options.epochs)
    resolved = resolve(options, truth)
    from benchmark.experiment import plan_experiment, searched
    from reports.study import Variant

    console = terminal()
    variant = Variant("", tuple(methods))
    experiment = plan_experiment(resolved, lambda _: [variant], console, epochs=options.epochs, out=options.out)
    console.print(
        f"{resolved.heading}: {len(methods)} method{'s' * (len(methods) > 1)} × {resolved.seeds_text} "
        f"{resolved.side_by_side}; images {experiment.runs[0].problem.images}, truth {resolved.truth.name}, results in "
        f"{experiment.out}"
    )
    return searched(experiment, console)
