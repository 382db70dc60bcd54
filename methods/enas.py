"""ENAS: Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", ICML 2018.

A controller, an LSTM with the parameters θ, writes a cell edge by edge, each operation in view of those before it, so
that log π(a; θ) = Σ_e log π(a_e | a_1 … a_{e−1}; θ). It and the shared weights w train in turns (§2.2): w on the cells
that the controller draws, in one epoch (Eq. 1 with one cell a step),

    w descends ∇_w L_train(w, a),   a ∼ π(θ),

then θ in some steps of REINFORCE, on validation images and with w as they are. One step takes the mean over M cells of

    −log π(a; θ) · (R − b),       R = acc_val(w, a) + λ·H(a),

H(a) the sum of the entropies of the six distributions that a was drawn from. In the paper b is a moving average of the
rewards. In the program it is b = b' − (1 − δ)(b' − R) with a b' that stands still for the whole epoch, the last b of
the epoch before; in the first epoch b = acc_val, so that only the entropy teaches. And H is not held fixed, so that θ
also descends λ·H times −log π, which makes it surer. The controller's logits l become 2.5·tanh(l/5) before their
softmax, which keeps it from being sure.

In the end the best of n cells that the controller draws is chosen, each measured on one batch (`one_batch`); between
the epochs of fewer. Those batches are augmented, as all of this program's are. Its learning rate is a cosine that,
after T_max epochs, is not begun anew but goes on: it climbs and falls.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from msgspec import Meta
from numpy.typing import NDArray
from torch import Tensor, nn

from data.published import reported
from methods.batches import Loader
from methods.one_batch import Choice, MovingSettings, accuracies_of, endless, moving_share
from methods.search import EpochLog, Problem, Search, categorical, seeded
from methods.settings import Count, NotNegative, Rate, Share, setting
from methods.single_path import SinglePathSettings, SinglePathTraining
from methods.training import descend
from spaces import Cell, Space
from spaces.supernet import Supernet


@dataclass(frozen=True, kw_only=True)
class ENASSettings(SinglePathSettings, MovingSettings):
    epochs: Count = setting(250, "AutoDL-Projects, ENAS.config: epochs")
    batch_size: Count = setting(128, "AutoDL-Projects, ENAS.config: batch_size")
    lr: Rate = setting(0.05, "AutoDL-Projects, ENAS.config: LR")
    lr_min: NotNegative = setting(5e-4, "AutoDL-Projects, ENAS.config: eta_min")
    lr_half_period: Count = setting(10, "AutoDL-Projects, ENAS.config: T_max", unit="epochs")
    """Epochs in which the learning rate falls from `lr` to `lr_min`, and again in which it climbs back."""
    momentum: NotNegative = setting(0.9, "AutoDL-Projects, ENAS.config: momentum")
    nesterov: bool = setting(True, "AutoDL-Projects, ENAS.config: nesterov")
    weight_decay: NotNegative = setting(2.5e-4, "AutoDL-Projects, ENAS.config: decay")
    decay_undrawn: bool = setting(
        False, "AutoDL-Projects, ENAS.py: zero_grad of PyTorch < 2, no gradient until first drawn"
    )
    labels: Literal["true", "random"] = setting("true", "the images' own")
    path_per_cell: bool = setting(False, "AutoDL-Projects, ENAS.py: update_arch, once a batch")
    clip: Rate | Literal["off"] = setting(5.0, "AutoDL-Projects, ENAS.py: clip_grad_norm_ of the shared CNN")
    controller_lr: Rate = setting(1e-3, "AutoDL-Projects, ENAS.config: controller_lr")
    """Learning rate of θ (Adam)."""
    controller_betas: tuple[Share, Share] = setting((0.0, 0.999), "AutoDL-Projects, ENAS.config: controller_betas")
    """Adam's decay rates for θ."""
    controller_eps: Rate = setting(1e-3, "AutoDL-Projects, ENAS.config: controller_eps")
    """What Adam adds to its denominator for θ."""
    controller_clip: Rate = setting(5.0, "AutoDL-Projects, ENAS.py: clip_grad_norm_ of the controller")
    """Largest norm of the gradient of θ."""
    controller_steps: Count = setting(50, "AutoDL-Projects, ENAS.sh: --controller_train_steps")
    """Steps of θ in an epoch."""
    controller_cells: Count = setting(20, "AutoDL-Projects, ENAS.sh: --controller_num_aggregate")
    """M, the cells of a step of θ."""
    entropy_weight: NotNegative = setting(1e-4, "AutoDL-Projects, ENAS.sh: --controller_entropy_weight")
    """λ, what a nat of entropy is worth in correct answers of 1."""
    baseline_decay: Annotated[float, Meta(ge=0, le=1)] = setting(0.99, "AutoDL-Projects, ENAS.sh: --controller_bl_dec")
    """δ."""
    controller_size: Count = setting(32, "AutoDL-Projects, search_model_enas_utils.py: lstm_size")
    """Width of the LSTM's layers and of the operations' embeddings."""
    controller_layers: Count = setting(2, "AutoDL-Projects, search_model_enas_utils.py: lstm_num_layers")
    """Layers of the LSTM."""
    temperature: Rate = setting(5.0, "AutoDL-Projects, search_model_enas_utils.py: temperature")
    """What the logits are divided by within their tanh."""
    tanh_constant: Rate = setting(2.5, "AutoDL-Projects, search_model_enas_utils.py: tanh_constant")
    """What their tanh is multiplied by."""
    select_num: Count = setting(100, "AutoDL-Projects, ENAS.sh: --controller_num_samples")
    """Cells of which the one with the best accuracy is chosen after the last epoch."""
    select_between: Count = setting(10, "AutoDL-Projects, ENAS.py: get_best_arch, n_samples")
    """The same after each of the other epochs."""


