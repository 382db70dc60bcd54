"""`benchmark methods`: the methods and their settings."""

from __future__ import annotations

import argparse

HELP = "list the methods, or show one with its settings and their sources"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.set_defaults(execute=execute)
    parser.add_argument("name", nargs="?", metavar="NAME", help="a method")


def execute(options: argparse.Namespace) -> int:
    """Carry the command out; returns the exit code."""
    from benchmark.describe import describe, overview

    print(describe(options.name) if options.name else overview())
    return 0
