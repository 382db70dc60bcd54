"""Λ-DARTS: Movahedi et al., "Λ-DARTS: Mitigating Performance Collapse by Harmonizing Operation Selection among Cells",
ICLR 2023.

All cells of the supernet share one α, and its gradient is a sum over them. Where the cells disagree about what α should
be, those near the output outvote the others, and the search goes to where the softmax saturates: to `skip_connect`. So
the weights w train to make the cells agree (§4). With p = softmax(α) and g_l its gradient at cell l alone,

    g_l = ∂L_train / ∂p at cell l,   u_l = g_l / ‖g_l‖,   Λ = mean over pairs of cells of u_l · u_l′,

    w descends L_train(w, α) − λ(e) · Λ(w, α),      λ(e) = λ · e / (E − 1).

That has second derivatives in it; a central difference in the cells' weights gives their product,

    ∇_w Λ ≈ ( ∇_w L_train(w, p + ε δ) − ∇_w L_train(w, p − ε δ) ) / 2ε,   ε = ε₀ / ‖δ‖,

    δ_l = ∂Λ/∂g_l = 2 / (L (L − 1)) · (I − u_l u_lᵀ) · Σ_l′ u_l′ / ‖g_l‖,

where each cell has its own δ_l: three passes a step instead of one. That is all: the method is DARTS, with the setting
`regulariser = "lambda"` (`GradientSearch.aligning_gradients`), which other methods have too.

The script for NAS-Bench-201, which this one follows, has λ = 0.25 and a learning rate of α of 1e-4; the program's
defaults are 0.125 and 3e-4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from methods.gradient import GradientSearch, GradientSettings
from methods.settings import Count, NotNegative, Rate, setting


@dataclass(frozen=True, kw_only=True)
class LambdaDartsSettings(GradientSettings):
    epochs: Count = setting(100, "Lambda-DARTS, NAS-Bench201, DARTS.config: epochs")
    nesterov: bool = setting(False, "Lambda-DARTS, NAS-Bench201, DARTS.config: nesterov")
    weight_decay: NotNegative = setting(3e-4, "Lambda-DARTS, NAS-Bench201, DARTS.config: decay")
    alpha_lr: Rate = setting(1e-4, "Lambda-DARTS, NAS-Bench201, DARTS-V1.sh: --arch_learning_rate")
    regulariser: str = setting("lambda", "Lambda-DARTS, NAS-Bench201, DARTS-V1.sh: --corr_regularization")
    strength: NotNegative = setting(0.25, "Lambda-DARTS, NAS-Bench201, DARTS-V1.sh: --lambda")
    strength_epochs: Count = setting(
        99, "Lambda-DARTS, NAS-Bench201, DARTS-V1.py: epoch / (total_epoch - 1)", unit="epochs"
    )
    alignment_step: Rate = setting(1e-4, "Lambda-DARTS, NAS-Bench201, DARTS-V1.sh: --epsilon_0")


class LambdaDarts(GradientSearch):
    """Λ-DARTS: DARTS whose weights train to make the cells agree about α"""

    title = "Λ-DARTS"
    year = 2023

    Settings: ClassVar[type] = LambdaDartsSettings
    settings: LambdaDartsSettings
    split = "cifar-split"
    split_source = "Lambda-DARTS, NAS-Bench201, DARTS-V1.py: cifar-split.txt"
    source = 'Movahedi et al., "Λ-DARTS", ICLR 2023; program: Lambda-DARTS, NAS-Bench201/exps/algos/DARTS-V1.py'
