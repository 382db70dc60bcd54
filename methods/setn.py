"""SETN: Dong & Yang, "One-Shot Neural Architecture Search via Self-Evaluated Template Network", ICCV 2019.

A template network, the supernet, and an evaluator of cells, the distribution p(a) = Π_e softmax(α_e)_{a_e}, train in
turns (§3). The weights w see one uniform cell a step, so that α has no part in which of them are trained well; α sees
the mixture of all operations, as in DARTS (its Eq. 2) and on validation images,

    w descends ∇_w L_train(w, a),  a ∼ U(A);      α descends ∇_α L_val(w, softmax(α)).

In the end the evaluator names the cells that it believes in, and the template network tells the best of them,

    a* = argmax acc_val(w, a)   among the n cells of largest  log p(a) = Σ_e log softmax(α_e)_{a_e}.

The paper draws those cells from p; the program takes the n most probable, and measures each on one batch, another for
each (`one_batch`), after every epoch, though only the last counts. Where its weights have decayed from the second step
on, those of an operation that no step has drawn yet, ours do from the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F

from methods.batches import Batch, Loader
from methods.gradient import GradientSearch, GradientSettings
from methods.one_batch import Choice, OneBatchSettings, choice_is_due, moving_share
from methods.search import EpochLog, Problem, Search, seeded, uniform_cell
from methods.settings import Count, Rate, setting
from methods.training import Tally, descend
from spaces import Cell
from spaces.supernet import Supernet


@dataclass(frozen=True, kw_only=True)
class SETNSettings(GradientSettings, OneBatchSettings):
    epochs: Count = setting(250, "AutoDL-Projects, SETN.config: epochs")
    clip: Rate | Literal["off"] = setting("off", "AutoDL-Projects, SETN.py: no clip_grad_norm_")


class SETN(GradientSearch):
    """SETN: weights train on uniform cells, α on the mixture; then the best of the 100 most probable cells"""

    title = "SETN"
    year = 2019

    Settings: ClassVar[type] = SETNSettings
    settings: SETNSettings
    saved = ("random", "choice")
    split = "cifar-split"
    split_source = "AutoDL-Projects, SETN.py: get_nas_search_loaders"
    source = 'Dong & Yang, "Self-Evaluated Template Network", ICCV 2019; program: AutoDL-Projects, SETN.py'
    recordable = False  # the host must know the cell that is drawn
    why_not_masked = (
        "its weights have trained in single cells and in no mixture, so masking a part of one would measure nothing"
    )

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        super().__init__(problem, settings, seed, start)
        self.random = np.random.default_rng(seeded(seed, 4))
        self.seed = seed
        valid = Loader(problem.images, 1, torch.Generator(problem.device), augment=False)
        self.choice = Choice(self.space, valid, self.settings.select_batch_size)

    def new_supernet(self, problem: Problem, generator: torch.Generator) -> Supernet:
        return problem.supernet(generator, moving=moving_share(self.settings))

    def weight_step(self, train: Batch, tally: Tally) -> None:
        """A step of w down the loss of a uniform cell."""
        images, labels = train
        logits = self.supernet.forward_path(images, [uniform_cell(self.space, self.random)] * len(self.supernet.cells))
        loss = F.cross_entropy(logits, labels)
        tally.add(loss, (logits.detach().argmax(1) == labels).sum(), train)
        descend(loss, self.parameters, self.weight_optimiser, self.settings.clip)

    def epoch(self) -> EpochLog:
        measured = super().epoch()
        if choice_is_due(self.settings, self.epochs_done, self.epochs):
            self.choice.among(self.most_probable(), self.supernet, seeded(self.seed, 5, self.epochs_done))
        return measured

    def most_probable(self) -> list[Cell]:
        """The cells of largest log p(a), the most probable first."""
        ranked = np.argsort(-self.scores(), kind="stable")[: self.settings.select_num]
        return [self.space.at(index) for index in ranked.tolist()]

    def cell(self) -> Cell:
        return self.choice.cell()

    def alternative_cell(self) -> tuple[str, Cell]:
        """The most probable cell, without asking the template network."""
        return "magnitude", self.space.best(self.weights())
