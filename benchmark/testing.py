"""For authors of methods: the whole contract as one test, and searches that are stepped by hand.

from benchmark.testing import check_method

def test_my_search():
    check_method(MySearch)
"""

from __future__ import annotations

import dataclasses
import inspect
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from benchmark import checkpoint, validation
from benchmark.describe import field_docs
from benchmark.settings import Scale, published_table, validate
from data.images import ImageSet, open_images
from data.truth import open_truth
from methods import registry
from methods.search import Problem, Search
from methods.state import Stateful, declared
from spaces import NASBENCH201, Space
from spaces.supernet import Layers, Supernet

T = TypeVar("T", bound=Search)

SCALE = Scale(epochs=0.4, most_epochs=3)
"""Of the protocol that `check_method` runs."""

EPOCHS = 2
"""Epochs of each of its searches."""


class ContractError(AssertionError):
    """A method breaks its contract; the message says what to do."""


def check_method(method: type[Search], **changes: Any) -> None:
    """Check that a method fulfils its contract, on a few small images; about as long as a dozen epochs of it.

    That it says what it is and documents its settings; that the same seed gives the same search; that it goes on from a
    checkpoint to the identical result, and no field is forgotten in `saved`; that asking for its cell, scores and other
    selection changes nothing; that these, and what an epoch measures, are what they must be; and that it does without
    the table unless it says that it needs it.

    Args:
        changes: of its settings, by name.

    Raises:
        ContractError: for the first of these that does not hold.
    """
    _require(inspect.getdoc(method) is not None, "a class doc; its first line is what `benchmark methods` shows")
    _require(isinstance(getattr(method, "source", None), str), "`source`, the paper and program that it follows")
    docs = field_docs(method.Settings)
    for field in dataclasses.fields(method.Settings):
        _require(field.name in docs, f"a string under the setting {field.name} that says what it means")

    def begun(seed: int = 0) -> Search:
        return _begun(method, seed, changes)

    silent, asked = begun(), begun()
    expected = [silent.epoch() for _ in range(min(EPOCHS, silent.epochs))]
    for measured in expected:
        first = asked.epoch()
        _check_answers(asked, first)
        _require(first == measured, "the same measurements for the same seed; draw from generators seeded by `seeded`")
    if changed := _different(silent, asked):
        raise ContractError(
            f"{method.__name__}: asking for cell, scores or other selection changes {', '.join(changed)}"
        )
    stopped, resumed = begun(), begun()
    stopped.epoch()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.safetensors"
        checkpoint.write(path, checkpoint.Checkpoint(stopped.state(), [], 0.0))
        saved = checkpoint.read(path, print)
    assert saved is not None
    resumed.load(saved.state)
    if forgotten := _different(stopped, resumed):
        raise ContractError(
            f"{method.__name__}: {', '.join(forgotten)} is otherwise after an epoch and is not restored; name it in "
            "`saved`, make it anew in `resume`, or in `transient` if every epoch begins it anew"
        )
    for measured in expected[1:]:
        _require(resumed.epoch() == measured, "the identical result when it goes on from a checkpoint")
    _require(resumed.cell() == silent.cell(), "the identical cell when it goes on from a checkpoint")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ContractError(f"the method lacks {what}")


def _check_answers(search: Search, measured: Mapping[str, object]) -> None:
    """By the very checks of the runner."""
    for name, value in measured.items():
        what = f"a finite number or text in what an epoch measures as {name!r}"
        _require_valid(what, validation.measurements, {name: value}, 1)
    _require_valid("a `Cell` from `cell`", validation.cell, search.cell(), NASBENCH201)
    _require_valid(f"scores of shape ({len(NASBENCH201)},), or None", validation.scores, search.scores(), NASBENCH201)
    what = "a name and a cell, or None, from `alternative_cell`"
    _require_valid(what, validation.alternative_cell, search.alternative_cell(), NASBENCH201)


def _require_valid(what: str, check: Callable[..., object], *told: object) -> None:
    try:
        check(*told)
    except (validation.MethodFailed, FloatingPointError) as error:
        raise ContractError(f"the method lacks {what}: {error}") from error


