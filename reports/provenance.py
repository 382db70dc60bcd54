"""Where a results folder comes from: `provenance.json`, an entry for every command that ran in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from reports import RowsError

FILE = "provenance.json"


@dataclass(frozen=True)
class Setting:
    """One setting that the runs of a command were made with."""

    name: str
    """As for `--set`: `bdarts.strength`; of the supernet that PT starts from, `pt.supernet.epochs`."""
    value: Any
    meaning: str
    source: str
    """Where the value comes from: the comment of the preset, or that it was changed."""


@dataclass(frozen=True)
class Entry:
    """One command, and the machine and program that carried it out."""

    command: str
    """As typed."""
    started: str
    """UTC, to the second."""
    wall_seconds: float | None
    """From the first search's start-up to the end of the last; None where the command was stopped."""
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: int
    """Of these methods and seeds."""
    to_do: int
    """Those of them that the command had to carry out."""
    preset: str
    settings: tuple[Setting, ...]
    images: str
    truth: str
    truth_checksum: str
    device: str
    processor: str
    cores: int
    gpu: str | None
    system: str
    packages: dict[str, str]
    """Versions, by name; Python's too."""
    commit: str | None
    """Of the checkout that the program ran from; None where it was installed."""
    changed: bool
    """Whether that checkout's files differed from the commit."""
    kernels: str | None = None
    """The vectors that PyTorch's own kernels on the CPU are made for, as AVX2."""
    layers: str | None = None
    """The build of the compiled layers, as v3; `torch` where they are PyTorch's; None on a GPU."""
    compiler: str | None = None
    """What compiled them."""

    @property
    def computed_by(self) -> str:
        """The kernels that computed on the CPU, in words."""
        if self.kernels is None:
            return "not recorded"
        own = f"PyTorch's kernels for {self.kernels}"
        if self.layers is None:
            return own
        if self.layers == "torch":
            return f"PyTorch's layers; {own}"
        return f"layers {self.layers}, compiled by {self.compiler}; {own}"


FACTS: dict[str, Callable[[Entry], str]] = {
    "GPU": lambda entry: entry.gpu or "none used",
    "processor": lambda entry: f"{entry.processor}, {entry.cores} cores",
    "system": lambda entry: entry.system,
    "kernels": lambda entry: entry.computed_by,
    "commit": lambda entry: (
        f"{entry.commit}{', with local changes' * entry.changed}" if entry.commit else "not run from a checkout"
    ),
}
"""The machine and the program, in words."""


@dataclass(frozen=True)
class Provenance:
    """The commands of a results folder, the oldest first."""

    commands: tuple[Entry, ...] = ()

    @property
    def settings(self) -> list[Setting]:
        """The settings of all commands; a name has more than one where methods ran with different ones."""
        found = {(setting.name, repr(setting.value)): setting for entry in self.commands for setting in entry.settings}
        return list(found.values())

    def value(self, name: str) -> Any:
        """The value of the setting `name`; None where it is not known or not one for all."""
        values = [setting.value for setting in self.settings if setting.name == name]
        return values[0] if len(values) == 1 else None

    def distinct(self, fact: Callable[[Entry], object]) -> list[str]:
        """The different texts of a fact of the commands, in order of appearance."""
        return list(dict.fromkeys(str(fact(entry)) for entry in self.commands))

    def encoded(self) -> bytes:
        """The content of `provenance.json`."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def read_provenance(folder: Path) -> Provenance | None:
    """What `folder` says of its commands; None where it was written before that was recorded.

    Raises:
        RowsError: where the file is damaged.
    """
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Provenance)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, msgspec.DecodeError) as error:
        raise RowsError(
            f"{path} cannot be read ({str(error)[:200]}); repair it, or remove it and have a report without provenance"
        ) from None
