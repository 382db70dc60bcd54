"""A third party registers methods from packages of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from test_benchmark_run import benchmark

OUTSIDE = Path(__file__).parent / "outside"

METHOD = '''
from dataclasses import dataclass

import numpy as np

from methods.search import Search
from spaces import Cell
from spaces.nasbench201.cell import NUM_CELLS


@dataclass(frozen=True)
class Settings:
    epochs: int = 3
    """Cells drawn, one an epoch."""


class Dice(Search):
    """Dice: the last cell drawn"""

    Settings = Settings
    source = "no paper"

    def __init__(self, problem, settings, seed, start=None):
        self.epochs = settings.epochs
        self.random = np.random.default_rng(seed)
        self.drawn = 0
        self.truth = problem.truth

    def epoch(self):
        self.drawn = int(self.random.integers(NUM_CELLS))
        return {"pips": float(self.drawn), "truth": self.truth.name if self.truth else "hidden"}

    def cell(self):
        return Cell.at(self.drawn)

    def state(self):
        return {"drawn": self.drawn, "random": self.random.bit_generator.state}

    def load(self, state):
        self.drawn = state["drawn"]
        self.random.bit_generator.state = state["random"]
'''

METHOD += '''

class Cheat(Dice):
    """Cheat: the same, but it says that it searches on the table"""

    needs_truth = True
'''

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "dice-nas"
version = "1.0"

[project.entry-points."benchmark.methods"]
dice = "dice_nas:Dice"
cheat = "dice_nas:Cheat"

[tool.setuptools]
py-modules = ["dice_nas"]
"""


def test_an_installed_package_brings_its_method(tmp_path):
    package, site = tmp_path / "package", tmp_path / "site"
    package.mkdir()
    (package / "dice_nas.py").write_text(METHOD)
    (package / "pyproject.toml").write_text(PROJECT)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps"]
    subprocess.run([*pip, "--target", str(site), str(package)], check=True)

    listed = benchmark("methods", cwd=tmp_path, PYTHONPATH=str(site))
    assert re.search(r"dice +(– +)?Dice: the last cell drawn", listed.stdout)
    dice, cheat = (benchmark("methods", name, cwd=tmp_path, PYTHONPATH=str(site)).stdout for name in ("dice", "cheat"))
    assert "Cells drawn, one an epoch." in dice
    assert "searches on the table" in cheat and "searches on the table" not in dice

    arguments = ["run", "--methods", "dice,cheat,darts", "--seeds", "2", "--preset", "smoke", "--out", "results"]
    done = benchmark(*arguments, "--set", "dice.epochs=2", cwd=tmp_path, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    runs = pd.read_csv(tmp_path / "results" / "runs.csv")
    assert runs[runs.method == "dice"].epochs.tolist() == [2, 2]
    history = pd.read_csv(tmp_path / "results" / "history.csv")
    given = history.groupby("method").truth.unique()
    assert (given["dice"].tolist(), given["cheat"].tolist()) == (["hidden"], ["NAS-Bench-201"])
    assert "dice" in (tmp_path / "results" / "summary.md").read_text()


GRADIENT_METHODS = {
    "drnas-outside": ("drnas_outside", "DrNAS"),
    "fairdarts-outside": ("fairdarts_outside", "FairDarts"),
    "gaea-outside": ("gaea_outside", "GAEA"),
}

CHECK = """
from benchmark.testing import check_method
from methods import registry
for name in {names}:
    check_method(registry.load(name))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Where a package with three gradient methods is installed."""
    package, site = tmp_path_factory.mktemp("package"), tmp_path_factory.mktemp("site")
    for module, _ in GRADIENT_METHODS.values():
        (package / f"{module}.py").write_bytes((OUTSIDE / f"{module}.py").read_bytes())
    points = "".join(f'{name} = "{module}:{cls}"\n' for name, (module, cls) in GRADIENT_METHODS.items())
    head, _, tail = PROJECT.partition('dice = "dice_nas:Dice"\ncheat = "dice_nas:Cheat"\n')
    modules = ", ".join(f'"{module}"' for module, _ in GRADIENT_METHODS.values())
    (package / "pyproject.toml").write_text((head + points + tail).replace('"dice_nas"', modules))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps"]
    subprocess.run([*pip, "--target", str(site), str(package)], check=True)
    return site


def test_gradient_methods_from_outside_fulfil_the_contract(site, tmp_path):
    """In their own package they are checked as ours are."""
    code = CHECK.format(names=list(GRADIENT_METHODS))
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_gradient_methods_from_outside_run_in_every_preset_and_under_pt(site, tmp_path):
    given = ",".join([*GRADIENT_METHODS, "drnas-outside+pt"])
    arguments = ["run", "--methods", given, "--seeds", "1", "--preset", "smoke", "--out", "results"]
    done = benchmark(*arguments, cwd=tmp_path, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    runs = pd.read_csv(tmp_path / "results" / "runs.csv").set_index("method")
    assert set(runs.index) == {*GRADIENT_METHODS, "drnas-outside+pt"}
    page = benchmark("methods", "fairdarts-outside", cwd=tmp_path, PYTHONPATH=str(site)).stdout
    assert "proxy                0.005          1.7 times the published 0.003: rate × steps stays" in page
    assert "w₀₁, the factor of the zero-one loss." in page


@pytest.mark.parametrize("module", [module for module, _ in GRADIENT_METHODS.values()])
def test_a_gradient_method_is_its_differences(module):
    """Its docstring apart, no more than 45 lines."""
    _, _, code = (OUTSIDE / f"{module}.py").read_text(encoding="utf-8").split('"""', 2)
    assert len(code.strip().splitlines()) <= 45
