"""What the gradient methods share: a supernet whose weights w and architecture parameters α train in turns.

A method is its differences. Most are one of these:

- `relax`: which weights of the operations α stands for (a softmax, a sigmoid, …);
- `sample`: what a step computes with, where that is drawn; `training_weights` where it is so for steps of w alone;
- `alpha_loss` and `update_alpha`: what α descends, and how; `weight_gradients`: what w descends;
- `cell`, or an edge decided on the way (`decided`): the rule that chooses.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from methods import recording, regularisers
from methods.batches import Batch, Loader
from methods.recording import Recorded
from methods.regularisers import ALIGNMENT, alignment_gradient
from methods.search import EpochLog, Problem, Search, seeded
from methods.settings import Count, NotNegative, Rate, Share, setting
from methods.training import Tally, WeightSettings, cosine, frozen, gradients_of, sgd, step_down
from spaces import Cell
from spaces.supernet import Supernet


@dataclass(frozen=True, kw_only=True)
class GradientSettings(WeightSettings):
    """By default as in the program of first-order DARTS."""

    epochs: Count = setting(50, "AutoDL-Projects, DARTS.config: epochs", unit="epochs")
    batch_size: Count = setting(64, "AutoDL-Projects, DARTS.config: batch_size")
    lr: Rate = setting(0.025, "AutoDL-Projects, DARTS.config: LR")
    lr_min: NotNegative = setting(0.001, "AutoDL-Projects, DARTS.config: eta_min")
    momentum: NotNegative = setting(0.9, "AutoDL-Projects, DARTS.config: momentum")
    nesterov: bool = setting(True, "AutoDL-Projects, DARTS.config: nesterov")
    weight_decay: NotNegative = setting(5e-4, "AutoDL-Projects, DARTS.config: decay")
    clip: Rate | Literal["off"] = setting(5.0, "AutoDL-Projects, DARTS-V1.py: clip_grad_norm_")
    """Largest norm of the gradient of w; a longer one is scaled down to it."""
    clip_counts_alpha: bool | Literal["softmax"] = setting(
        True, "AutoDL-Projects, DARTS-V1.py: clip_grad_norm_(network.parameters()); its stale part of α is not kept"
    )
    """Whether that norm also counts the training loss' gradient by α or, with "softmax", by the weights made of α."""
    skip_first_lr: bool = setting(False, "the first epoch runs at lr")
    """Whether the schedule of w's learning rate starts at its second value."""
    alpha_lr: Rate = setting(3e-4, "AutoDL-Projects, DARTS-V1.py: arch_learning_rate", unit="alpha_lr")
    """Learning rate of α (Adam)."""
    alpha_betas: tuple[Share, Share] = setting((0.5, 0.999), "AutoDL-Projects, DARTS-V1.py: a_optimizer")
    """Adam's decay rates for α."""
    alpha_weight_decay: NotNegative = setting(1e-3, "AutoDL-Projects, DARTS-V1.py: arch_weight_decay")
    """Adam's weight decay of α."""
    alpha_init: NotNegative = setting(1e-3, "AutoDL-Projects, search_model_darts.py: 1e-3 * randn")
    """Standard deviation of the normal distribution that α starts from."""
    alpha_first: bool = setting(False, "AutoDL-Projects, DARTS-V1.py: the weights step first")
    """Whether α steps before w within one iteration."""
    train_batches: Literal["shuffled", "drawn"] = setting(
        "shuffled", "AutoDL-Projects, SearchDataset: one shuffled pass"
    )
    """Training batches: one shuffled pass, or each batch drawn afresh from the half."""
    augment_valid: bool = True
    """Whether the images of the validation half are cropped and flipped too, as in all the papers' programs."""
    train_alpha: bool = True
    """Whether α trains at all; if not, it keeps its initial value (the `fixed` variant of DARTS-PT)."""
    regulariser: str = "none"
    """Term added to α's loss: `beta` is β-decay (logsumexp of α), `l2` half the squared norm of α; or, `lambda`, to
    w's: the alignment Λ."""
    strength: NotNegative = 0.0
    """λ, the factor of that term; of a linear schedule, what it reaches after `strength_epochs`."""
    schedule: Literal["linear", "constant"] = "linear"
    """How λ goes over the epochs: from 0 on a straight line, or constant."""
    alignment_step: Rate = 1e-4
    """ε₀ of Λ: the length of the step in the cells' weights from which its gradient is a central difference."""
    strength_epochs: Count = 100
    """Epochs in which a linear λ grows from 0 to `strength`; it goes on growing after them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.regulariser not in ("none", ALIGNMENT):
            regularisers.load(self.regulariser)


class GradientSearch(Search):
    """A supernet on the first half of the training images and α on the second, in alternating steps."""

    family = "gradient"
    score_name = "Σ log weight of α"
    Settings: ClassVar[type] = GradientSettings

    saved: ClassVar[tuple[str, ...]] = (
        *("epochs_done", "supernet", "alpha", "decided", "weight_optimiser", "alpha_optimiser", "generator"),
    )

    transient = ("tallies", "recorded")

    why_not_masked: ClassVar[str | None] = None
    """Why no rule that masks operations in the mixture can start from this supernet; None where one can."""

    recordable: ClassVar[bool] = True
    """Whether its steps are as `Recorded` wants them."""

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        self.settings: GradientSettings = settings
        self.epochs = self.settings.epochs
        self.epochs_done = 0
        self.space = problem.space
        initial = torch.Generator().manual_seed(seeded(seed, 0))
        self.supernet = self.new_supernet(problem, initial)
        self.alpha = self.initial_alpha(initial).to(problem.device).requires_grad_()
        """(edges, operations), the architecture parameters."""
        self.decided = torch.full((len(self.space.edges),), -1, device=problem.device)
        """The operation an edge is decided for, or -1 while α still weighs it."""
        self.generator = torch.Generator(problem.device).manual_seed(seeded(seed, 1))
        self.train = Loader(problem.images, 0, self.generator)
        self.valid = Loader(problem.images, 1, self.generator, augment=settings.augment_valid)
        self.parameters = [weight for weight in self.supernet.parameters() if weight.requires_grad]
        """w, all that trains in the supernet."""
        self.restart_weights(settings.lr)
        self.alpha_optimiser = torch.optim.Adam(
            [self.alpha],
            settings.alpha_lr,
            settings.alpha_betas,
            weight_decay=settings.alpha_weight_decay,
            capturable=problem.device.type == "cuda",  # its step count on the GPU, so that a recording counts on
            fused=problem.device.type == "cpu",  # whose roots, other than those of tensors, are the same on every one
        )
        self.tallies = Tally(problem.device), Tally(problem.device)
        """Of the training and of the validation batches of the present epoch."""

    def new_supernet(self, problem: Problem, generator: torch.Generator) -> Supernet:
        """The supernet to be trained, its weights drawn from the CPU generator."""
        return problem.supernet(generator)

    def initial_alpha(self, generator: torch.Generator) -> Tensor:
        """α at the start, (edges, operations), drawn from the CPU generator."""
        return self.settings.alpha_init * torch.randn(self.space.shape, generator=generator)

    def restart_weights(self, lr: float) -> None:
        """A new optimiser of w, its momentum at zero."""
        self.weight_optimiser = sgd(self.parameters, self.settings, lr)
        self.recorded = self.new_recording()

    def new_recording(self) -> Recorded:
        """The steps of an epoch, on a GPU to be recorded anew."""
        record = recording.recorder(self.alpha.device) if self.recordable else None
        return Recorded(self.both_steps, record, self.drawn_from())

    def drawn_from(self) -> Sequence[torch.Generator]:
        """The generators that a step itself draws from; those of the batches are none of them."""
        return ()

    def relax(self, alpha: Tensor) -> Tensor:
        """The weights of the operations that α, (edges, operations), stands for: its softmax (DARTS, Eq. 2)."""
        return alpha.softmax(1)

    def weights(self) -> Tensor:
        """The (edges, operations) weights: α relaxed, or one-hot where an edge is decided."""
        return self.where_undecided(self.relax(self.alpha))

    def where_undecided(self, weights: Tensor) -> Tensor:
        """These weights, (edges, operations), but one-hot where an edge is decided."""
        return torch.where(self.decided[:, None] < 0, weights, self.space.one_hot(self.decided.clamp(min=0)))

    def sample(self) -> Tensor:
        """The weights, (edges, operations), that a step computes with, of w as of α; where they are drawn, here."""
        return self.weights()

    def training_weights(self, train: Batch) -> Tensor:
        """The weights that a step of w alone computes with on its batch, where they are others than α's."""
        return self.sample()

    def loss(self, batch: Batch, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the supernet on a batch, and the number of images it classifies rightly.

        The weights are (edges, operations), or (search cells, edges, operations), each search cell's own.
        """
        images, labels = batch
        logits = self.supernet(images, weights)
        return F.cross_entropy(logits, labels), (logits.detach().argmax(1) == labels).sum()

    def alpha_gradient(self, train: Batch, valid: Batch, tally: Tally) -> Tensor:
        """∇_α L_val(w, α), shape (edges, operations): DARTS, Eq. 6 with ξ = 0, the first-order approximation."""
        with frozen(self.parameters):
            loss, right = self.loss(valid, self.sample())
        tally.add(loss, right, valid)
        (gradient,) = torch.autograd.grad(self.alpha_loss(loss), [self.alpha])
        return gradient

    def alpha_loss(self, valid_loss: Tensor) -> Tensor:
        """What α descends: the validation loss and, where set, λ(e) times the regulariser."""
        s = self.settings
        if s.regulariser in ("none", ALIGNMENT):
            return valid_loss
        return valid_loss + self.strength() * regularisers.load(s.regulariser)(self.alpha)

    def strength(self) -> float:
        """λ(e) at epoch e = 0, 1, …, the factor of the regulariser."""
        s = self.settings
        return s.strength if s.schedule == "constant" else s.strength * self.epochs_done / s.strength_epochs

    def alpha_step(self, train: Batch, valid: Batch, tally: Tally) -> None:
        if not self.settings.train_alpha:
            return
        self.update_alpha(self.alpha_gradient(train, valid, tally))

    def update_alpha(self, gradient: Tensor) -> None:
        """Move α down its gradient, (edges, operations): a step of Adam."""
        self.alpha.grad = gradient
        self.alpha_optimiser.step()

    def weight_step(self, train: Batch, tally: Tally) -> None:
        """A step of w down ∇_w L_train(w, α), its norm taken together with what `clip_counts_alpha` counts."""
        weights, counts = self.training_weights(train), self.settings.clip_counts_alpha
        counted = [self.alpha] if counts is True else []
        if counts is not True:
            weights = weights.detach()
        if counts == "softmax":
            counted = [weights.clone().requires_grad_()]
            weights = torch.where(self.decided[:, None] < 0, counted[0], weights)
        gradients = self.weight_gradients(train, weights, [*self.parameters, *counted], tally)
        step_down(gradients, [*self.parameters, *counted], self.weight_optimiser, self.settings.clip)

    def weight_gradients(
        self, train: Batch, weights: Tensor, parameters: Sequence[Tensor], tally: Tally
    ) -> Sequence[Tensor]:
        """What w descends on a batch, ∇ L_train(w, α) by each of `parameters`, the first of which are w."""
        if self.settings.regulariser == ALIGNMENT:
            return self.aligning_gradients(train, weights, parameters, tally)
        loss, right = self.loss(train, weights)
        tally.add(loss, right, train)
        return gradients_of(loss, parameters)

    def aligning_gradients(
        self, train: Batch, weights: Tensor, parameters: Sequence[Tensor], tally: Tally
    ) -> Sequence[Tensor]:
        """The same of L_train − λ(e) · Λ (Λ-DARTS, see `methods.lambda_darts`)."""
        own = weights.expand(len(self.supernet.cells), *weights.shape).clone()
        own = own if own.requires_grad else own.requires_grad_()
        loss, right = self.loss(train, own)
        tally.add(loss, right, train)
        *gradients, by_cell = gradients_of(loss, [*parameters, own])
        direction = alignment_gradient(by_cell)
        step = self.settings.alignment_step / torch.linalg.vector_norm(direction).clamp(min=1e-20)
        above, below = (
            gradients_of(self.loss(train, (own + sign * step * direction).detach())[0], self.parameters)
            for sign in (1, -1)
        )
        factor = self.strength() / (2 * step)
        aligning = (factor * (high - low) for high, low in zip(above, below, strict=True))
        of_w = [plain - term for plain, term in zip(gradients, aligning, strict=False)]
        return [*of_w, *gradients[len(of_w) :]]

    def both_steps(self, images: Tensor, labels: Tensor, valid_images: Tensor, valid_labels: Tensor) -> None:
        """A step of α and one of w."""
        train, valid = (images, labels), (valid_images, valid_labels)
        train_tally, valid_tally = self.tallies
        if self.settings.alpha_first:
            self.alpha_step(train, valid, valid_tally)
        self.weight_step(train, train_tally)
        if not self.settings.alpha_first:
            self.alpha_step(train, valid, valid_tally)

    def batch_size(self) -> int:
        """Images in a batch of the present epoch."""
        return self.settings.batch_size

    def epoch(self) -> EpochLog:
        for group in self.weight_optimiser.param_groups:
            group["lr"] = self.learning_rate()
        self.recorded = self.new_recording()  # with this epoch's learning rate, λ, …
        measured = self.alternate(self.settings.train_batches)
        self.epochs_done += 1
        return measured

    def learning_rate(self) -> float:
        """Of w in the present epoch."""
        return cosine(self.settings, self.epochs_done + self.settings.skip_first_lr)

    def alternate(self, train_batches: Literal["shuffled", "drawn"]) -> EpochLog:
        """One epoch of alternating steps (DARTS, Alg. 1) at the optimisers' present learning rates.

        For each training batch there is a validation batch, drawn from the whole half (`Loader.drawn`).
        """
        size, steps = self.batch_size(), math.ceil(len(self.train) / self.batch_size())
        train = self.train.shuffled(size) if train_batches == "shuffled" else self.train.drawn(size, steps)
        for tally in self.tallies:
            tally.reset()
        for train_batch, valid_batch in zip(train, self.valid.drawn(size, steps), strict=True):
            self.recorded(*train_batch, *valid_batch)
        train_tally, valid_tally = self.tallies
        weights = self.weights().detach().cpu()
        return {
            **train_tally.measured("train"),
            **valid_tally.measured("valid"),
            "largest_weight": float(weights.max()),
            "weights": " ".join(f"{weight:.5f}" for weight in weights.flatten().tolist()),
        }

    @torch.no_grad()
    def validate(self, weights: Tensor) -> EpochLog:
        """Validation loss and accuracy (%) of the supernet with these weights; batch statistics, as in the programs."""
        tally = Tally(self.alpha.device)
        for batch in self.valid.shuffled(self.settings.batch_size):
            tally.add(*self.loss(batch, weights), batch)
        return tally.measured("valid")

    def accuracy(self, weights: Tensor) -> float:
        """Validation accuracy (%) of the supernet with these weights."""
        return float(self.validate(weights)["valid_accuracy"])

    def masked(self, edge: int, operation: int) -> Tensor:
        """The present weights with that of one operation at 0; the others are not renormalised."""
        weights = self.weights().detach().clone()
        weights[edge, operation] = 0
        return weights

    def accuracy_without(self, edge: int, operation: int) -> float:
        """Validation accuracy (%) of the supernet with one operation masked."""
        return self.accuracy(self.masked(edge, operation))

    def undo_decisions(self) -> None:
        """Go back to where no edge was decided, for a selection rule that starts here. Most methods decide none."""

    def cell(self) -> Cell:
        """The operation with the largest weight on every edge (DARTS, §2.2; here `none` may be chosen)."""
        return self.space.best(self.weights())

    def scores(self) -> NDArray[np.float64]:
        """Σ over the edges of the log weight of the cell's operation: the rank that the product of its weights gives.

        A weight of 0, as a decided edge has, counts as the smallest positive number, so that the cells without that
        edge's operation come after all others and still in their order.
        """
        weights = self.weights().detach().double().flatten().tolist()
        # Python's logarithm, since PyTorch's and NumPy's are rounded as the processor has it.
        logs = np.array([math.log(max(weight, sys.float_info.min)) for weight in weights]).reshape(self.space.shape)
        total: NDArray[np.float64] = logs[np.arange(len(logs)), self.space.choices].sum(1)
        return total


def refuse_alignment(settings: GradientSettings, reason: str) -> None:
    """Of a method whose steps leave the regulariser Λ no meaning.

    Raises:
        ValueError: where it is asked for.
    """
    if settings.regulariser == "lambda":
        raise ValueError(f'regulariser = "lambda" has no meaning here, for {reason}; choose none, beta or l2')
