"""The command line, a file a command. What is slow to import is imported where it is needed, so that answers come at
once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmark.cli import audit, compare, data, methods, query, report, reproduce, run, speed, study
from benchmark.cli.shared import parser_of
from benchmark.errors import RunError, SettingsError
from benchmark.process import Terminated, allow_files, limit_reached, outlets, terminable
from data.folder import DataError
from reports import RowsError
from spaces import CellError

DESCRIPTION = """\
Replicates architecture-search papers on NAS-Bench-201: runs the searches for real, looks the chosen cells up in a table
of all 15,625 cells, and writes tables and plots."""


COMMANDS = {
    "run": run,
    "study": study,
    "reproduce": reproduce,
    "report": report,
    "compare": compare,
    "audit": audit,
    "query": query,
    "data": data,
    "speed": speed,
    "methods": methods,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 runs failed or numbers differ, 2 input or a disk that cannot be
    used, 130 interrupted, 143 terminated."""
    with outlets() as (output, _):
        code = answer(sys.argv[1:] if arguments is None else arguments)
        if output is not None:
            output.flush()
        # A reader who is gone, as `head`, has seen enough.
        if code or output is None or output.error is None or isinstance(output.error, BrokenPipeError):
            return code
        lost = "what was to be read there is lost, and all files are written as without it"
        print(f"benchmark: standard output cannot be written ({output.error.strerror}); {lost}", file=sys.stderr)
        return 2


def answer(arguments: Sequence[str]) -> int:
    """As `main`."""
    allow_files()
    options = argparse.Namespace(execute=None, typed=arguments)
    try:
        with terminable():
            parser().parse_args(arguments, options)
            code: int = options.execute(options)
    except KeyboardInterrupt as stop:
        goes_on = options.execute in (run.execute, study.execute) or (
            options.execute is reproduce.execute and options.out
        )
        what_next = "; the same command goes on from the last finished epoch" if goes_on else ""
        print(f"\nbenchmark: stopped{what_next}", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    except RunError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        from methods.registry import MethodError
        from spaces.compiled import ChoiceError

        if isinstance(error, SettingsError | MethodError | DataError | RowsError | CellError | ChoiceError):
            sentence = " ".join(str(error).splitlines())  # names of files can have many lines
            print(f"benchmark: {sentence}", file=sys.stderr)
            return 2
        if advice := limit_reached(error):
            print(f"benchmark: {advice}; the same command goes on", file=sys.stderr)
            return 2
        raise
    return code


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    return parser_of(COMMANDS, DESCRIPTION)
