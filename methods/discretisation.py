"""The discretisation accuracy of every operation: Wang et al., "Rethinking Architecture Selection", ICLR 2021, §3.1.

What an operation is worth on an edge is measured the long way: from the trained supernet the edge is decided for that
operation alone, all others stay as they are, the supernet is fine-tuned, and its validation accuracy is what counts.
DARTS-PT argues that the magnitude of α does not tell that worth, and that what the supernet loses without the
operation does; both are recorded beside it. One epoch measures one operation on one edge, always from the very same
supernet and random numbers.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from methods.gradient import GradientSearch
from methods.pt import PT
from methods.search import EpochLog, Problem, Search
from methods.settings import Count, Rate, setting
from spaces import Cell


@dataclass(frozen=True, kw_only=True)
class DiscretisationSettings:
    finetune_epochs: Count = setting(
        5, "as of pt; the paper says only that the supernet converges again", unit="epochs"
    )
    """Epochs of fine-tuning after an edge is decided, before its accuracy is measured."""
    finetune_lr: Rate = setting(0.0025, "as of pt")
    """Constant learning rate of w while fine-tuning (SGD restarted, its other settings the supernet's)."""


class Discretisation(Search):
    """Discretisation accuracy: a measurement of every operation on every edge; takes the best operation of each edge"""

    title = "Discretisation accuracy"
    family = "measurement"
    year = 2021

    Settings: ClassVar[type] = DiscretisationSettings
    saved = ("converged", "magnitude", "accuracies")
    transient = ("trained",)
    source = 'Wang et al., "Rethinking Architecture Selection", ICLR 2021, §3.1; the paper has no program for it'
    split_source = "as for pt, whose supernet it starts from"
    follows = "darts"
    start_settings = PT.start_settings

    @classmethod
    def accepts(cls, start: type[Search]) -> str | None:
        return PT.accepts(start)

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        assert isinstance(start, GradientSearch)
        self.settings: DiscretisationSettings = settings
        self.trained = start
        start.undo_decisions()
        self.magnitude = start.cell()
        start.restart_weights(self.settings.finetune_lr)
        self.converged = deepcopy(start.state())
        """The trained supernet, from which every measurement starts."""
        self.weights = start.weights().detach().cpu()
        self.accuracies: list[float] = []
        """Discretisation accuracy (%) of every operation measured so far, edge by edge."""
        self.epochs = math.prod(start.space.shape)

    def epoch(self) -> EpochLog:
        edge, operation = divmod(len(self.accuracies), len(self.trained.space.operations))
        # A copy: an optimiser goes on in the very tensors that it is given.
        self.trained.load(deepcopy(self.converged))
        whole = self.trained.accuracy(self.trained.weights().detach())
        self.trained.load(deepcopy(self.converged))
        lost = whole - self.trained.accuracy_without(edge, operation)  # on the same augmented images
        self.trained.decided[edge] = operation
        for _ in range(self.settings.finetune_epochs):
            self.trained.alternate("shuffled")
        self.accuracies.append(self.trained.accuracy(self.trained.weights().detach()))
        return {
            "edge": edge,
            "operation": self.trained.space.operations[operation],
            "weight": float(self.weights[edge, operation]),
            "pt_score": lost,
            "discretisation_accuracy": self.accuracies[-1],
        }

    def cell(self) -> Cell:
        """The operation of best discretisation accuracy on every edge measured so far, of largest α on the others."""
        scores = self.weights.double().clone()
        operations = len(self.trained.space.operations)
        edges = len(self.accuracies) // operations
        measured = torch.tensor(self.accuracies[: edges * operations], dtype=torch.float64)
        scores[:edges] = measured.reshape(edges, operations)
        return self.trained.space.best(scores)

    def alternative_cell(self) -> tuple[str, Cell]:
        return "magnitude", self.magnitude

    def resume(self) -> None:
        self.trained.load(deepcopy(self.converged))
        self.weights = self.trained.weights().detach().cpu()
