"""What a results folder's recorded commands were, so that they can be carried out anew."""

from __future__ import annotations

import argparse
import contextlib
import io
import shlex
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmark.errors import SettingsError
from benchmark.provenance import with_home
from data import TRUTH_TABLES
from data.folder import DataError, is_there
from data.truth import TruthTable, open_truth
from reports.provenance import FILE, Entry, Provenance, read_provenance
from reports.rows import read_rows

PROGRAM = ["python", "-m", "benchmark"]


def parts(folder: Path) -> list[str]:
    """The folders with rows of their own in `folder`, relative to it: itself, or a study's variants.

    Raises:
        RowsError: for a study whose variants cannot be read.
    """
    if not is_there(folder / "variants.csv"):
        return ["."]
    return [str(name) for name in read_rows(folder, "variants.csv", {"variant": "its folder"})["variant"]]


def provenance_of(folder: Path, names: Sequence[str]) -> Provenance:
    """What ran in a folder, of whose `parts` a study's each repeat its command.

    Raises:
        SettingsError: where nothing was recorded.
        RowsError: where what was recorded is damaged.
    """
    found = [read_provenance(folder / name) or Provenance() for name in names]
    entries = tuple(entry for provenance in found for entry in provenance.commands)
    if not entries:
        raise SettingsError(f"{folder} has no command in a {FILE}: give a folder that `run` or `study` has written")
    if names == ["."] and any(command_line(entry)[:1] == ["study"] for entry in entries):
        raise SettingsError(
            f"{folder} is one variant of a study, whose command ran all of them: give the study's folder"
        )
    return Provenance(entries)


def command_line(entry: Entry) -> list[str]:
    """What stood behind `python -m benchmark`.

    Raises:
        SettingsError: where it is none that searches.
    """
    try:
        words = [with_home(word) for word in shlex.split(entry.command)]
    except ValueError:
        words = []
    if words[:3] != PROGRAM or words[3:4] not in (["run"], ["study"]):
        raise SettingsError(f"the recorded command {entry.command[:200]!r} is no `run` and no `study`")
    return words[3:]


def as_recorded(entry: Entry, parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options of a recorded command, with its preset and device even where they were the default.

    Raises:
        SettingsError: where this version has no such options, or this machine no such device.
    """
    if entry.gpu is not None and not torch.cuda.is_available():
        raise SettingsError(f"its runs were computed on a GPU ({entry.gpu}): reproduce them where one is visible")
    with contextlib.redirect_stderr(io.StringIO()) as refused:
        try:
            options = parser.parse_args(command_line(entry), argparse.Namespace(typed=command_line(entry)))
        except SystemExit:
            why = refused.getvalue().strip().rpartition("error: ")[2]
            raise SettingsError(f"this version cannot carry out {entry.command[:200]!r}: {why}") from None
    options.preset = with_home(entry.preset)
    options.device = "cpu" if entry.gpu is None else "cuda"
    options.tensorboard = False
    return options


def truth_of(entry: Entry, asked: str | None, folder: Path) -> TruthTable:
    """The truth table that a command looked its cells up in: the one that it named, or the one of the same content.

    Raises:
        SettingsError: where it is not here.
    """
    for name in (*([asked] if asked else []), *TRUTH_TABLES):
        with contextlib.suppress(DataError):
            if (truth := open_truth(name, folder)).checksum == entry.truth_checksum:
                return truth
    raise SettingsError(
        f"its cells were looked up in {entry.truth}, SHA-256 {entry.truth_checksum[:12]}…, which is not here: "
        "`python -m benchmark data status` says what is, and how to get the others"
    )
