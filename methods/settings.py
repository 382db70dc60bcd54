"""How a method declares its settings: each with the value of the published protocol and where that is written."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

from msgspec import Meta

Count = Annotated[int, Meta(ge=1, le=10**6)]
Rate = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, lt=1)]
"""What a number among settings may be; checked when settings are read."""

Unit = Literal["epochs", "alpha_lr"]
"""How a preset of a smaller scale scales a setting: with the epochs, or as a learning rate of α."""


def setting(default: Any, source: str, *, unit: Unit | None = None) -> Any:
    """A field of a dataclass of settings whose default is the published protocol, which `source` names.

    A subclass that has another value declares the field again; its unit stays.
    """
    return dataclasses.field(default=default, metadata={"source": source, "unit": unit})


def unit_of(settings: type, name: str) -> Unit | None:
    """The unit of a field, as the class that first declared it has it."""
    units = [field.metadata.get("unit") for field in _declarations(settings, name)]
    return next((unit for unit in units if unit), None)


def source_of(settings: type, name: str) -> str | None:
    """Where the published value of a field is written; None for an option, which no protocol has."""
    found: str | None = next(_declarations(settings, name)).metadata.get("source")
    return found


def option_default(settings: type, name: str) -> Any:
    """What a field is where nobody asks for its option: the default of the class that first declared it; `MISSING` for
    a setting of the protocol."""
    *_, first = _declarations(settings, name)
    if "source" in first.metadata:
        return dataclasses.MISSING
    return first.default if first.default_factory is dataclasses.MISSING else first.default_factory()


def _declarations(settings: type, name: str) -> Any:
    """A field as each class of the hierarchy has it, the most derived first."""
    return (fields[name] for cls in settings.__mro__ if name in (fields := getattr(cls, "__dataclass_fields__", {})))
