"""Checks what a method returns before any of it is written. A method may be a third party's: where it raises, or
returns anything but what `methods.search.Search` promises, its run fails, and no other.
"""

from __future__ import annotations

import math
import operator
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.metrics import METRICS
from methods.search import EpochLog
from reports.results import MOST_EPOCHS
from reports.rows import HISTORY_COLUMNS, is_number
from spaces import Cell, Space

RESERVED = {*HISTORY_COLUMNS, *METRICS, "tau"}
"""Columns of `history.csv` that the runner fills in itself."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
"""What a method may call a measurement: the name becomes a column."""

MOST_TEXT = 10_000
"""Characters of a text; the longest of ours, the weights of all operations, has 240."""

DTYPES = {
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8),
}
"""The types of numbers that a checkpoint holds."""

MOST_DIGITS = 10**1000
"""Whole numbers beyond it could be written into a checkpoint, but not read again."""

DEEPEST = 50
"""Levels of dicts and lists in a state."""


class MethodFailed(Exception):
    """A method returned or raised what it must not; the cause, if there is one, is what it raised."""


@contextmanager
def methods_own(what: str) -> Iterator[None]:
    """Anything raised inside, by the method's `what`, counts as the method's failure, even a full disk or an exit.

    Raises:
        MethodFailed: from what was raised.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        # Where a command handles signals, Ctrl-C raises an error of its own; this one was raised by the method.
        if type(error) is not KeyboardInterrupt or signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            raise
        raise MethodFailed(f"in {what}") from error
    except (MemoryError, torch.AcceleratorError):
        raise  # of the machine
    except BaseException as error:
        raise MethodFailed(f"in {what}") from error


def measurements(told: object, epoch: int) -> EpochLog:
    """What an epoch measured, with plain numbers.

    Raises:
        FloatingPointError: for a number that is not finite.
        MethodFailed: for anything that is no measurement, naming its key.
    """
    if not isinstance(told, dict):
        raise MethodFailed(f"epoch() returned {_kind(told)} in epoch {epoch}, and should have returned a dict")
    found: EpochLog = {}
    for name, value in told.items():
        where = f"epoch() returned {_shown(name)} in epoch {epoch}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise MethodFailed(
                f"{where}, which cannot name a column: a name has up to 64 letters, digits, '_', '.' and '-', the "
                "first of them a letter"
            )
        if name in RESERVED:
            raise MethodFailed(f"{where}, which is a column of the program's own: call it something else")
        found[str(name)] = _measured(value, str(name), epoch)
    return found


def _measured(value: object, name: str, epoch: int) -> float | str:
    where = f"{name}, which epoch() returned in epoch {epoch},"
    if isinstance(value, np.bool_ | bool):
        raise MethodFailed(f"{where} is {value}: return 1 or 0, or a text")
    if isinstance(value, np.integer | np.floating):
        value = value.item()
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            diverged = ": the training has diverged" if name.endswith("_loss") else ", which is no measurement"
            raise FloatingPointError(f"{name} is {float(value)} in epoch {epoch}{diverged}")
        return float(value)
    if isinstance(value, str):
        return _text(value, where)
    raise MethodFailed(f"{where} is {_kind(value)}: return numbers (float(…) makes one of a tensor) and texts only")


def _text(value: str, where: str) -> str:
    text = str.__str__(value)
    if not (0 < len(text) <= MOST_TEXT and text.isprintable() and text == text.strip()):
        raise MethodFailed(
            f"{where} is {_shown(text)}: a text has one line of 1 to {MOST_TEXT:,} printable characters, and no space "
            "at its ends"
        )
    if is_number(text):
        raise MethodFailed(f"{where} is the text {_shown(text)}, which would be read as a number: return a number")
    return text


