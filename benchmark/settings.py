"""Settings: a preset (a TOML file) with the changes asked for on the command line, checked against the dataclasses."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError

from benchmark.errors import SettingsError
from data.folder import DataError, as_text, read_small
from data.splits import HALVES
from methods import registry
from methods.settings import option_default, source_of, unit_of
from spaces import NASBENCH201, Precision, Space, SpaceError

if TYPE_CHECKING:
    from methods.search import Search

PRESETS = ("paper", "proxy", "mini", "smoke")

Table = dict[str, Any]
T = TypeVar("T")

MOST_BYTES = 1 << 20
"""More than any preset has."""


ALL_OPERATIONS = "all"
"""What `problem.operations` calls the whole space."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProblemSettings:
    """What all methods search on: images, the size of the networks, and how they are computed."""

    images: str
    """The image set to search on."""
    channels: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    """C, the channels of the first stage."""
    cells_per_stage: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    """N, the search cells of each of the three stages."""
    resolution: Annotated[int, msgspec.Meta(ge=4, le=4096, multiple_of=4)] | Literal["full"]
    """Side in pixels that the images are scaled down to, or "full"; a multiple of 4, since networks halve it twice."""
    training_images: Annotated[int, msgspec.Meta(ge=4, le=10**9)] | Literal["all"]
    """Training images used, the same number of every class, in two halves; or "all"."""
    split: str | dict[str, str] = HALVES
    """The training images to train on and to validate on: "halves" (the first and the second), "cifar-split" (by
    AutoDL-Projects' file, where the data folder has it), a split file's path, or each by the name of a method."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=1024)] | Literal["all"]
    """CPU threads of one run. A setting, since with PyTorch's layers the last bits of a result depend on it."""
    precision: Precision = "fp32"
    """Number format of the supernets: "fp32", "tf32" (GPU: products rounded to 10 bits) or "bf16" (feature maps)."""
    operations: str = ALL_OPERATIONS
    """The operations that the cells to choose from are made of, joined by commas, or "all". Rank, regret, mean and best
    are those among these cells."""

    @property
    def space(self) -> Space:
        """The cells to choose from.

        Raises:
            SettingsError: for operations that make no space.
        """
        if self.operations == ALL_OPERATIONS:
            return NASBENCH201
        try:
            return NASBENCH201.restricted([name.strip() for name in self.operations.split(",")])
        except SpaceError as error:
            raise SettingsError(f"problem.operations = {self.operations[:100]!r}: {error}") from None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scale:
    """How a preset makes any method's published protocol smaller; exceptions stand in tables of their own."""

    epochs: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    """Share of the published epochs, and of every other setting that is given in epochs."""
    most_epochs: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """The epochs that no training has more than; what else a method gives in epochs shrinks in proportion."""
    steps: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    """Share of the published steps of α, whose learning rate is divided by it: rate × steps stays."""
    own_supernets: bool = True
    """Whether a selection has its supernet trained as its own program does, or shares that of the method it follows."""

    def share(self, epochs: int | None) -> float:
        """Of the published epochs, for a training of so many."""
        if epochs is None or self.most_epochs is None:
            return self.epochs
        return min(self.epochs, self.most_epochs / epochs)

    def scaled(self, table: Table, settings: type) -> Table:
        """A method's published settings, each by its unit: whole epochs and at least one, a rate to two digits."""
        share = self.share(table.get("epochs"))

        def scaled(name: str, value: Any) -> Any:
            match unit_of(settings, name):
                case "epochs" if value and share != 1:
                    return max(1, round(share * value))
                case "alpha_lr" if self.steps != 1:
                    return float(f"{value / self.steps:.1e}")
            return value

        return {name: scaled(name, value) for name, value in table.items()}


NO_METHODS = ("problem", "scale", "why")
"""The tables of a preset that are no method's."""


def read_preset(name: str) -> Table:
    """The tables of a preset: one of `PRESETS`, or a path to a file of the same layout.

    A preset with `base = "OTHER"` at its head says only where it differs from that one, setting by setting.

    Raises:
        SettingsError: for an unknown name, or a file that cannot be read as TOML.
    """
    tables: Table = {}
    for document in reversed(preset_documents(name)):
        for section, settings in document.unwrap().items():
            if section != "base":
                tables[section] = merge(tables.get(section, {}), settings)
    return tables


