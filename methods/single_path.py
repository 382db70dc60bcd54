"""Single-path training of a supernet: each step samples one path and trains the weights on it alone.

Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling" (SPOS), ECCV 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor

from methods import recording
from methods.batches import Batch, Loader
from methods.drawn import Drawn, DrawnSettings
from methods.recording import Recorded
from methods.search import EpochLog, Problem, seeded
from methods.settings import Count, NotNegative, Rate, setting
from methods.state import Stateful
from methods.training import Tally, WeightSettings, cosine, descend, sgd
from spaces import Cell, Space
from spaces.supernet import Supernet


@dataclass(frozen=True, kw_only=True)
class SinglePathSettings(WeightSettings, DrawnSettings):
    """By default as in the program of RLNAS."""

    epochs: Count = setting(250, "RLNAS, SPOS.config: epochs", unit="epochs")
    batch_size: Count = setting(64, "RLNAS, SPOS.config: batch_size")
    lr: Rate = setting(0.025, "RLNAS, SPOS.config: LR")
    lr_min: NotNegative = setting(0.001, "RLNAS, SPOS.config: eta_min")
    momentum: NotNegative = setting(0.9, "RLNAS, SPOS.config: momentum")
    nesterov: bool = setting(True, "RLNAS, SPOS.config: nesterov")
    weight_decay: NotNegative = setting(5e-4, "RLNAS, SPOS.config: decay")
    decay_undrawn: bool = setting(
        False, "RLNAS, rlnas_train_supernet.py: zero_grad of PyTorch < 2, no gradient until first drawn"
    )
    labels: Literal["true", "random"] = setting("random", "RLNAS §3.2.1")
    """What the network learns: the images' own labels, or ones drawn once for every image and kept."""
    random_classes: Annotated[int, Meta(ge=2)] | Literal["as images"] = "as images"
    """How many classes random labels have."""
    path_per_cell: bool = True
    """Whether each search cell takes a path of its own in a step, as in the program, or all the same one."""
    clip: Rate | Literal["off"] = "off"
    """Largest norm of a step's gradient, which is scaled down to it; off in the program."""


def sample_cell(space: Space, random: np.random.Generator) -> Cell:
    """A cell with uniform operations, where a node whose inputs would all be `none` is drawn again."""
    operations: list[int] = []
    for entering in space.entering:
        drawn: list[int] = []
        while all(operation == space.none for operation in drawn):
            drawn = random.integers(len(space.operations), size=entering).tolist()
        operations += drawn
    return space.cell(operations)


class SinglePathTraining(Stateful):
    """A supernet trained on the first half of the images, with a new path for every batch."""

    saved = ("epochs_done", "supernet", "optimiser", "drawn", "generator", "choices")

    def __init__(self, problem: Problem, settings: SinglePathSettings, seed: int) -> None:
        self.settings, self.space = settings, problem.space
        self.epochs_done = 0
        classes, labels = problem.images.classes, None
        if settings.labels == "random":
            classes = classes if settings.random_classes == "as images" else settings.random_classes
            drawn = torch.Generator().manual_seed(seeded(seed, 3))
            labels = torch.randint(classes, (len(problem.images.images) // 2,), generator=drawn).to(problem.device)
        self.supernet = self.new_supernet(problem, torch.Generator().manual_seed(seeded(seed, 0)), classes)
        self.parameters = list(self.supernet.parameters())
        self.generator = torch.Generator(problem.device).manual_seed(seeded(seed, 1))
        self.train = Loader(problem.images, 0, self.generator, labels)
        self.choices = np.random.default_rng(seeded(seed, 2))
        self.optimiser = sgd(self.parameters, settings, settings.lr)
        self.drawn = Drawn(self.supernet, self.space, settings)
        self.tally = Tally(problem.device)
        self.recorded = self.new_recording()

    def new_supernet(self, problem: Problem, generator: torch.Generator, classes: int) -> Supernet:
        """The supernet to be trained, its weights drawn from the CPU generator."""
        return problem.supernet(generator, classes)

    def lr(self) -> float:
        """The learning rate of the present epoch."""
        return cosine(self.settings, self.epochs_done)

    def epoch(self) -> EpochLog:
        for group in self.optimiser.param_groups:
            group["lr"] = self.lr()
        self.recorded = self.new_recording()  # with this epoch's learning rate
        self.tally.reset()
        self.pass_over_images()
        self.epochs_done += 1
        return self.tally.measured("train")

    def new_recording(self) -> Recorded | None:
        """The steps of an epoch, to be recorded anew; None where steps are not recorded."""
        record = recording.recorder(self.train.images.device)
        return record and Recorded(self.masked_step, record)

    def pass_over_images(self) -> None:
        """A step on every batch of one pass over the half, each on a path of its own."""
        size, cells = self.settings.batch_size, len(self.supernet.cells)
        paths = [self.sample_path(cells) for _ in range(math.ceil(len(self.train) / size))]
        weights = self.weights_of(paths) if self.recorded else None
        for number, (batch, path) in enumerate(zip(self.train.shuffled(size), paths, strict=True)):
            # A recording decays whatever there is, so it waits until everything has been drawn once.
            if self.recorded and weights is not None and self.drawn.all:
                self.recorded(*batch, weights[number])
            else:
                self.path_step(batch, path)

    def sample_path(self, cells: int) -> list[Cell]:
        """The operations of every search cell in one step."""
        if self.settings.path_per_cell:
            return [sample_cell(self.space, self.choices) for _ in range(cells)]
        return [sample_cell(self.space, self.choices)] * cells

    def weights_of(self, paths: Sequence[Sequence[Cell]]) -> Tensor:
        """One-hot (paths, cells, edges, operations): a recording cannot choose, so it computes all, most times 0."""
        operations = torch.tensor([[self.space.choices_of(cell) for cell in path] for path in paths])
        return self.space.one_hot(operations.to(self.train.images.device))

    def path_step(self, batch: Batch, path: Sequence[Cell]) -> None:
        """A step on a path, which takes `path[i]` in search cell i."""
        self.drawn.add(path)
        with self.drawn.spared(self.optimiser):
            self.step(batch, self.supernet.forward_path(batch[0], path))

    def masked_step(self, images: Tensor, labels: Tensor, weights: Tensor) -> None:
        """A step on the path of one-hot `weights` (cells, edges, operations)."""
        self.step((images, labels), self.supernet(images, weights))

    def step(self, batch: Batch, logits: Tensor) -> None:
        loss = F.cross_entropy(logits, batch[1])
        descend(loss, self.parameters, self.optimiser, self.settings.clip)
        self.tally.add(loss, (logits.detach().argmax(1) == batch[1]).sum(), batch)