def cell(told: object, space: Space, what: str = "cell()") -> Cell:
    """A cell of the space, of plain numbers.

    Raises:
        MethodFailed: for anything else.
    """
    if not isinstance(told, Cell):
        raise MethodFailed(f"{what} returned {_kind(told)}, and should have returned a Cell")
    try:
        of_plain_numbers = Cell(tuple(operator.index(operation) for operation in told.operations))
        space.choices_of(of_plain_numbers)
        return of_plain_numbers
    except Exception as error:
        raise MethodFailed(f"{what} returned what is no cell: {str(error)[:200]}") from None


def scores(told: object, space: Space) -> NDArray[np.float64] | None:
    """A score of every cell, shape (cells,), or None.

    Raises:
        MethodFailed: for anything else.
    """
    if told is None:
        return None
    if not isinstance(told, np.ndarray) or told.shape != (len(space),) or told.dtype.kind not in "fiu":
        found = f"an array of shape {told.shape} and type {told.dtype}" if isinstance(told, np.ndarray) else _kind(told)
        raise MethodFailed(f"scores() returned {found}, and should have returned None or {len(space)} numbers by cell")
    return np.array(told, dtype=np.float64)


def alternative_cell(told: object, space: Space) -> tuple[str, Cell] | None:
    """Name and choice of a second rule, or None.

    Raises:
        MethodFailed: for anything else.
    """
    if told is None:
        return None
    if not isinstance(told, tuple) or len(told) != 2 or not isinstance(told[0], str):
        raise MethodFailed(
            f"alternative_cell() returned {_kind(told)}, and should have returned None or a name and a cell"
        )
    return _text(told[0], "the name that alternative_cell() returned"), cell(told[1], space, "alternative_cell()")


def asks(told: object) -> str | None:
    """The metric that a search on the table chooses by, or None.

    Raises:
        MethodFailed: for anything else.
    """
    if told is None or (isinstance(told, str) and told in METRICS):
        return told
    raise MethodFailed(f"its `asks` is {_shown(told)}, and should be None or one of {', '.join(METRICS)}")


def epochs(told: object, before: int = 0) -> int:
    """The epochs of a search, `before` of them of those that it starts from.

    Raises:
        MethodFailed: for anything else.
    """
    if isinstance(told, bool) or not isinstance(told, int | np.integer) or not 1 <= told <= MOST_EPOCHS - before:
        raise MethodFailed(f"its `epochs` is {_shown(told)}, and should be a whole number from 1 to {MOST_EPOCHS:,}")
    return int(told)


def state(told: object) -> dict[str, Any]:
    """A search's state, which can be written and read again.

    Raises:
        MethodFailed: for what a checkpoint cannot hold, naming its place.
    """
    if not isinstance(told, dict):
        raise MethodFailed(f"state() returned {_kind(told)}, and should have returned a dict")
    _check_state(told, "state()", 0)
    return told


def _check_state(value: object, where: str, level: int) -> None:
    if level > DEEPEST:
        raise MethodFailed(f"{where[:200]} is nested deeper than {DEEPEST} levels of dicts and lists")
    if isinstance(value, Tensor):
        if value.dtype not in DTYPES or value.layout != torch.strided or value.is_meta or value.is_quantized:
            raise MethodFailed(
                f"{where} is a tensor of a kind that a checkpoint cannot hold ({value.dtype}, {value.layout})"
            )
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str | int | float) and key is not None:
                raise MethodFailed(f"{where} has the key {_shown(key)}, which is neither text nor number")
            _check_scalar(key, f"a key of {where}")
            _check_state(item, f"{where}[{_shown(key)}]", level + 1)
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            _check_state(item, f"{where}[{place}]", level + 1)
    else:
        _check_scalar(value, where)


def _check_scalar(value: object, where: str) -> None:
    if value is None or isinstance(value, str | float):
        return
    if not isinstance(value, int):
        raise MethodFailed(f"{where} is {_kind(value)}, and a state has tensors, numbers, texts, dicts and lists only")
    if abs(value) > MOST_DIGITS:
        raise MethodFailed(f"{where} is a number of more than 1,000 digits")


def _kind(value: object) -> str:
    return f"something of type {type(value).__name__}"


def _shown(value: object) -> str:
    """A short text for any value, whose own may be long or raise."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        return _kind(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
