"""A third party registers a method from a package of its own."""

import subprocess
import sys

import pandas as pd
from test_benchmark_run import benchmark

METHOD = '''
from dataclasses import dataclass

import numpy as np

from methods.search import Search
from spaces import NUM_CELLS, Cell


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
    assert "dice            Dice: the last cell drawn" in listed.stdout
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
