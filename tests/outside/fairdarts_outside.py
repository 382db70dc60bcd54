"""FairDARTS: Chu et al., "Fair DARTS: Eliminating Unfair Advantages in Differentiable Architecture Search", ECCV 2020.

Operations do not compete: each has a weight of its own, σ(α_o) (Eq. 3), and a zero-one loss drives it to 0 or 1,

    L_01 = −mean (σ(α) − 1/2)²,        α descends L_val + w₀₁ · L_01    (Eqs. 4, 5).

The program has DARTS' space alone, where a node keeps what is above 0.85; here each edge keeps its largest.
"""

from dataclasses import dataclass

from methods.gradient import GradientSearch, GradientSettings
from methods.settings import Count, NotNegative, Rate, Share, setting


@dataclass(frozen=True, kw_only=True)
class Settings(GradientSettings):
    batch_size: Count = setting(128, "FairDARTS, train_search.py: --batch_size")
    lr: Rate = setting(0.005, "FairDARTS, train_search.py: --learning_rate")
    nesterov: bool = setting(False, "FairDARTS, train_search.py: torch.optim.SGD without it")
    weight_decay: NotNegative = setting(3e-4, "FairDARTS, train_search.py: --weight_decay")
    alpha_lr: Rate = setting(3e-3, "FairDARTS, train_search.py: --arch_learning_rate")
    alpha_betas: tuple[Share, Share] = setting((0.9, 0.999), "FairDARTS, architect.py: Adam")
    alpha_init: NotNegative = setting(0.0, "FairDARTS, model_search.py: zeros")
    alpha_first: bool = setting(True, "FairDARTS, train_search.py: architect.step before the weights' step")
    zero_one: NotNegative = setting(10.0, "FairDARTS, train_search.py: --aux_loss_weight")
    """w₀₁, the factor of the zero-one loss."""


class FairDarts(GradientSearch):
    """FairDARTS: operations weighed by sigmoids of α, which a zero-one loss drives apart"""

    Settings = Settings
    source = 'Chu et al., "Fair DARTS", ECCV 2020; program: FairDARTS, fairdarts'

    def relax(self, alpha):
        return alpha.sigmoid()

    def alpha_loss(self, valid_loss):
        return super().alpha_loss(valid_loss) - self.settings.zero_one * (self.alpha.sigmoid() - 0.5).square().mean()
