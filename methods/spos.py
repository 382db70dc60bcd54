"""SPOS: Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling", ECCV 2020.

A supernet is trained one uniformly sampled path at a time (§3.3); then evolution (Alg. 1) looks for the cell whose
sub-network, with the supernet's weights, classifies the validation images best. Its batch normalisation statistics
are recalibrated on training images first (§3.4), since those of the supernet belong to no cell in particular.

RLNAS' ablation (its Table 1) crosses this indicator with the labels: true is row A, `spos`, random row C,
`rlnas-accuracy`, whose classifier never saw a true label. The
supernet is that of `spos-angle` or `rlnas` of the same seed, so that rows A and B, and C and D,
choose from the very same weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from msgspec import Meta
from numpy.typing import NDArray

from data.published import reported
from methods.batches import Loader
from methods.evolution import Evolution, EvolutionSettings
from methods.rlnas import RLNAS, TABLE_1
from methods.search import EpochLog, Problem, Search, seeded
from methods.settings import Count, setting
from methods.single_path import SinglePathSettings, SinglePathTraining
from methods.training import Tally
from spaces import Cell, Space
from spaces.supernet import Supernet


@dataclass(frozen=True, kw_only=True)
class AccuracySettings:
    batch_size: Count = setting(64, "RLNAS, SPOS.config: batch_size")
    """Images in a batch."""
    recalibration_batches: Count = setting(100, "SPOS §3.4 recalibrates, and says not on how many; ours")
    """Batches of training images from which a cell's normalisation statistics are recalibrated."""
    validation_images: Count | Literal["all"] = setting("all", "the whole validation half")
    """Images of the validation half that a cell's accuracy is measured on, the first so many."""


@torch.no_grad()
def accuracy_of(
    cell: Cell, space: Space, supernet: Supernet, train: Loader, valid: Loader, settings: AccuracySettings
) -> float:
    """Validation accuracy (%) of the cell's sub-network, its statistics recalibrated on training images."""
    network = space.subnetwork(supernet, cell).train()
    for images, _ in train.in_order(settings.batch_size, settings.recalibration_batches * settings.batch_size):
        network(images)
    network.eval()
    tally = Tally(valid.images.device)
    wanted = len(valid) if settings.validation_images == "all" else settings.validation_images
    for images, labels in valid.in_order(settings.batch_size, wanted):
        right = (network(images).argmax(1) == labels).sum()
        tally.add(right.new_zeros(()), right, (images, labels))  # random labels may have fewer classes: no loss
    return float(tally.measured("valid")["valid_accuracy"])


@dataclass(frozen=True, kw_only=True)
class SPOSSettings(EvolutionSettings, AccuracySettings):
    pass


class SPOS(Search):
    """SPOS: single-path supernet on true labels, then evolution for the best validation accuracy"""

    title = "SPOS"
    family = "one-shot"
    year = 2020
    published = reported(
        f"{TABLE_1}, row A (true labels, validation accuracy)",
        {
            "cifar10_valid": 88.49,
            "cifar10_test": 92.11,
            "cifar100_valid": 66.51,
            "cifar100_test": 66.89,
            "imagenet16-120_valid": 40.16,
            "imagenet16-120_test": 40.80,
        },
    )

    Settings: ClassVar[type] = SPOSSettings
    saved = ("evolution",)
    split = "cifar-split"
    split_source = "as for rlnas"
    source = 'Guo et al., "SPOS", ECCV 2020; as in Zhang et al., "RLNAS", CVPR 2021, Table 1'
    follows = "spos-angle"

    @classmethod
    def accepts(cls, start: type[Search]) -> str | None:
        return None if issubclass(start, RLNAS) else "it needs a supernet that was trained path by path"

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        assert isinstance(start, RLNAS)
        self.settings: SPOSSettings = settings
        self.start = start
        self.by_angle = start.cell()
        self.problem = problem
        self.epochs = self.settings.generations
        generator = torch.Generator(problem.device).manual_seed(seeded(seed, 5))
        self.train = Loader(problem.images, 0, generator, augment=False)
        self.valid = Loader(problem.images, 1, generator, augment=False)
        self.evolution = Evolution(self.settings, problem.space, np.random.default_rng(seeded(seed, 6)))

    def epoch(self) -> EpochLog:
        """One generation."""
        self.evolution.generation(self.accuracy)
        return {"valid_accuracy": float(self.evolution.scores[0])}

    def accuracy(self, cell: Cell) -> float:
        supernet = self.start.training.supernet
        return accuracy_of(cell, self.problem.space, supernet, self.train, self.valid, self.settings)

    def cell(self) -> Cell:
        return self.evolution.best()

    def alternative_cell(self) -> tuple[str, Cell]:
        return "angle", self.by_angle


