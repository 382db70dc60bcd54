"""DARTS-PT: Wang et al., "Rethinking Architecture Selection in Differentiable NAS", ICLR 2021.

The magnitude of α does not say how much an operation contributes to the supernet. Perturbation-based selection (Alg. 1)
asks the supernet instead: take a random undecided edge; for each of its operations, mask that one (the others are not
renormalised) and measure the accuracy on the validation half; decide the edge for the operation whose removal hurts
most; fine-tune the supernet for a few epochs; repeat until every edge is decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from msgspec import Meta

from data.published import reported
from methods.gradient import GradientSearch
from methods.search import EpochLog, Problem, Search, seeded
from methods.settings import Rate, setting
from spaces import Cell


@dataclass(frozen=True, kw_only=True)
class PTSettings:
    finetune_epochs: Annotated[int, Meta(ge=0)] = setting(5, "darts-pt, train_search.py: --proj_intv", unit="epochs")
    """Epochs of fine-tuning from one decision to the next; 0 turns it off, and an epoch is then a decision."""
    finetune_lr: Rate = setting(0.0025, "darts-pt, projection.py: learning_rate / 10")
    """Constant learning rate of w while fine-tuning (SGD restarted, its other settings the supernet's)."""
    criterion: Literal["accuracy", "loss"] = "accuracy"
    """What the removal of an operation hurts: the validation accuracy, or the validation loss."""
    edge_order: Literal["random", "fixed"] = "random"
    """The order in which edges are decided: at random, or as they stand in the cell string."""


class PT(Search):
    """DARTS-PT: perturbation-based selection over a trained DARTS supernet"""

    title = "DARTS-PT"
    family = "selection"
    year = 2021
    published = reported(
        "Wang et al., Rethinking architecture selection in differentiable NAS (DARTS-PT), ICLR 2021, Table 4",
        {"cifar10_test": 88.11},
        note="test error 11.89; test set only",
    )

    Settings: ClassVar[type] = PTSettings
    saved = ("epochs_done", "trained", "magnitude", "random")
    source = 'Wang et al., "Rethinking Architecture Selection", ICLR 2021; program: darts-pt, nasbench201/projection.py'
    split_source = "darts-pt, train_search.py: indices[:split], indices[split:num_train]"
    follows = "darts"
    start_settings: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "clip_counts_alpha": (False, "darts-pt, search_model.py: clip_grad_norm_(get_weights()) leaves α out"),
        "epochs": (100, "darts-pt, train_search.py: --epochs"),
        "nesterov": (False, "darts-pt, search_model.py: torch.optim.SGD without it"),
        "weight_decay": (3e-4, "darts-pt, train_search.py: --weight_decay"),
        "alpha_first": (True, "darts-pt, train_search.py: architect.step before model.step"),
        "train_batches": ("drawn", "darts-pt, train_search.py: next(iter(train_queue)) in every step"),
    }

    @classmethod
    def accepts(cls, start: type[Search]) -> str | None:
        if not issubclass(start, GradientSearch):
            return "it masks operations weighed by α, which this one has not"
        return start.why_not_masked

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        assert isinstance(start, GradientSearch)
        self.settings: PTSettings = settings
        self.trained = start
        start.undo_decisions()
        self.magnitude = start.cell()
        """What argmax α would have chosen from the very same supernet."""
        start.restart_weights(self.settings.finetune_lr)
        # 5 epochs after each of the first 5 decisions; the program takes the sixth before the last of those 25 epochs.
        edges = len(start.space.edges)
        self.epochs = self.settings.finetune_epochs * (edges - 1) or edges
        self.epochs_done = 0
        self.random = np.random.default_rng(seeded(seed, 2))

    def epoch(self) -> EpochLog:
        last = self.epochs_done == self.epochs - 1
        due = len(self.trained.space.edges) if last else self.epochs_done // max(self.settings.finetune_epochs, 1) + 1
        while int((self.trained.decided >= 0).sum()) < due:
            self.decide()
        tuned = self.trained.alternate("shuffled") if self.settings.finetune_epochs else {}
        self.epochs_done += 1
        return tuned or self.trained.validate(self.trained.weights().detach())

    def decide(self) -> None:
        """Decide one edge for the operation whose removal hurts the supernet most."""
        undecided = np.flatnonzero(self.trained.decided.cpu() < 0)
        edge = int(self.random.choice(undecided) if self.settings.edge_order == "random" else undecided[0])
        candidates = np.flatnonzero(self.trained.weights()[edge].detach().cpu())  # what has no weight is not in it
        scores = [self.score_without(edge, int(operation)) for operation in candidates]
        self.trained.decided[edge] = int(candidates[np.argmin(scores)])  # of equals the first

    def score_without(self, edge: int, operation: int) -> float:
        """How well the supernet does without one operation: its accuracy, or minus its loss."""
        measured = self.trained.validate(self.trained.masked(edge, operation))
        if self.settings.criterion == "accuracy":
            return float(measured["valid_accuracy"])
        return -float(measured["valid_loss"])

    def cell(self) -> Cell:
        """The decided operations; of edges still undecided, the one with the largest α."""
        return self.trained.space.best(self.trained.weights())

    def alternative_cell(self) -> tuple[str, Cell]:
        return "magnitude", self.magnitude


class FixedPT(PT):
    """DARTS-PT with fixed α: perturbation-based selection over a supernet whose α never trained"""

    title = "DARTS-PT, fixed α"
    year = 2021
    published = reported(
        "Wang et al., Rethinking architecture selection in differentiable NAS (DARTS-PT), ICLR 2021, Table 4",
        {"cifar10_test": 93.80},
        note="α fixed; test error 6.20",
    )

    start_needs: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "train_alpha": (False, "DARTS-PT, Table 4: α fixed; darts-pt, architect_ig.py: method blank")
    }