def preset_label(name: str) -> str:
    """What rows call a preset: one of ours by its name, a file by its own, so that it never passes for one of ours."""
    if name in PRESETS:
        return name
    of_file = as_text(Path(name).name)
    return f"{of_file} (a file)" if of_file in PRESETS else of_file


def merge(model: Table, table: Table) -> Table:
    """The settings of `model` but for those that `table` has; of a `supernet` too, unless `table` empties it, and of a
    `split` by method."""
    merged = {**model, **table}
    for supernet in (model.get("supernet", {}), merged.get("supernet", {})):
        if not isinstance(supernet, dict):
            raise SettingsError(f"supernet = {supernet!r} is no table of settings, as supernet.epochs = 30")
    if table.get("supernet"):
        merged["supernet"] = {**model.get("supernet", {}), **table["supernet"]}
    if isinstance(model.get("split"), dict) and isinstance(table.get("split"), dict):
        merged["split"] = {**model["split"], **table["split"]}
    return merged


def preset_documents(name: str) -> list[tomlkit.TOMLDocument]:
    """A preset's file, the file of its base, and so on, comments and all.

    Raises:
        SettingsError: as `read_preset`.
    """
    path = Path(str(files("benchmark") / "presets" / f"{name}.toml")) if name in PRESETS else Path(name)
    try:
        document = tomlkit.parse(read_small(path, MOST_BYTES).decode())
        if _deeper(document, 4):
            raise ValueError("its tables are nested deeper than any setting")
    except FileNotFoundError:
        raise SettingsError(
            f"there is no preset {name!r}; choose {', '.join(PRESETS)}, or give the path of a TOML file like theirs"
        ) from None
    except (OSError, ValueError, RecursionError, DataError, TOMLKitError) as error:
        raise SettingsError(f"preset {name!r} cannot be read: {' '.join(str(error).split())[:200]}") from None
    base = document.get("base")
    for key, value in document.items():
        if key != "base" and not isinstance(value, dict):
            raise SettingsError(f"preset {name!r}: {key} stands outside any table; put it under [problem] or a method")
    if base is None:
        return [document]
    if base not in PRESETS or base == name:
        raise SettingsError(f"preset {name!r}: base = {base!r} is none of {', '.join(PRESETS)}")
    return [document, *preset_documents(str(base))]


def _deeper(value: Any, levels: int) -> bool:
    """Whether tables and lists are nested in more levels than these."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(item, levels - 1) for item in inner)


def override(tables: Table, changes: Sequence[str]) -> Table:
    """`tables` with changes written `darts.alpha_lr=1e-3`: a dotted name of a setting, and its value as in TOML.

    Raises:
        SettingsError: for a change of another form.
    """
    changed = copy.deepcopy(tables)
    for change in changes:
        if as_text(change) != change:
            raise SettingsError(f"--set {as_text(change)!r} is no text in UTF-8")
        name, equals, text = change.partition("=")
        *sections, key = name.strip().split(".")
        try:
            value = tomllib.loads(f"value = {text.strip()}")["value"]
        except (ValueError, RecursionError):
            value = text.strip()  # a bare word, as in darts.train_batches=drawn
        if not (equals and sections and all(sections) and key):
            raise SettingsError(f"--set {change!r} is not of the form METHOD.SETTING=VALUE, as in darts.alpha_lr=1e-3")
        table = changed
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                raise SettingsError(f"--set {change!r}: {section!r} is a value, not a table of settings")
        table[key] = value
    return changed


def table_of(tables: Table, name: str) -> Table:
    """The settings of a method: the published protocol, made smaller by the preset's `scale`, but for what the preset
    or a change says of it by name, or of a method that it derives from and shares the published value with.

    Raises:
        MethodError: for an unknown method.
    """
    method = registry.load(name)
    published, scale = published_table(method), validate(tables.get("scale", {}), Scale, "scale")
    table = scale.scaled(published, method.Settings)
    if method.follows:
        followed = registry.load(method.follows).Settings
        of_supernet = {**(method.start_settings if scale.own_supernets else {}), **method.start_needs}
        table["supernet"] = scale.scaled({key: value for key, (value, _) in of_supernet.items()}, followed)
    for section in reversed(sections_of(tables, method)):
        theirs = published_table(registry.load(section))
        said = tables[section]
        if not isinstance(said, dict):
            raise SettingsError(f"{section} = {said!r} stands where a method's table of settings should")
        if section != name:
            said = {key: value for key, value in said.items() if theirs.get(key) == published.get(key)}
        table = merge(table, said)
    return table


def sections_of(tables: Table, method: type[Search]) -> list[str]:
    """The tables that say something of a method: its own, then those of the methods that its class derives from."""
    known = registry.names()  # asked once, since it looks through all installed packages
    named = {registry.load(name): name for name in tables if name not in NO_METHODS and name in known}
    return [named[cls] for cls in method.__mro__ if cls in named]


def published_table(method: type[Search]) -> Table:
    """The published protocol of a method; an option's default among it."""
    return {
        field.name: default
        for field in dataclasses.fields(method.Settings)
        if (default := plain_default(field)) is not dataclasses.MISSING
    }


