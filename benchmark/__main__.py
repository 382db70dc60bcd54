import os
import sys

# `python -m` looks for modules in the folder that it is called in, first, and that may have its own `data` or
# `reports`. Nothing else is imported before that folder is out of the way.
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 (pathlib would be imported)


def leave_folder_out() -> None:
    """Takes the present folder off the front of the search path, unless the program itself lies there."""
    try:
        here = os.getcwd()  # noqa: PTH109
    except OSError:  # it has been removed
        here = ""
    if not sys.flags.safe_path and sys.path and sys.path[0] in ("", here) and here != ROOT:
        del sys.path[0]


def hidden_part() -> str | None:
    """A part of this program that would be taken from elsewhere, and where; None where all is our own."""
    from importlib.util import find_spec
    from pathlib import Path

    for name in ("spaces", "data", "methods", "reports"):
        spec = find_spec(name)
        places = list(spec.submodule_search_locations or [str(spec.origin)]) if spec else ["nowhere"]
        if Path(places[0]).resolve() != Path(ROOT, name).resolve():
            return f"{places[0]} hides {name}"
    return None


def run() -> int:
    """Run the command line, unless a part of this program is hidden; returns the exit code."""
    if hidden := hidden_part():
        print(
            f"benchmark: {hidden}, a part of this program; take its folder out of PYTHONPATH, or rename it",
            file=sys.stderr,
        )
        return 2
    from benchmark.cli import main

    return main()


if __name__ == "__main__":
    leave_folder_out()
    sys.exit(run())
