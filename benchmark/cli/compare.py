"""`benchmark compare`: two results folders, seed by seed."""

from __future__ import annotations

import argparse

from benchmark.cli.shared import a_path
from benchmark.outputs import make_out_folder

HELP = "compare two results folders seed by seed"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Compare each method of two results folders, paired by seed: B − A. Folders of different truth tables are "
        "refused; different settings are named."
    )
    parser.set_defaults(execute=execute)
    for name in ("A", "B"):
        parser.add_argument(name, type=a_path, help="a folder that `run` has written")
    parser.add_argument("--out", type=a_path, metavar="DIR", help="write compare.md and compare.csv there, too")


def execute(options: argparse.Namespace) -> int:
    """Carry the command out; returns the exit code."""
    from benchmark.method_facts import installed
    from reports.compare import compare_folders, write_comparison

    table, text = compare_folders((options.A, options.B), installed)
    if options.out is not None:
        make_out_folder(options.out)
        write_comparison(table, text, options.out)
    print(text, end="")
    return 0
