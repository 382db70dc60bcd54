"""GDAS: Dong & Yang, "Searching for A Robust Neural Architecture in Four GPU Hours", CVPR 2019.

DARTS trains a mixture of all operations, GDAS one cell a step, drawn anew for each step of w and of α, and the same in
all the network's cells. Gumbel noise makes the draw follow softmax(α), and its softmax at temperature τ makes it
differentiable (§3.2),

    h̃ = softmax( (log softmax(α) + g) / τ ),   g = −log(−log u),   u ~ U(0, 1),

so that h = one_hot(argmax h̃) is the cell that is computed and trained, and h̃ lends h its gradient:

    ∂L/∂α = Σ_o ∂L/∂h_o · ∂h̃_o/∂α.

τ falls linearly from 10 to 0.1, and draws with it from blurred to sharp. Only the chosen operations are computed. In
the program the gradient of the others is not 0: each adds its h_o, a zero, to every pixel of its edge's output y, so

    ∂L/∂h_o = Σ ∂L/∂y · o(x)   of the chosen operation,      ∂L/∂h_o = Σ ∂L/∂y   of every other,

as if what the others compute were all ones. This one does the same. In the end each edge keeps its largest α.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from data.published import reported
from methods.batches import Batch
from methods.drawn import Drawn, DrawnSettings
from methods.gradient import GradientSearch, GradientSettings, refuse_alignment
from methods.search import Problem, Search, seeded
from methods.settings import Count, Rate, setting
from methods.training import Tally


@dataclass(frozen=True, kw_only=True)
class GDASSettings(GradientSettings, DrawnSettings):
    epochs: Count = setting(250, "AutoDL-Projects, GDAS.config: epochs (240 in its first version)")
    decay_undrawn: bool = setting(
        False, "AutoDL-Projects, GDAS.py: zero_grad of PyTorch < 2, no gradient until first drawn"
    )
    temperature_first: Rate = setting(10.0, "AutoDL-Projects, GDAS.sh: --tau_max")
    """τ of the first epoch."""
    temperature_last: Rate = setting(0.1, "AutoDL-Projects, GDAS.sh: --tau_min")
    """τ of the last epoch; in between it goes on a straight line."""

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_alignment(self, "a step trains one cell, and of the operations that it leaves out there is no gradient")


class GDAS(GradientSearch):
    """GDAS: each step trains one cell, drawn by Gumbel-softmax from α at a falling temperature"""

    title = "GDAS"
    year = 2019
    published = reported(
        "Dong & Yang, NAS-Bench-201, ICLR 2020",
        {
            "cifar10_valid": (89.89, 0.08),
            "cifar10_test": (93.61, 0.09),
            "cifar100_valid": (71.34, 0.04),
            "cifar100_test": (70.70, 0.30),
            "imagenet16-120_valid": (41.59, 1.33),
            "imagenet16-120_test": (41.71, 0.98),
        },
        runs=3,
    )

    Settings: ClassVar[type] = GDASSettings
    settings: GDASSettings
    saved = ("draws", "drawn")
    split = "cifar-split"
    split_source = "AutoDL-Projects, GDAS.py: get_nas_search_loaders"
    source = 'Dong & Yang, "Searching for A Robust Architecture", CVPR 2019; program: AutoDL-Projects, GDAS.py'
    recordable = False  # the host must know the cell that is drawn
    why_not_masked = (
        "its supernet has trained single cells and no mixture, so masking a part of one would measure nothing"
    )

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        super().__init__(problem, settings, seed, start)
        self.draws = torch.Generator(problem.device).manual_seed(seeded(seed, 3))
        self.drawn = Drawn(self.supernet, self.space, settings)

    def sample(self) -> Tensor:
        """One cell, drawn from softmax(α)."""
        return self.draw(self.weights())

    def loss(self, batch: Batch, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of the cell that one-hot `weights`, (edges, operations), have drawn."""
        images, labels = batch
        cell = self.space.best(weights)
        self.drawn.add([cell] * len(self.supernet.cells))  # by steps of α as well: they, too, leave w a gradient
        logits = self.supernet.forward_sampled(images, cell, weights)
        return F.cross_entropy(logits, labels), (logits.detach().argmax(1) == labels).sum()

    def weight_step(self, train: Batch, tally: Tally) -> None:
        with self.drawn.spared(self.weight_optimiser):
            super().weight_step(train, tally)

    def draw(self, weights: Tensor) -> Tensor:
        """h, (edges, operations): one-hot in value, with the gradient of h̃."""
        if not weights.isfinite().all():
            raise FloatingPointError("α is no longer finite, so that no cell can be drawn; try a smaller gdas.lr")
        log_weights = log(weights.double())
        while True:
            uniform = torch.rand(weights.shape, generator=self.draws, device=weights.device, dtype=torch.float64)
            gumbel = -log(-log(uniform))
            soft = ((log_weights + gumbel) / self.temperature()).softmax(1).to(weights.dtype)
            if soft.isfinite().all() and gumbel.isfinite().all():
                return self.space.one_hot(soft.argmax(1)) - soft.detach() + soft

    def temperature(self) -> float:
        """τ of the present epoch."""
        s = self.settings
        gone = self.epochs_done / (s.epochs - 1) if s.epochs > 1 else 0.0
        return s.temperature_first + (s.temperature_last - s.temperature_first) * gone


def log(values: Tensor) -> Tensor:
    """The logarithm of float64 numbers; PyTorch's own is rounded as the processor has it, that of 1 + x is not."""
    return torch.log1p(values - 1)
