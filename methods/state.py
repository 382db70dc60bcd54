"""A search's state, declared field by field: what is named in `saved` is in every checkpoint.

What a field may hold, and what is stored of it:

    a number, text, True, False, None      itself; so of lists and dicts of all that stands here
    a cell                                 its string
    a tensor, an array of NumPy            its values; where the shape is the same they are put back in place
    a module, an optimiser                 its `state_dict`
    a generator, PyTorch's or NumPy's      its state
    an object with `state` and `load`      what `state` gives, as of a search that it starts from
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from spaces import Cell

State = dict[str, Any]
"""A search's whole state: dicts and lists, nested at will, of tensors, numbers, strings, booleans and None."""


class Stateful:
    """Saves and restores the fields that its classes declare."""

    saved: ClassVar[tuple[str, ...]] = ()
    """The fields that a class adds to those of its bases; all that an epoch changes and that cannot be made anew."""

    transient: ClassVar[tuple[str, ...]] = ()
    """The fields that an epoch changes, but the next one begins anew."""

    @classmethod
    def fields(cls) -> list[str]:
        """The declared fields of this class and its bases, those of the bases first."""
        return declared(cls, "saved")

    def state(self, of: type[Stateful] | None = None) -> State:
        """Everything that `load` needs to go on to the identical result; or the part of it that a base declares.

        Raises:
            TypeError: where no field is declared, or one holds what cannot be stored.
        """
        names = (of or type(self)).fields()
        if not names:
            raise TypeError(
                f"{type(self).__name__} declares no state: name in `saved` the fields that an epoch changes"
            )
        return {name: stored(getattr(self, name), name) for name in names}

    def load(self, state: State) -> None:
        """Take over a state that `state` gave, in an object made of the same problem, settings and seed."""
        for name, value in state.items():
            setattr(self, name, restored(getattr(self, name), value))
        self.resume()

    def resume(self) -> None:
        """Make anew what follows from the state; called at the end of `load`."""


def declared(cls: type, what: str) -> list[str]:
    """The names that a class and its bases have in `saved` or `transient`, those of the bases first."""
    return [name for base in reversed(cls.__mro__) for name in vars(base).get(what, ())]


def stored(value: Any, name: str) -> Any:
    """What is stored of a field called `name`."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Cell():
            return str(value)
        case Tensor():
            return value.detach()
        case np.ndarray():
            return torch.from_numpy(value.copy())
        case nn.Module() | torch.optim.Optimizer():
            return value.state_dict()
        case torch.Generator():
            return value.get_state()
        case np.random.Generator():
            return value.bit_generator.state
        case list() | tuple():
            return [stored(item, name) for item in value]
        case dict():
            return {key: stored(item, name) for key, item in value.items()}
    if hasattr(value, "state") and hasattr(value, "load"):
        return value.state()
    raise TypeError(f"{name} cannot be a part of a search's state: it is a {type(value).__name__}")


@torch.no_grad()
def restored(now: Any, state: Any) -> Any:
    """The field that `state` was stored of; `now` is what it holds at present, and takes it over where it can."""
    match now:
        case Cell():
            return type(now).parse(state)
        case Tensor() if state is not None and now.shape == state.shape:
            return now.copy_(state)
        case np.ndarray():
            return state.numpy().copy()
        case nn.Module():
            now.load_state_dict(state)
        case torch.optim.Optimizer():
            load_optimiser(now, state)
        case torch.Generator():
            now.set_state(state)
        case np.random.Generator():
            now.bit_generator.state = state
        case _ if hasattr(now, "state") and hasattr(now, "load"):
            now.load(state)
        case tuple():
            return tuple(state)
        case _:
            return deepcopy(state)
    return now


DEVICE_DEPENDENT = ("capturable", "fused")
"""Options of an optimiser that go with the device."""


def load_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Take over a state, but for the options that go with the device: they stay as they are on this one."""
    groups = [
        {name: own[name] if name in DEVICE_DEPENDENT else value for name, value in saved.items()}
        for saved, own in zip(state["param_groups"], optimiser.param_groups, strict=True)
    ]
    optimiser.load_state_dict({**state, "param_groups": groups})
