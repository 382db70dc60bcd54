"""FairDARTS: Chu et al., "Fair DARTS: Eliminating Unfair Advantages in Differentiable Architecture Search", ECCV 2020.

Under a softmax what one operation gains the others lose, and `skip_connect`, which helps any network train, gains most.
Here operations do not compete: each has a weight of its own, and an edge may well want several (§3.3),

    ō(x) = Σ_o σ(α_o) · o(x).

So that in the end each of them is in or out, a zero-one loss drives the weights from 1/2 to 0 or 1 (§3.4),

    L_01 = −mean (σ(α) − 1/2)²,        α descends L_val(w, α) + w₀₁ · L_01.

The mean is over all operations of all edges. The program has DARTS' space alone, where a node keeps the two operations
with the largest weights above 0.85; a cell of NAS-Bench-201 has one on every edge, and each keeps its largest. In that
space poolings have a normalisation, here they have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from methods.gradient import GradientSearch, GradientSettings
from methods.settings import Count, NotNegative, Rate, Share, setting


@dataclass(frozen=True, kw_only=True)
class FairDartsSettings(GradientSettings):
    batch_size: Count = setting(128, "FairDARTS, train_search.py: --batch_size")
    lr: Rate = setting(0.005, "FairDARTS, train_search.py: --learning_rate")
    nesterov: bool = setting(False, "FairDARTS, train_search.py: torch.optim.SGD without it")
    weight_decay: NotNegative = setting(3e-4, "FairDARTS, train_search.py: --weight_decay")
    clip_counts_alpha: bool | Literal["softmax"] = setting(
        False, "FairDARTS, model_search.py: α is no parameter of the model"
    )
    skip_first_lr: bool = setting(True, "FairDARTS, train_search.py: scheduler.step() before the first epoch")
    alpha_lr: Rate = setting(3e-3, "FairDARTS, train_search.py: --arch_learning_rate")
    alpha_betas: tuple[Share, Share] = setting((0.9, 0.999), "FairDARTS, architect.py: Adam")
    alpha_init: NotNegative = setting(0.0, "FairDARTS, model_search.py: zeros")
    alpha_first: bool = setting(True, "FairDARTS, train_search.py: architect.step before the weights' step")
    zero_one: NotNegative = setting(10.0, "FairDARTS, train_search.py: --aux_loss_weight")
    """w₀₁, the factor of the zero-one loss."""


class FairDarts(GradientSearch):
    """FairDARTS: operations weighed by sigmoids of α, which do not compete, and a loss that drives them to 0 or 1"""

    title = "FairDARTS"
    year = 2020

    Settings: ClassVar[type] = FairDartsSettings
    settings: FairDartsSettings
    split_source = "FairDARTS, train_search.py: indices[:split], indices[split:num_train]"
    source = 'Chu et al., "Fair DARTS", ECCV 2020; program: FairDARTS, fairdarts/train_search.py'

    def relax(self, alpha: Tensor) -> Tensor:
        """σ(α), each operation for itself."""
        return alpha.sigmoid()

    def alpha_loss(self, valid_loss: Tensor) -> Tensor:
        """The validation loss, and w₀₁ · L_01."""
        return super().alpha_loss(valid_loss) + self.settings.zero_one * zero_one_loss(self.alpha)


def zero_one_loss(alpha: Tensor) -> Tensor:
    """L_01, from 0 where all weights are 1/2 down to −1/4 where each is 0 or 1."""
    return -(alpha.sigmoid() - 0.5).square().mean()
