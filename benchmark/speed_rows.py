"""The rows that `benchmark speed` measures: their file, and how they compare with recorded ones.

Compared are ratios, since seconds belong to one machine at one time. Recorded ones lie in `benchmark/speed.csv`, within
the package, so that `--check` finds them from any folder.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from benchmark.errors import SettingsError
from data.folder import is_there, write_atomically

STEPS = {"darts": "darts", "darts2": "darts2", "single-path": "rlnas", "pt-eval": "pt"}
"""The steps, and the method that each is a step of."""

OURS = "ours"

RECORDED = Path(str(files("benchmark") / "speed.csv"))

TOLERANCE = 0.25
"""How much worse than recorded a ratio may be. Measured five times on two cores that other programs used too, every
ratio stayed within 15 % of its middle."""

Measured = tuple[str, str, str]
"""What a row is of: device, size and step. The rows of the same belong together."""


@dataclasses.dataclass(frozen=True)
class Timing:
    """One implementation of one step, by the columns of the file."""

    device: str
    size: str
    step: str
    implementation: str
    ms: float
    """Of one step: one batch of training images and, where α learns too, one of validation images."""
    times_faster_than_reference: float | None
    """None where no reference was measured."""
    times_floor: float
    peak_mb: float
    """10⁶ bytes (`benchmark.speed_steps.peak_bytes`)."""

    @property
    def measured(self) -> Measured:
        """What it is of."""
        return self.device, self.size, self.step


COLUMNS = tuple(field.name for field in dataclasses.fields(Timing))
FASTER, FLOOR = "times_faster_than_reference", "times_floor"


class TimingComparison(NamedTuple):
    """A ratio of ours beside the recorded one."""

    row: Timing
    ratio: str
    recorded: float
    now: float

    @property
    def verdict(self) -> str:
        """Worse or better than recorded, or within the tolerance."""
        times_worse = self.recorded / self.now if self.ratio == FASTER else self.now / self.recorded
        if times_worse > 1 + TOLERANCE:
            return "worse"
        return "within" if times_worse >= 1 / (1 + TOLERANCE) else "better"


def compare(rows: Sequence[Timing], recorded: Mapping[Measured, Timing]) -> list[TimingComparison]:
    """Each of our ratios that is recorded too; the reference's own are not compared."""
    return [
        TimingComparison(row, ratio, then, now)
        for row in rows
        if row.implementation == OURS and row.measured in recorded
        for ratio in (FASTER, FLOOR)
        if (now := getattr(row, ratio)) is not None
        if (then := getattr(recorded[row.measured], ratio)) is not None
    ]


def recorded_rows(path: Path, wanted: Sequence[Measured]) -> dict[Measured, Timing]:
    """Our recorded rows.

    Raises:
        SettingsError: where nothing of what is wanted is recorded.
    """
    ours = {row.measured: row for row in (read_rows(path) if is_there(path) else []) if row.implementation == OURS}
    if not any(measured in ours for measured in wanted):
        raise SettingsError(
            f"--check: {path} has no such row of this device ({wanted[0][0]}); record one with --out {path}"
        )
    return ours


def read_rows(path: Path) -> list[Timing]:
    """The rows of a file.

    Raises:
        SettingsError: where `write_rows` cannot have written it.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ValueError(f"its columns are not {','.join(COLUMNS)}")
            return [_row(cells) for cells in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise SettingsError(
            f"{path} cannot be read as measured speeds ({error}); repair or remove it, or name another file"
        ) from None


def _row(cells: Mapping[str | None, str | None]) -> Timing:
    if set(cells) != set(COLUMNS) or None in cells.values():
        raise ValueError("a row has too few or too many cells")
    device, size, step, implementation, ms, faster, floor, peak = (str(cells[name]) for name in COLUMNS)
    ratio = _positive(faster) if faster else None
    return Timing(device, size, step, implementation, _positive(ms), ratio, _positive(floor), float(peak))


def _positive(text: str) -> float:
    if not 0 < (number := float(text)) < math.inf:
        raise ValueError(f"{text} is no positive number")
    return number


def write_rows(path: Path, rows: Sequence[Timing]) -> None:
    """The file of these rows, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = dataclasses.astuple(row)
        writer.writerow([f"{cell:.3f}" if isinstance(cell, float) else cell for cell in cells])  # None is left empty
    write_atomically(path, text.getvalue().encode())
