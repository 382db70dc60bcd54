"""`benchmark report`: tables and plots from the rows of a folder."""

from __future__ import annotations

import argparse

from benchmark.cli.shared import a_path
from data.folder import is_there

HELP = "write tables and plots again from a results folder's rows"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.set_defaults(execute=execute)
    parser.add_argument("folder", type=a_path, metavar="DIR", help="a folder that `run` or `study` has written")


def execute(options: argparse.Namespace) -> int:
    """Carry the command out; returns the exit code."""
    from benchmark.method_facts import installed

    if is_there(options.folder / "variants.csv"):
        from reports.study_report import write_study

        written = write_study(options.folder, installed)
    else:
        from benchmark.settings import cores
        from reports.write import write_report

        written = write_report(options.folder, jobs=cores(), describe=installed)
    for path in written:
        print(path)
    return 0