class RLNASAccuracy(SPOS):
    """RLNAS with accuracy: single-path supernet on random labels, then evolution for validation accuracy"""

    title = "RLNAS, accuracy"
    year = 2021
    published = reported(
        f"{TABLE_1}, row C (random labels, validation accuracy)",
        {
            "cifar10_valid": 76.47,
            "cifar10_test": 80.60,
            "cifar100_valid": 52.48,
            "cifar100_test": 52.84,
            "imagenet16-120_valid": 29.58,
            "imagenet16-120_test": 28.37,
        },
    )

    follows = "rlnas"


@dataclass(frozen=True, kw_only=True)
class SampleSettings(SinglePathSettings, AccuracySettings):
    labels: Literal["true", "random"] = setting("true", "as of spos-angle")
    sample: Annotated[int, Meta(ge=2, le=100_000)] = setting(100, "τ of 100 cells has a standard error of about 0.07")
    """Cells whose accuracy is measured, drawn once from the seed."""
    interval: Count = setting(25, "eleven measurements: about half the evaluations of spos", unit="epochs")
    """Epochs from one measurement to the next; the first and the last epoch have one, too."""


class SPOSSample(Search):
    """SPOS' indicator as it trains: the accuracy of a random sample of cells, true labels (a measurement)"""

    title = "SPOS, sample"
    family = "measurement"
    score_name = "accuracy (%), true labels"

    Settings: ClassVar[type] = SampleSettings
    saved = ("training", "accuracies")
    split = "cifar-split"
    split_source = "as for spos-angle, whose supernet it measures"
    source = "ours: what the accuracy of sub-networks is worth, next to the angle of the same training"

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        self.settings: SampleSettings = settings
        self.space = problem.space
        self.epochs = self.settings.epochs
        self.training = SinglePathTraining(problem, self.settings, seed)  # the very supernet of `spos-angle`
        generator = torch.Generator(problem.device).manual_seed(seeded(seed, 5))
        self.train = Loader(problem.images, 0, generator, augment=False)
        self.valid = Loader(problem.images, 1, generator, augment=False)
        drawn = np.random.default_rng(seeded(seed, 6)).choice(
            len(self.space), min(self.settings.sample, len(self.space)), replace=False
        )
        self.sample = [self.space.at(int(index)) for index in drawn]
        self.accuracies = [math.nan] * len(self.sample)
        """Of the sample, as last measured."""

    def epoch(self) -> EpochLog:
        measured = self.training.epoch()
        done = self.training.epochs_done
        if done in (1, self.epochs) or done % self.settings.interval == 0:
            self.accuracies = [
                accuracy_of(cell, self.space, self.training.supernet, self.train, self.valid, self.settings)
                for cell in self.sample
            ]
        return {**measured, "valid_accuracy": max(self.accuracies)}

    def scores(self) -> NDArray[np.float64]:
        """The accuracies of the sample as last measured; of all other cells nothing is known."""
        scores = np.full(len(self.space), np.nan)
        scores[[self.space.index(cell) for cell in self.sample]] = self.accuracies
        return scores

    def cell(self) -> Cell:
        """The best cell of the sample."""
        return self.sample[self.accuracies.index(max(self.accuracies))]


@dataclass(frozen=True, kw_only=True)
class RandomLabelSampleSettings(SampleSettings):
    labels: Literal["true", "random"] = setting("random", "as of rlnas")


class RLNASSample(SPOSSample):
    """SPOS' indicator as it trains: the accuracy of a random sample of cells, random labels (a measurement)"""

    title = "RLNAS, sample"
    score_name = "accuracy (%), random labels"

    Settings: ClassVar[type] = RandomLabelSampleSettings
    split_source = "as for rlnas, whose supernet it measures"
