"""What the tests of third parties' methods share: packages as installed, and classes that tell what they like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.search import Search
from spaces import Cell

PREAMBLE = '''
import os, sys
from dataclasses import dataclass

import numpy as np
import torch

from methods.search import Search
from spaces import Cell


@dataclass(frozen=True)
class Settings:
    epochs: int = 2


class Honest(Search):
    """Honest: one cell for ever"""

    Settings = Settings
    source = "no paper"

    def __init__(self, problem, settings, seed, start=None):
        self.epochs, self.done = settings.epochs, 0

    def epoch(self):
        self.done += 1
        return {"pips": self.done}

    def cell(self):
        return Cell.at(15624)

    def state(self):
        return {"done": self.done}

    def load(self, state):
        self.done = state["done"]

'''


def install(site: Path, methods: dict[str, str], code: str = "", module: str = "stranger") -> Path:
    """A package of somebody else's in `site`, as pip would leave it; `methods` are classes of `module` by name."""
    site.mkdir(exist_ok=True)
    (site / f"{module}.py").write_text(PREAMBLE + code)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = [f"{name} = {module}:{kind}" for name, kind in methods.items()]
    (info / "entry_points.txt").write_text("\n".join(["[benchmark.methods]", *lines]) + "\n")
    return site


@dataclass(frozen=True)
class Settings:
    epochs: int = 2


class Told(Search):
    """A method that answers as it was told to: `answers` has what each of its parts returns or, as a function, does."""

    Settings = Settings
    source = "no paper"
    answers: dict[str, Any]

    def __init__(self, problem: Any, settings: Any, seed: int, start: Any = None) -> None:
        self.done = 0
        self.epochs = self.told("epochs", 2)
        self.asks = self.told("asks", None)
        self.told("__init__", None)

    def told(self, part: str, otherwise: Any) -> Any:
        answer = self.answers.get(part, otherwise)
        return answer() if isinstance(answer, Doing) else answer

    def epoch(self) -> Any:
        self.done += 1
        return self.told("epoch", {"pips": self.done})

    def cell(self) -> Any:
        return self.told("cell", Cell.at(15624 - self.done))

    def scores(self) -> Any:
        return self.told("scores", None)

    def alternative_cell(self) -> Any:
        return self.told("alternative_cell", None)

    def state(self) -> Any:
        return self.told("state", {"done": self.done})

    def load(self, state: Any) -> None:
        done = state.get("done")
        self.done = done if isinstance(done, int) and 0 <= done < 100 else 1
        self.told("load", None)


@dataclass(frozen=True)
class Doing:
    """An answer that is not returned but done."""

    what: Callable[[], Any]

    def __call__(self) -> Any:
        return self.what()
