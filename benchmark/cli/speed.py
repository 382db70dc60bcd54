"""`benchmark speed`: how long the steps of a search take."""

from __future__ import annotations

import argparse
import sys

from benchmark.cli.shared import a_path, add_device, check_count, choose_device, parse_names, terminal
from benchmark.errors import SettingsError

HELP = "time the steps of a search beside a reference program and the machine's limits"

EXAMPLES = """\
examples:
  python -m benchmark speed --against xautodl
  python -m benchmark speed --sizes paper --steps darts --out speed.csv
  python -m benchmark speed --against xautodl --check
  python -m benchmark speed --layers"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    from benchmark.speed import PEERS, SIZES
    from benchmark.speed_rows import RECORDED, STEPS

    parser.description = (
        "Time one step of each kind of search, on random images: beside the same step of a reference program, and "
        "beside the least time that\nthe machine's own rates of matrix products and copies allow. The CUDA part has "
        "not yet run on a GPU."
    )
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    parser.set_defaults(execute=execute)
    parser.add_argument("--against", metavar="NAME", help=f"reference program, installed beside: {', '.join(PEERS)}")
    parser.add_argument(
        "--sizes", default=",".join(SIZES), metavar="A,B,…", help="sizes, by preset (default %(default)s)"
    )
    parser.add_argument("--steps", default=",".join(STEPS), metavar="A,B,…", help="steps (default %(default)s)")
    add_device(parser)
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each step (default: enough for a second)")
    parser.add_argument(
        "--out", type=a_path, metavar="FILE", help="CSV that the rows are added to, in place of older ones"
    )
    parser.add_argument(
        "--layers", action="store_true", help="instead, the compiled convolutions beside a matrix product, on this CPU"
    )
    parser.add_argument(
        "--check",
        nargs="?",
        type=a_path,
        const=RECORDED,
        metavar="FILE",
        help="compare the ratios with those recorded in FILE (default: the program's own): exit code 1 where one got "
        "worse, 2 where none is recorded for this device",
    )


def execute(options: argparse.Namespace) -> int:
    """Carry the command out; returns the exit code."""
    from benchmark.speed import PEERS, SIZES, run_speed
    from benchmark.speed_rows import STEPS

    sizes, steps = parse_names("--sizes", options.sizes, SIZES), parse_names("--steps", options.steps, STEPS)
    against = [options.against] if options.against is not None else []
    for option, names, known in (("--sizes", sizes, SIZES), ("--steps", steps, STEPS), ("--against", against, PEERS)):
        if unknown := [name for name in names if name not in known]:
            raise SettingsError(f"{option} {unknown[0]!r} is unknown; choose from {', '.join(known)}")
    check_count("--rounds", options.rounds)
    if options.layers:
        from benchmark import speed_layers

        speed_layers.run_layers(options.rounds or speed_layers.ROUNDS, terminal())
        return 0
    import torch

    device = torch.device(choose_device(options.device)[0])
    try:
        return run_speed(sizes, steps, options.against, device, options.rounds, options.out, options.check, terminal())
    except KeyboardInterrupt:
        print("\nWhat was measured in full is in --out, where that was given.", file=sys.stderr)
        raise
