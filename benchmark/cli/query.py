"""`benchmark query`: what the truth table says of a cell."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from benchmark.cli.shared import add_data_dir, add_truth
from data.folder import data_folder
from spaces import NASBENCH201, Cell

if TYPE_CHECKING:
    from data.truth import CellRecord

HELP = "print a cell's true accuracies"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.set_defaults(execute=execute)
    parser.add_argument(
        "cell",
        metavar="CELL",
        help="|op~0|+|op~0|op~1|+|op~0|op~1|op~2| with op one of none, skip_connect, …; quote it",
    )
    add_truth(parser)
    add_data_dir(parser)


def execute(options: argparse.Namespace) -> int:
    """Carry the command out; returns the exit code."""
    cell = Cell.parse(options.cell)
    from data.truth import open_truth

    truth = open_truth(options.truth, data_folder(options.data_dir))
    print(describe_cell(truth.record(cell), truth.label))
    return 0


def describe_cell(record: CellRecord, label: str) -> str:
    """All that a truth table knows of a cell: a line a metric and training."""
    facts = {
        "official index": record.index,
        "parameters": None if record.params is None else f"{record.params:,}",
        "million operations": None if record.flops_m is None else f"{record.flops_m:.2f}",
    }
    lines = [
        str(record.cell),
        "; ".join(f"{name} {value}" for name, value in facts.items() if value is not None),
        label,
    ]
    for m in record.measurements:
        training = "" if m.epochs is None else f"{m.epochs:>4} epochs"
        runs = ", ".join(f"{accuracy:.3f} (seed {seed})" for seed, accuracy in m.runs.items())
        seconds = "" if m.train_seconds is None else f"   trained {m.train_seconds:,.0f} s"
        lines.append(
            f"  {m.metric:<20}{training}{m.accuracy:8.3f} %   rank {m.rank:>6,} of {len(NASBENCH201):,}   "
            f"regret {m.regret:6.3f}{seconds}{f'   runs {runs}' if runs else ''}"
        )
    return "\n".join(line for line in lines if line)