def reason_of(tables: Table, name: str, key: str, supernet: bool = False) -> str:
    """Where a preset's value of a setting comes from: its own reason, how it was scaled, or the published source; ""
    for an option at its default.

    Args:
        tables: the preset as read, without changes.
        supernet: whether it is a setting of the supernet that the method starts from.
    """
    method, why = registry.load(name), tables.get("why", {})
    table = table_of(tables, name)
    for section in sections_of(tables, method):
        said = tables[section].get("supernet", {}) if supernet else tables[section]
        of = table["supernet"] if supernet else table
        if key in said and said[key] == of[key]:
            reasons = (why.get(f"{section}.{key}"), why.get(section), "as in the preset")
            return next(str(reason) for reason in reasons if reason)
    if supernet:
        value, source = {**method.start_settings, **method.start_needs}[key]
        scaled = table["supernet"][key]
    else:
        value, source = published_table(method)[key], source_of(method.Settings, key) or ""
        scaled = table[key]
    if scaled == value:
        return str(source)
    if unit_of(registry.load(method.follows or name).Settings if supernet else method.Settings, key) == "alpha_lr":
        return f"{scaled / value:.2g} times the published {written(value)}: rate × steps stays"
    return f"{scaled / value:.2g} of the published {written(value)}"


def reason_of_problem(tables: Table, key: str) -> str:
    """The same for a setting of the problem."""
    return str(tables.get("why", {}).get(f"problem.{key}", ""))


def validate(table: Mapping[str, Any], kind: type[T], where: str) -> T:
    """`table` as an instance of the dataclass `kind`.

    Raises:
        SettingsError: for an unknown, missing, ill-typed or out-of-range setting, naming it.
    """
    fields = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := [name for name in table if name not in fields]:
        raise SettingsError(f"{where}.{unknown[0]} is not a setting; there are {', '.join(sorted(fields))}")
    try:
        return msgspec.convert(dict(table), kind)
    except msgspec.ValidationError as error:
        raise SettingsError(f"the settings of {where} cannot be used: {' '.join(str(error).split())}") from None


def digest(*parts: Any) -> str:
    """A hash of settings, 12 hexadecimal digits: equal exactly for equal settings.

    An option at its default does not count, so that a new one leaves older results as they are; hence no such default
    may ever change. A setting of the published protocol counts whatever its value.
    """
    text = json.dumps([_told(part) for part in parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def written(value: Any) -> str:
    """A setting's value as `--set` takes it."""
    plain = plain_value(value)
    return plain if isinstance(plain, str) else json.dumps(plain)


def plain_value(value: Any) -> Any:
    """A setting's value in the types that a preset's file has."""
    return msgspec.json.decode(msgspec.json.encode(value))


def plain_default(field: dataclasses.Field[Any]) -> Any:
    """A setting's default, as `plain_value` would have it; `MISSING` where it has none."""
    if field.default_factory is not dataclasses.MISSING:
        return plain_value(field.default_factory())
    return field.default if field.default is dataclasses.MISSING else plain_value(field.default)


def _told(part: Any) -> Any:
    if not dataclasses.is_dataclass(part):
        return msgspec.to_builtins(part)
    return {
        field.name: _told(value)
        for field in dataclasses.fields(part)
        if (value := getattr(part, field.name)) != option_default(type(part), field.name)
    }


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
