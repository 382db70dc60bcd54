"""SGAS: Li et al., "SGAS: Sequential Greedy Architecture Search", CVPR 2020.

DARTS trains a mixture and cuts it to one cell in the end; SGAS cuts one edge at a time while it trains (Alg. 1). After
a warm-up, every few epochs the undecided edge with the best score keeps the operation with its largest α for good; its
other operations and its α train no longer. With p_o = softmax(α)_o / S_EI of the operations other than `none`,

    edge importance        S_EI = Σ_{o ≠ none} softmax(α)_o                                  (Eq. 3)
    selection certainty    S_SC = 1 − (−Σ_o p_o log p_o) / log 4                             (Eqs. 4, 5)
    selection stability    S_SS = mean over the last epochs h of Σ_o min(p_o, p_o^(h))       (Eq. 6)

    criterion 1:   normalise(S_EI) · normalise(S_SC)                                         (Eq. 7)
    criterion 2:   normalise(S_EI) · normalise(S_SC) · normalise(S_SS)                       (Eq. 8)

where normalise is a linear map of the six edges' scores, decided edges among them, to [0, 1]. `none` weighs only in
S_EI: as in the program no edge is decided for it, so SGAS never finds a cell with a `none`. The program makes batches
larger with every decision, for there is less to compute. It has no NAS-Bench-201; its schedule for six edges is 40
epochs: a first decision after 10, one more every 5, and 5 epochs in the end. Edges still open then are decided at once.

A selection rule that follows, as in `sgas+pt`, starts from the supernet as it was before the first decision: it takes
SGAS's place from there on.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from msgspec import Meta
from numpy.typing import NDArray
from torch import Tensor

from methods.batches import Batch
from methods.gradient import GradientSearch, GradientSettings
from methods.search import EpochLog, Problem, Search
from methods.settings import Count, NotNegative, setting
from methods.state import State
from methods.training import Tally
from spaces import Cell


@dataclass(frozen=True, kw_only=True)
class SGASSettings(GradientSettings):
    epochs: Count = setting(40, "sgas, train_search.py: 9 + 5 · (edges − 1) + 5 + 1, here for six edges")
    nesterov: bool = setting(False, "sgas, train_search.py: torch.optim.SGD without it")
    weight_decay: NotNegative = setting(3e-4, "sgas, train_search.py: --weight_decay")
    clip_counts_alpha: bool | Literal["softmax"] = setting(
        False, "sgas, train_search.py: α is no parameter of the model"
    )
    skip_first_lr: bool = setting(True, "sgas, train_search.py: scheduler.step() before the first epoch")
    alpha_first: bool = setting(True, "sgas, train_search.py: architect.step before the weights' step")
    warmup_epochs: Count = setting(10, "sgas, train_search.py: --warmup_dec_epoch 9, counted from 0", unit="epochs")
    """Epochs before the first decision, which comes at the end of the last of them."""
    interval: Count = setting(5, "sgas, train_search.py: --decision_freq", unit="epochs")
    """Epochs from one decision to the next."""
    criterion: Literal[1, 2] = setting(1, "sgas, train_search.py: without --use_history")
    """The score of an edge: 1, importance and certainty; 2, stability too."""
    history: Count = setting(4, "sgas, train_search.py: --history_size")
    """Epochs that an edge's present operations are compared with, for its stability."""
    batch_increase: Annotated[int, Meta(ge=0)] = setting(8, "sgas, train_search.py: --batch_increase")
    """Images by which a batch grows with every decision."""


class SGAS(GradientSearch):
    """SGAS: DARTS that decides one edge after another while it trains, the surest and most important first"""

    title = "SGAS"
    year = 2020

    Settings: ClassVar[type] = SGASSettings
    settings: SGASSettings
    saved = ("recent", "before")
    split_source = "sgas, train_search.py: indices[:split], indices[split:num_train]"
    source = 'Li et al., "SGAS", CVPR 2020; program: sgas, cnn/train_search.py'

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        super().__init__(problem, settings, seed, start)
        self.some = [operation for operation in range(len(self.space.operations)) if operation != self.space.none]
        """The operations that an edge can be decided for."""
        self.recent: list[Tensor] = []
        """p of the last epochs, each (edges, operations but `none`)."""
        self.before: State | None = None
        """The state before the first decision, once that has been taken."""

    def epoch(self) -> EpochLog:
        measured = super().epoch()
        p = self.proportions()
        while int((self.decided >= 0).sum()) < self.due():
            self.decide(p)
        self.recent = [*self.recent, p][-self.settings.history :]
        return measured

    def due(self) -> int:
        """How many edges ought to be decided by the end of the epoch that is just over."""
        s, over = self.settings, self.epochs_done - self.settings.warmup_epochs
        if self.epochs_done == s.epochs:
            return len(self.space.edges)
        return min(over // s.interval + 1, len(self.space.edges)) if over >= 0 else 0

    def decide(self, p: Tensor) -> None:
        """Decide the best-scored of the open edges for its largest operation."""
        if self.before is None:
            self.before = deepcopy(self.state(of=GradientSearch))
        edge = int(torch.where(self.decided < 0, self.edge_scores(p), -math.inf).argmax())  # of equals the first
        self.decided[edge] = self.some[int(p[edge].argmax())]

    def edge_scores(self, p: Tensor) -> Tensor:
        """Criterion 1 or 2 of every edge, (edges,)."""
        importance = self.alpha.detach().softmax(1)[:, self.some].sum(1)
        certainty = 1 - torch.special.entr(p).sum(1) / math.log(max(len(self.some), 2))
        score: Tensor = normalised(importance) * normalised(certainty)
        if self.settings.criterion == 2:
            overlaps = [torch.minimum(p, earlier).sum(1) for earlier in self.recent]
            score = score * normalised(torch.stack(overlaps).mean(0) if overlaps else torch.zeros_like(score))
        return score

    def proportions(self) -> Tensor:
        """p, (edges, operations but `none`): each edge's weights of the operations other than `none`, with sum 1."""
        weights: Tensor = self.alpha.detach().softmax(1)[:, self.some]
        return weights / weights.sum(1, keepdim=True)

    def alpha_step(self, train: Batch, valid: Batch, tally: Tally) -> None:
        """DARTS's, but α of the decided edges stays as it is."""
        alpha = self.alpha.detach().clone()
        super().alpha_step(train, valid, tally)
        with torch.no_grad():
            self.alpha.copy_(torch.where(self.decided[:, None] < 0, self.alpha, alpha))

    def batch_size(self) -> int:
        return self.settings.batch_size + self.settings.batch_increase * int((self.decided >= 0).sum())

    def cell(self) -> Cell:
        """The decided operations; of edges still open, the one with the largest α but `none`."""
        weights = self.weights().detach().clone()
        if self.space.none is not None:
            weights[:, self.space.none] = 0
        return self.space.best(weights)

    def scores(self) -> NDArray[np.float64]:
        """DARTS's, where cells with a `none` come after all others."""
        scores: NDArray[np.float64] = super().scores() - 1e4 * (self.space.choices == self.space.none).sum(1)
        return scores

    def undo_decisions(self) -> None:
        if self.before is not None:
            self.load(self.before)
            self.before = None

    def resume(self) -> None:
        self.recent = [earlier.to(self.alpha.device) for earlier in self.recent]


def normalised(scores: Tensor) -> Tensor:
    """Scores mapped linearly to [0, 1]; zeros where all are equal."""
    above = scores - scores.min()
    return above / above.max() if above.any() else above