def _begun(method: type[Search], seed: int, changes: Mapping[str, Any]) -> Search:
    """A search at its start; one that follows another is given that one's finished supernet."""
    start = None
    if method.follows:
        start = _begun(registry.load(method.follows), seed, {})
        for _ in range(start.epochs):
            start.epoch()
    images = open_images("digits", Path()).scaled(None, 100)
    truth = open_truth(None, Path()) if method.needs_truth else None
    table = SCALE.scaled(published_table(method), method.Settings) | dict(changes)
    settings: Any = validate(table, method.Settings, method.__name__)
    return method(Problem(images, channels=4, cells_per_stage=1, truth=truth), settings, seed, start)


def _different(one: Search, other: Search) -> list[str]:
    """The fields that two searches do not agree in."""
    transient = declared(type(one), "transient")
    return [
        name
        for name, value in vars(one).items()
        if name not in transient and not _same(value, vars(other).get(name), set())
    ]


def _same(one: Any, other: Any, within: set[int]) -> bool:
    """Whether two values are the same to the last bit, whatever they are made of; `within` are the objects, by their
    identities, whose fields are being compared."""
    alike = any(isinstance(one, kind) and isinstance(other, kind) for kind in (dict, list | tuple, type(one)))
    if not alike:  # a checkpoint gives tuples back as lists, and all kinds of dicts as dicts
        return False
    match one:
        case Tensor():
            return one.shape == other.shape and torch.equal(one, other)
        case np.ndarray():
            return np.array_equal(one, other, equal_nan=True)
        case torch.Generator():
            return torch.equal(one.get_state(), other.get_state())
        case np.random.Generator():
            return bool(one.bit_generator.state == other.bit_generator.state)
        case nn.Module() | torch.optim.Optimizer():
            return _same(one.state_dict(), other.state_dict(), within)
        case dict():
            return one.keys() == other.keys() and all(_same(value, other[key], within) for key, value in one.items())
        case list() | tuple():
            return len(one) == len(other) and all(_same(a, b, within) for a, b in zip(one, other, strict=True))
        case float():
            return one == other or (one != one and other != other)
        case Stateful():
            return all(_same(getattr(one, name), getattr(other, name), within) for name in type(one).fields())
    if callable(one) or not hasattr(one, "__dict__"):
        return callable(one) or bool(one == other)
    return id(one) in within or _same(vars(one), vars(other), within | {id(one)})


def by_hand(
    method: type[T],
    *,
    channels: int = 16,
    cells_per_stage: int = 1,
    classes: int = 10,
    dtype: torch.dtype = torch.float64,
    layers: Layers = "compiled",
    seed: int = 0,
    space: Space = NASBENCH201,
    start: Search | None = None,
    **settings: Any,
) -> T:
    """A search without images or table, whose steps are taken by hand, to compare it with a paper's program.

    Its supernet's weights and α may be written over, and its steps are given their batches, images (B, 3, H, W) of
    `dtype` and labels (B,): of a gradient method `both_steps`, `alpha_step` and `weight_step`, of a single-path one
    `training.path_step` with the cells of the path. What a method draws itself comes from its generators.

    Args:
        dtype: of supernet and α.
        layers: the compiled ones, or PyTorch's.
        space: the cells to choose from.
        start: the search that a selection follows.
        settings: those that differ from the published protocol.
    """
    no_images, no_labels = torch.empty(0, 3, 32, 32, dtype=torch.uint8), torch.empty(0, dtype=torch.int64)
    nothing = no_images, no_labels, no_images, no_labels
    images = ImageSet("given by hand", *nothing, classes, (0.0,) * 3, (1.0,) * 3, "")
    table = published_table(method) | settings
    problem = Problem(images, channels, cells_per_stage, space=space)
    search = method(
        problem,
        validate(table, method.Settings, method.__name__),
        seed,
        start,
    )
    for held in (search, getattr(search, "training", None)):
        for value in vars(held).values() if held is not None else ():
            if isinstance(value, Supernet):
                value.to(dtype).layers = layers
    alpha = getattr(search, "alpha", None)
    if isinstance(alpha, Tensor):
        alpha.data = alpha.data.to(dtype)
    return search
