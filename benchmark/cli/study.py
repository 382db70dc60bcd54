"""`benchmark study`: the runs of a study's variants, which its file in `reports.studies` asks for.

Each variant is a results folder of its own, `OUT/VARIANT`, which `benchmark report` takes as any other; `variants.csv`
says what tells them apart, and `reports.study_report` compares them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from benchmark.cli.search import add_search_options, resolve, write_up
from benchmark.cli.shared import a_path, terminal

if TYPE_CHECKING:
    from benchmark.experiment import Searched
    from benchmark.study import PlannedVariant, StudyInputs
    from data.truth import TruthTable
    from reports.study import Variant

HELP = "answer one of the papers' questions by a grid of runs, with a table and a picture"

EXAMPLES = """\
examples:
  python -m benchmark study correlation --seeds 5
  python -m benchmark study regularisers --seeds 3 --out out/beta-figure
  python -m benchmark study budget --seeds 1 --preset smoke

It says first what it will run. Stop it at any moment: the same command goes on from the last finished epoch.
Each variant is a results folder of its own below DIR, which `benchmark report` takes too; so is DIR itself."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    from reports import studies

    questions = {name: studies.load(name).question for name in studies.names()}
    width = max(map(len, questions))
    parser.description = "Answer one question by a grid of runs:\n\n" + "\n".join(
        f"  {name:<{width}}  {question}" for name, question in questions.items()
    )
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    parser.set_defaults(execute=execute)
    parser.add_argument("name", metavar="NAME", help=f"the study: {', '.join(questions)}")
    parser.add_argument("--out", type=a_path, metavar="DIR", help="its folder (default out/study-NAME-PRESET-IMAGES)")
    add_search_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Carry the command out; returns the exit code."""
    from reports.study_report import write_study

    console = terminal()
    with search(options) as done:
        written = write_up(done, write_study, "study.md", console)
    console.print(f"Written: {', '.join(str(path) for path in written)}")
    done.raise_failures()
    return 0


def search(options: argparse.Namespace, truth: TruthTable | None = None) -> AbstractContextManager[Searched]:
    """As of a `run`, for all variants."""
    from benchmark.experiment import plan_experiment, searched
    from benchmark.study import check_name
    from reports import studies

    name = check_name(options.name)
    study = studies.load(name)
    resolved = resolve(options, truth)

    def variants(inputs: StudyInputs) -> list[Variant]:
        inputs.open_images(inputs.setting("problem.images"))  # fetched first, so that they count among those at hand
        return study.variants(inputs)

    console = terminal()
    experiment = plan_experiment(resolved, variants, console, study=name, out=options.out)
    console.print(
        f"{name}: {study.question}\n"
        f"{resolved.heading}: {len(experiment.runs)} runs, {resolved.seeds_text} of each variant and method, "
        f"{resolved.side_by_side}; truth {resolved.truth.name}, results in {experiment.out}\n"
        f"{describe_variants(experiment.variants)}"
    )
    return searched(experiment, console)


def describe_variants(planned: Sequence[PlannedVariant]) -> str:
    """A line a variant: its folder, its methods, and how it differs from the preset."""
    width = max(len(variant.name) for variant, _ in planned)
    return "\n".join(
        f"  {variant.name:<{width}}  {', '.join(variant.methods)}{'  ' if variant.changes else ''}"
        + " ".join(variant.changes)
        for variant, _ in planned
    )
