"""RSPS: Li & Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI 2019.

Random search with parameter sharing (§3). There is nothing to learn but the weights w of a supernet, which descend, on
one uniformly drawn cell a ∼ U(A) after another, the same in all the network's cells,

    min_w E_{a∼U(A)} [ L_train(w, a) ];

then the shared weights stand in for a training of its own: of n uniform cells the one is chosen that they give the best
validation accuracy,

    a* = argmax_{a ∈ {a_1 … a_n}} acc_val(w, a).

Any cell can be drawn, even one whose output is zero. In the program the accuracy is that of one batch, another for each
cell, and it is measured after every epoch, though only the last measurement counts (`one_batch`). The paper trains the
ten best of 1,000 cells from scratch and takes the best of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from data.published import reported
from methods.batches import Loader
from methods.one_batch import Choice, OneBatchSettings, choice_is_due, moving_share
from methods.search import EpochLog, Problem, Search, seeded, uniform_cell
from methods.settings import Count, NotNegative, Rate, setting
from methods.single_path import SinglePathSettings, SinglePathTraining
from spaces import Cell
from spaces.supernet import Supernet


@dataclass(frozen=True, kw_only=True)
class RSPSSettings(SinglePathSettings, OneBatchSettings):
    epochs: Count = setting(250, "AutoDL-Projects, RANDOM.config: epochs")
    batch_size: Count = setting(64, "AutoDL-Projects, RANDOM.config: batch_size")
    lr: Rate = setting(0.025, "AutoDL-Projects, RANDOM.config: LR")
    lr_min: NotNegative = setting(0.001, "AutoDL-Projects, RANDOM.config: eta_min")
    momentum: NotNegative = setting(0.9, "AutoDL-Projects, RANDOM.config: momentum")
    nesterov: bool = setting(True, "AutoDL-Projects, RANDOM.config: nesterov")
    weight_decay: NotNegative = setting(5e-4, "AutoDL-Projects, RANDOM.config: decay")
    decay_undrawn: bool = setting(
        False, "AutoDL-Projects, RANDOM-NAS.py: zero_grad of PyTorch < 2, no gradient until first drawn"
    )
    labels: Literal["true", "random"] = setting("true", "the images' own")
    path_per_cell: bool = setting(False, "AutoDL-Projects, RANDOM-NAS.py: random_genotype, once a batch")
    clip: Rate | Literal["off"] = setting(5.0, "AutoDL-Projects, RANDOM-NAS.py: clip_grad_norm_")


class UniformTraining(SinglePathTraining):
    """A supernet trained on one uniform cell after another."""

    settings: RSPSSettings

    def new_supernet(self, problem: Problem, generator: torch.Generator, classes: int) -> Supernet:
        return problem.supernet(generator, classes, moving=moving_share(self.settings))

    def sample_path(self, cells: int) -> list[Cell]:
        if self.settings.path_per_cell:
            return [uniform_cell(self.space, self.choices) for _ in range(cells)]
        return [uniform_cell(self.space, self.choices)] * cells


class RSPS(Search):
    """RSPS: supernet trained on uniform cells, then the best of 100 more by validation accuracy"""

    title = "RSPS"
    family = "one-shot"
    year = 2019
    score_name = "accuracy on one batch (%)"
    published = reported(
        "NAS-Bench-201's table, as quoted in TE-NAS's, as quoted in Chen et al. (Deep Architecture Connectivity "
        "Matters, 2022) Table 2",
        {"cifar10_test": (87.66, 1.69), "cifar100_test": (58.33, 4.34), "imagenet16-120_test": (31.14, 3.88)},
        runs=3,
        note="search on CIFAR-10 only; edition: BN batch statistics (inferred from AutoDL-Projects issue 70)",
    )

    Settings: ClassVar[type] = RSPSSettings
    saved = ("training", "choice")
    split = "cifar-split"
    split_source = "AutoDL-Projects, RANDOM-NAS.py: get_nas_search_loaders"
    source = 'Li & Talwalkar, "Random Search and Reproducibility", UAI 2019; program: AutoDL-Projects, RANDOM-NAS.py'

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        self.settings: RSPSSettings = settings
        self.seed = seed
        self.epochs = self.settings.epochs
        self.training = UniformTraining(problem, self.settings, seed)
        valid = Loader(problem.images, 1, torch.Generator(problem.device), augment=False)
        self.choice = Choice(problem.space, valid, self.settings.select_batch_size)

    def epoch(self) -> EpochLog:
        measured = self.training.epoch()
        done = self.training.epochs_done
        if choice_is_due(self.settings, done, self.epochs):
            random = np.random.default_rng(seeded(self.seed, 4, done))
            cells = [uniform_cell(self.training.space, random) for _ in range(self.settings.select_num)]
            self.choice.among(cells, self.training.supernet, seeded(self.seed, 5, done))
        return {**measured, "valid_accuracy": max(self.choice.accuracies)}

    def cell(self) -> Cell:
        return self.choice.cell()

    def scores(self) -> NDArray[np.float64]:
        """The accuracies of the cells measured last, each on a batch of its own."""
        return self.choice.scores()
