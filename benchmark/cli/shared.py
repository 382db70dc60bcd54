"""What the commands share: how one is declared, the options that several have, and the terminal.

Nothing here, and nothing at the head of a command's file, is slow to import: help and answers come at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from benchmark.errors import SettingsError
from data import TRUTH_TABLES

if TYPE_CHECKING:
    from rich.console import Console


class Command(Protocol):
    """A file of this folder."""

    @property
    def HELP(self) -> str:
        """Its line in the list of commands."""

    def add_options(self, parser: argparse.ArgumentParser, /) -> None:
        """Adds its options, and `execute`, which takes them and returns the exit code."""


class CommandParser(argparse.ArgumentParser):
    """Is given its command's options when it is called: to list what they can be, all that is installed is looked
    through."""

    def __init__(self, *, command: Command, **given: Any) -> None:
        super().__init__(**given)
        self.command: Command | None = command

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of every parser."""
        if self.command is not None:
            self.command.add_options(self)
            self.command = None  # a parser may be called again
        return super().parse_known_args(args, namespace)


def parser_of(commands: Mapping[str, Command], description: str | None = None) -> argparse.ArgumentParser:
    """What parses one of these commands, by name."""
    parser = argparse.ArgumentParser(prog="python -m benchmark", description=description)
    added = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=CommandParser)
    for name, command in commands.items():
        added.add_parser(name, command=command, help=command.HELP)
    return parser


def a_path(text: str) -> Path:
    """A path that an option names; an empty one, as of a variable that is not set, would be the present folder."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty; give one, or . for the present folder")
    return Path(text)


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """--data-dir."""
    parser.add_argument(
        "--data-dir",
        type=a_path,
        metavar="DIR",
        help="folder of images and truth tables (default: $BENCHMARK_DATA, else the user's data folder)",
    )


def add_truth(parser: argparse.ArgumentParser) -> None:
    """--truth."""
    parser.add_argument(
        "--truth",
        metavar="NAME",
        help=f"truth table: {TRUTH_TABLES[0]} (default; comes with the program), {', '.join(TRUTH_TABLES[1:])} (the "
        "same cells, trained once more by others; CIFAR-10 test alone), api:FILE (an official .pth file, answered from "
        "by the package nas-bench-201), or the path of an imported .parquet file",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device; `choose_device` takes it."""
    parser.add_argument(
        "--device", metavar="NAME", help="cpu, cuda, cuda:1, … (default: a CUDA GPU where there is one)"
    )


def choose_device(name: str | None) -> tuple[str, str]:
    """The device to compute on, and why.

    Raises:
        SettingsError: for one that is not there.
    """
    import torch

    if name is None:
        if torch.cuda.is_available():
            return "cuda", "a CUDA GPU is visible"
        return "cpu", "no CUDA GPU is visible"
    kind, colon, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (colon and not (kind == "cuda" and number.isascii() and number.isdecimal())):
        raise SettingsError(f"--device {name!r} is unknown; choose cpu, cuda, or one GPU of several as cuda:1")
    if kind == "cuda":
        visible = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(number or 0) >= visible:
            raise SettingsError(
                f"--device {name!r}: {visible} CUDA GPUs are visible to PyTorch here; choose cpu or another"
            )
    return name, "as asked"


def check_count(option: str, number: int | None) -> None:
    """
    Raises:
        SettingsError: for a number below 1.
    """
    if number is not None and number < 1:
        raise SettingsError(f"{option} {number}: give a whole number from 1 up")


def terminal() -> Console:
    """Where progress and tables go. Names and errors may have brackets in them, which are no markup."""
    from rich.console import Console

    return Console(soft_wrap=True, markup=False, highlight=False)


def parse_names(option: str, text: str, known: Iterable[str]) -> list[str]:
    """The names in an option, separated by commas; whether they are known is another question.

    Raises:
        SettingsError: where there is none, or one twice.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise SettingsError(f"{option} {text!r}: name one or more, each once, of {', '.join(known)}")
    return names
