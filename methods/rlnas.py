"""RLNAS: Zhang et al., "Neural Architecture Search with Random Labels", CVPR 2021.

A supernet is trained, one uniformly sampled path at a time, to predict labels that are drawn at random once for every
image and then kept (§3.2.1). Whatever it learns is not the task; but the architectures whose weights have turned
furthest from their initialisation are those that converge fastest, and evolution looks for the largest angle (§3.2.2),

    Angle(a) = arccos( ⟨V(a, W₀), V(a, W_t)⟩ / (‖V(a, W₀)‖ · ‖V(a, W_t)‖) ).

With the images' own labels the same search is row B of the paper's ablation, here `spos-angle`.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from data.published import reported
from methods.angle import angles
from methods.evolution import EvolutionSettings, evolve
from methods.search import EpochLog, Problem, Search, seeded
from methods.settings import setting
from methods.single_path import SinglePathSettings, SinglePathTraining
from spaces import Cell

TABLE_1 = "Zhang et al., Neural architecture search with random labels (RLNAS), CVPR 2021, Table 1"


@dataclass(frozen=True, kw_only=True)
class RLNASSettings(SinglePathSettings, EvolutionSettings):
    pass


class RLNAS(Search):
    """RLNAS: single-path supernet on random labels, then evolution for the largest angle of weights"""

    title = "RLNAS"
    family = "one-shot"
    year = 2021
    score_name = "angle (radians), random labels"
    published = reported(
        f"{TABLE_1}, row D (random labels, angle)",
        {
            "cifar10_valid": 89.94,
            "cifar10_test": 93.45,
            "cifar100_valid": 70.98,
            "cifar100_test": 70.71,
            "imagenet16-120_valid": 43.86,
            "imagenet16-120_test": 43.70,
        },
    )

    Settings: ClassVar[type] = RLNASSettings
    saved = ("training",)
    split = "cifar-split"
    split_source = "RLNAS, rlnas_train_supernet.py: get_nas_search_loaders"
    source = 'Zhang et al., "Neural Architecture Search with Random Labels", CVPR 2021; program: RLNAS, nas_bench_201'

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        self.settings: RLNASSettings = settings
        self.space = problem.space
        self.seed = seed
        self.epochs = self.settings.epochs
        self.training = SinglePathTraining(problem, self.settings, seed)
        self.initial = deepcopy(self.training.supernet)
        self.choose()

    def epoch(self) -> EpochLog:
        measured = self.training.epoch()
        self.choose()
        return {**measured, "angle": float(self.angles[self.space.index(self.chosen)])}

    def choose(self) -> None:
        """Measure the angle of every cell, and let evolution search; its random numbers depend on the epoch alone."""
        self.angles = angles(self.space, self.initial, self.training.supernet)
        random = np.random.default_rng(seeded(self.seed, 4, self.training.epochs_done))
        self.chosen = evolve(self.angles, self.settings, self.space, random)

    def cell(self) -> Cell:
        return self.chosen

    def scores(self) -> NDArray[np.float64]:
        """The angle of every cell."""
        return self.angles

    def alternative_cell(self) -> tuple[str, Cell]:
        """The cell with the largest angle of all; where evolution found that angle, its own cell.

        Angles tie: a path of skips alone adds nothing to the weight vector, so cells that differ in one are equal.
        """
        found = self.angles[self.space.index(self.chosen)] == self.angles.max()
        return "exhaustive", self.chosen if found else self.space.at(int(self.angles.argmax()))

    def resume(self) -> None:
        self.choose()


@dataclass(frozen=True, kw_only=True)
class SPOSAngleSettings(RLNASSettings):
    labels: Literal["true", "random"] = setting("true", "RLNAS, Table 1, row B")


class SPOSAngle(RLNAS):
    """SPOS with angle: single-path supernet on true labels, then evolution for the largest angle of weights"""

    title = "SPOS, angle"
    year = 2021
    score_name = "angle (radians), true labels"
    published = reported(
        f"{TABLE_1}, row B (true labels, angle)",
        {
            "cifar10_valid": 90.20,
            "cifar10_test": 93.76,
            "cifar100_valid": 70.71,
            "cifar100_test": 71.11,
            "imagenet16-120_valid": 40.78,
            "imagenet16-120_test": 41.44,
        },
    )
    published_cell = Cell.parse(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )

    Settings: ClassVar[type] = SPOSAngleSettings
