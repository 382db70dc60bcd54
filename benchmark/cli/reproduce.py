"""`benchmark reproduce`: a results folder's recorded commands, carried out anew and compared row by row."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmark.cli import run, study
from benchmark.cli.shared import a_path, add_data_dir, check_count, parser_of, terminal
from benchmark.errors import SettingsError
from data.folder import data_folder

HELP = "carry a results folder's recorded commands out anew, and compare row by row"

SEARCHING = {"run": run, "study": study}
"""The commands that can have been recorded."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Carry the commands that a results folder has recorded out anew, in another folder, and compare: every number "
        "of runs.csv, history.csv and scores.csv, to the last bit. Exit code 1 where a run differs."
    )
    parser.set_defaults(execute=execute)
    parser.add_argument("folder", type=a_path, metavar="DIR", help="a folder that `run` or `study` has written")
    parser.add_argument("--jobs", type=int, metavar="N", help="runs side by side (default: what the cores allow)")
    parser.add_argument(
        "--out",
        type=a_path,
        metavar="DIR",
        help="the folder of the new runs, so that the same command goes on from the last finished epoch (default: a "
        "temporary one, removed in the end)",
    )
    add_data_dir(parser)


def execute(options: argparse.Namespace) -> int:
    """Carry the command out; the exit code is 1 where a run differs."""
    check_count("--jobs", options.jobs)
    if options.out is not None and options.out.resolve() == options.folder.resolve():
        raise SettingsError(f"--out {options.out} is the folder to be reproduced; choose another")
    from benchmark.reproduce import as_recorded, command_line, parts, provenance_of, truth_of
    from reports.reproduction import differing_facts, differing_runs

    names = parts(options.folder)
    there = provenance_of(options.folder, names)
    console = terminal()
    with ExitStack() as stack:
        out = options.out or Path(stack.enter_context(TemporaryDirectory(prefix="reproduce-")))
        for entry in {entry.command: entry for entry in there.commands}.values():
            again = as_recorded(entry, parser_of(SEARCHING))
            again.out, again.jobs, again.data_dir = out, options.jobs, options.data_dir
            truth = truth_of(entry, again.truth, data_folder(options.data_dir))
            console.print(f"Anew: {entry.command}")
            with SEARCHING[command_line(entry)[0]].search(again, truth):
                pass
        found = {
            one if name == "." else f"{name} {one}": difference
            for name in names
            for one, difference in differing_runs(options.folder / name, out / name).items()
        }
        facts = differing_facts(there, provenance_of(out, names))
    differing = {one: difference for one, difference in found.items() if difference}
    console.print(f"\n{len(found) - len(differing)} of {len(found)} runs the same to the last bit")
    for one, difference in differing.items():
        console.print(f"  {one}: {difference}")
    console.print("\nDifferent from then:" if facts else "\nSettings, versions, kernels and processor are the same.")
    for fact in facts:
        console.print(f"  {fact}")
    return int(bool(differing))
