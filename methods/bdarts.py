"""β-DARTS: Ye et al., "β-DARTS: Beta-Decay Regularization for Differentiable Architecture Search", CVPR 2022.

DARTS with one more term in the loss of α (§3): the logsumexp of α keeps both value and variance of β = softmax(α), the
weights of the operations, small,

    L_Beta = mean over edges of log Σ_o exp(α_o),        α descends L_val(w, α) + λ(e) · L_Beta,

since its gradient is the softmax itself: ∂L_Beta/∂α = β / (number of edges). λ grows linearly with the epoch e: the
weights of the operations are first free to differ, then drawn together. That is all; the rest is DARTS.

Every other gradient method can have the same term: `--set darts.regulariser=beta --set darts.strength=50`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from data.published import reported
from methods.gradient import GradientSearch, GradientSettings
from methods.settings import Count, NotNegative, Rate, Share, setting
from spaces import Cell


def beta_decay(alpha: Tensor) -> Tensor:
    """L_Beta: the logsumexp of α's row for each edge, averaged over the edges; α is (6, 5), the result a scalar.

    Its gradient is softmax(α) / 6: what makes the weight of an operation large is what pushes it down.
    """
    # As α_o − log softmax(α)_o, which is the same for every o: PyTorch's logsumexp is rounded as the processor has it.
    loss: Tensor = (alpha - alpha.log_softmax(1)).mean()
    return loss


@dataclass(frozen=True, kw_only=True)
class BetaDartsSettings(GradientSettings):
    epochs: Count = setting(100, "Beta-DARTS, train_search.py: --epochs")
    batch_size: Count = setting(64, "Beta-DARTS, train_search.py: --batch_size")
    lr: Rate = setting(0.025, "Beta-DARTS, train_search.py: --learning_rate")
    lr_min: NotNegative = setting(0.001, "Beta-DARTS, train_search.py: --learning_rate_min")
    momentum: NotNegative = setting(0.9, "Beta-DARTS, train_search.py: --momentum")
    nesterov: bool = setting(False, "Beta-DARTS, train_search.py: torch.optim.SGD without it")
    weight_decay: NotNegative = setting(3e-4, "Beta-DARTS, train_search.py: --weight_decay")
    clip: Rate = setting(5.0, "Beta-DARTS, train_search.py: --grad_clip")
    clip_counts_alpha: bool | Literal["softmax"] = setting(
        "softmax", "Beta-DARTS, train_search.py: clip_grad_norm_ while alpha.data holds softmax(α)"
    )
    skip_first_lr: bool = setting(True, "Beta-DARTS, train_search.py: scheduler.step() before the first epoch")
    alpha_lr: Rate = setting(3e-4, "Beta-DARTS, train_search.py: --arch_learning_rate")
    alpha_betas: tuple[Share, Share] = setting((0.5, 0.999), "Beta-DARTS, architect.py: Adam")
    alpha_weight_decay: NotNegative = setting(
        1e-3, "Beta-DARTS, train_search.py: --arch_weight_decay, kept on beside β-decay"
    )
    alpha_init: NotNegative = setting(1e-3, "Beta-DARTS, nasbench201/model.py: 1e-3 * randn")
    alpha_first: bool = setting(True, "Beta-DARTS, train_search.py: architect.step before the weights' step")
    train_batches: Literal["shuffled", "drawn"] = setting(
        "shuffled", "Beta-DARTS, train_search.py: enumerate(train_queue)"
    )
    regulariser: str = setting("beta", "Beta-DARTS, architect.py: logsumexp of α")
    schedule: Literal["linear", "constant"] = setting("linear", "Beta-DARTS, architect.py: λ grows with the epoch")
    strength: NotNegative = setting(50.0, "Beta-DARTS, architect.py: λ = 50 · epoch / 100")
    strength_epochs: Count = setting(100, "Beta-DARTS, architect.py: a constant, not --epochs", unit="epochs")


class BetaDarts(GradientSearch):
    """β-DARTS: DARTS with β-decay, the logsumexp of α, in α's loss"""

    title = "β-DARTS"
    year = 2022
    published = reported(
        "Ye et al., β-DARTS, CVPR 2022",
        {
            "cifar10_valid": (91.55, 0.00),
            "cifar10_test": (94.36, 0.00),
            "cifar100_valid": (73.49, 0.00),
            "cifar100_test": (73.51, 0.00),
            "imagenet16-120_valid": (46.37, 0.00),
            "imagenet16-120_test": (46.34, 0.00),
        },
    )
    published_cell = Cell.parse(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )

    Settings: ClassVar[type] = BetaDartsSettings
    split_source = "Beta-DARTS, train_search.py: indices[:split_train], indices[split_valid:num_train]"
    source = 'Ye et al., "β-DARTS", CVPR 2022; program: Beta-DARTS, nasbench201/train_search.py'

    def strength(self) -> float:
        """λ(e) at epoch e = 0, 1, …: 50 · e/100, whatever the number of epochs (Beta-DARTS, architect.py)."""
        s = self.settings
        return s.strength * self.epochs_done / s.strength_epochs if s.schedule == "linear" else super().strength()
