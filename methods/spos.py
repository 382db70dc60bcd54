"""SPOS: Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling", ECCV 2020.

A supernet is trained one uniformly sampled path at a time (§3.3); then evolution (Alg. 1) looks for the cell whose
sub-network, with the supernet's weights, classifies the validation images best. Its batch normalisation statistics
are recalibrated on training images first (§3.4), since those of the supernet belong to no cell in particular.

RLNAS' ablation (its Table 1) crosses this indicator with the labels: true is row A, `spos`, random row C,
`rlnas-accuracy`. The supernet is that of `spos-angle` or `rlnas` of the same seed, so that rows A and B, and C and D,
choose from the very same weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from methods.batches import Half
from methods.evolution import Evolution, EvolutionSettings
from methods.rlnas import RLNAS
from methods.search import Count, Measurements, Problem, Search, State, seeded
from methods.training import Tally
from spaces import Cell
from spaces.network import subnetwork


@dataclass(frozen=True, kw_only=True)
class SPOSSettings(EvolutionSettings):
    batch_size: Count
    """Images in a batch, of training images while recalibrating and of validation images while measuring."""
    recalibration_batches: Count
    """Batches of training images from which a cell's normalisation statistics are recalibrated."""
    validation_images: Count | Literal["all"]
    """Images of the validation half that a cell's accuracy is measured on, the first so many."""


class SPOS(Search):
    """SPOS: single-path supernet on true labels, then evolution for the best validation accuracy"""

    Settings: ClassVar[type] = SPOSSettings
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
        self.train = Half(problem.images, 0, generator, augment=False)
        self.valid = Half(problem.images, 1, generator, augment=False)
        self.evolution = Evolution(self.settings, np.random.default_rng(seeded(seed, 6)))

    def epoch(self) -> Measurements:
        """One generation."""
        self.evolution.generation(self.accuracy)
        return {"valid_accuracy": float(self.evolution.scores[0])}

    @torch.no_grad()
    def accuracy(self, cell: Cell) -> float:
        """Validation accuracy (%) of the cell's sub-network, its statistics recalibrated on training images."""
        s = self.settings
        network = subnetwork(self.start.training.supernet, cell).train()
        for images, _ in self.train.in_order(s.batch_size, s.recalibration_batches * s.batch_size):
            network(images)
        network.eval()
        tally = Tally()
        wanted = len(self.valid) if s.validation_images == "all" else s.validation_images
        for images, labels in self.valid.in_order(s.batch_size, wanted):
            logits = network(images)
            loss = torch.nn.functional.cross_entropy(logits, labels)
            tally.add(loss, (logits.argmax(1) == labels).sum(), (images, labels))
        return float(tally.measured("valid")["valid_accuracy"])

    def cell(self) -> Cell:
        return self.evolution.best()

    def other_selection(self) -> tuple[str, Cell]:
        return "angle", self.by_angle

    def state(self) -> State:
        return self.evolution.state()

    def load(self, state: State) -> None:
        self.evolution.load(state)


class RLNASAccuracy(SPOS):
    """RLNAS with accuracy: single-path supernet on random labels, then evolution for validation accuracy"""

    follows = "rlnas"