class Drawn(NamedTuple):
    """Cells that the controller has drawn."""

    operations: Tensor
    """(n, edges)."""
    log_probability: Tensor
    """(n,), log π(a; θ)."""
    entropy: Tensor
    """(n,), H(a), in nats."""

    def cells(self, space: Space) -> list[Cell]:
        return [space.cell(operations) for operations in self.operations.tolist()]


class Controller(nn.Module):
    """The LSTM that writes cells, in float64, and with sums in the place of matrix products, whose last bits depend on
    the processor.

    Args:
        generator: a CPU generator from which θ is drawn: from U(±0.1), and PyTorch's default U(±1/√size) where the
            program draws nothing itself.
    """

    def __init__(self, settings: ENASSettings, space: Space, generator: torch.Generator) -> None:
        super().__init__()
        self.settings, self.space = settings, space
        operations = len(space.operations)
        size, layers = settings.controller_size, range(settings.controller_layers)

        def parameter(*shape: int, bound: float) -> nn.Parameter:
            drawn = torch.rand(*shape, generator=generator, dtype=torch.float64)
            return nn.Parameter(bound * (2 * drawn - 1))

        default = 1 / math.sqrt(size)
        own = [0.1 if layer == 0 else default for layer in layers]
        self.start = parameter(size, bound=0.1)
        self.embedding = parameter(operations, size, bound=0.1)
        self.of_input = nn.ParameterList(parameter(4 * size, size, bound=bound) for bound in own)
        self.of_hidden = nn.ParameterList(parameter(4 * size, size, bound=bound) for bound in own)
        self.input_bias = nn.ParameterList(parameter(4 * size, bound=default) for _ in layers)
        self.hidden_bias = nn.ParameterList(parameter(4 * size, bound=default) for _ in layers)
        self.of_logits = parameter(operations, size, bound=0.1)
        self.logits_bias = parameter(operations, bound=default)

    def forward(self, cells: int, choose: Callable[[int, Tensor], Tensor]) -> Drawn:
        """So many cells, whose operations `choose(edge, probabilities)` draws by probabilities (cells, operations)."""
        x = self.start.expand(cells, -1)
        state = [(torch.zeros_like(x), torch.zeros_like(x)) for _ in self.of_input]
        operations, log_probabilities, entropies = [], [], []
        for edge in range(len(self.space.edges)):
            for layer, (hidden, memory) in enumerate(state):
                state[layer] = self.lstm(layer, x, hidden, memory)
                x = state[layer][0]
            logits = product(x, self.of_logits) + self.logits_bias
            log_p = (self.settings.tanh_constant * tanh(logits / self.settings.temperature)).log_softmax(1)
            p = log_p.softmax(1)
            chosen = choose(edge, p)
            operations.append(chosen)
            log_probabilities.append(log_p.gather(1, chosen[:, None])[:, 0])
            entropies.append(-(p * log_p).sum(1))
            x = self.embedding[chosen]
        summed = (torch.stack(terms).sum(0) for terms in (log_probabilities, entropies))
        return Drawn(torch.stack(operations, 1), *summed)

    def lstm(self, layer: int, x: Tensor, hidden: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden state and memory, (cells, size) each, of a layer after one more input (cells, size)."""
        gates = product(x, self.of_input[layer]) + self.input_bias[layer]
        gates = gates + product(hidden, self.of_hidden[layer]) + self.hidden_bias[layer]
        take, keep, new, show = gates.chunk(4, 1)
        memory = keep.sigmoid() * memory + take.sigmoid() * tanh(new)
        return show.sigmoid() * tanh(memory), memory

    def draw(self, cells: int, random: np.random.Generator) -> Drawn:
        """So many cells, drawn from π(θ)."""
        drawn: Drawn = self(cells, lambda _, probabilities: categorical(probabilities, random))
        return drawn


def product(x: Tensor, weight: Tensor) -> Tensor:
    """x (n, k) times the transpose of weight (m, k): (n, m)."""
    return (x[:, None] * weight).sum(2)


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent; PyTorch's own is rounded as the processor has it, its sigmoid is not."""
    return 2 * (2 * x).sigmoid() - 1


class SharedTraining(SinglePathTraining):
    """A supernet trained on cells that a controller draws."""

    settings: ENASSettings
    controller: Controller

    def new_supernet(self, problem: Problem, generator: torch.Generator, classes: int) -> Supernet:
        return problem.supernet(generator, classes, moving=moving_share(self.settings))

    def lr(self) -> float:
        s = self.settings
        return s.lr_min + (s.lr - s.lr_min) * (1 + math.cos(math.pi * self.epochs_done / s.lr_half_period)) / 2

    @torch.no_grad()
    def sample_path(self, cells: int) -> list[Cell]:
        if self.settings.path_per_cell:
            return self.controller.draw(cells, self.choices).cells(self.space)
        return self.controller.draw(1, self.choices).cells(self.space) * cells


class ENAS(Search):
    """ENAS: an LSTM, taught by validation accuracy, draws the cells that the shared weights train on"""

    title = "ENAS"
    family = "one-shot"
    year = 2018
    score_name = "accuracy on one batch (%)"
    published = reported(
        "NAS-Bench-201's table, as quoted in TE-NAS's, as quoted in Chen et al. (Deep Architecture Connectivity "
        "Matters, 2022) Table 2",
        {"cifar10_test": (54.30, 0.00), "cifar100_test": (15.61, 0.00), "imagenet16-120_test": (16.32, 0.00)},
        runs=3,
        note="search on CIFAR-10 only; edition: BN batch statistics (inferred from AutoDL-Projects issue 70); all "
        "skip_connect",
    )
    published_cell = Cell.parse(
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
    )

    Settings: ClassVar[type] = ENASSettings
    saved = ("training", "controller", "optimiser", "baseline", "random", "choice")
    split = "cifar-split"
    split_source = "AutoDL-Projects, ENAS.py: get_nas_search_loaders"
    source = 'Pham et al., "Efficient Neural Architecture Search", ICML 2018; program: AutoDL-Projects, ENAS.py'

    def __init__(self, problem: Problem, settings: Any, seed: int, start: Search | None = None) -> None:
        self.settings: ENASSettings = settings
        s = self.settings
        self.epochs = s.epochs
        self.space = problem.space
        self.controller = Controller(s, self.space, torch.Generator().manual_seed(seeded(seed, 6)))
        self.training = SharedTraining(problem, s, seed)
        self.training.controller = self.controller
        self.optimiser = torch.optim.Adam(
            self.controller.parameters(),
            s.controller_lr,
            s.controller_betas,
            s.controller_eps,
            fused=True,  # whose roots, other than those of tensors, are the same on every processor
        )
        self.baseline: float | None = None
        """b', the last b of the epoch before."""
        self.random = np.random.default_rng(seeded(seed, 4))
        generator = torch.Generator(problem.device).manual_seed(seeded(seed, 5))
        self.choice = Choice(self.space, Loader(problem.images, 1, generator), s.batch_size)

    def epoch(self) -> EpochLog:
        """An epoch of w, some steps of θ, and a choice."""
        measured = {**self.training.epoch(), **self.teach()}
        last = self.training.epochs_done == self.epochs
        with torch.no_grad():
            drawn = self.controller.draw(
                self.settings.select_num if last else self.settings.select_between, self.random
            )
        self.choice.among(drawn.cells(self.space), self.training.supernet)
        return measured

    def teach(self) -> EpochLog:
        """The epoch's steps of θ; means over their cells."""
        s, batches = self.settings, endless(self.choice.half, self.settings.batch_size)
        seen = np.zeros(3)
        for _ in range(s.controller_steps):
            drawn = self.controller.draw(s.controller_cells, self.random)
            accuracies = (
                torch.tensor(accuracies_of(drawn.cells(self.space), self.training.supernet, batches)).double() / 100
            )
            loss, baselines = controller_loss(drawn, accuracies, self.baseline, s)
            descend(loss, list(self.controller.parameters()), self.optimiser, s.controller_clip)
            last_baseline = float(baselines[-1].detach())
            seen += [float(of_cells.detach().mean()) for of_cells in (accuracies, drawn.entropy, baselines)]
        self.baseline = last_baseline
        accuracy, entropy, baseline = (seen / s.controller_steps).tolist()
        return {"valid_accuracy": 100 * accuracy, "entropy": entropy, "baseline": baseline}

    def cell(self) -> Cell:
        return self.choice.cell()

    def scores(self) -> NDArray[np.float64]:
        """The accuracies of the cells measured last, each on a batch of its own."""
        return self.choice.scores()


def controller_loss(
    drawn: Drawn, accuracies: Tensor, baseline: float | None, settings: ENASSettings
) -> tuple[Tensor, Tensor]:
    """What a step of θ descends, and b of each cell.

    Args:
        accuracies: (n,), of the cells drawn, of 1.
        baseline: b'; None in the first epoch.
    """
    rewards = accuracies + settings.entropy_weight * drawn.entropy
    b = accuracies if baseline is None else baseline - (1 - settings.baseline_decay) * (baseline - rewards)
    return (-drawn.log_probability * (rewards - b)).mean(), b
