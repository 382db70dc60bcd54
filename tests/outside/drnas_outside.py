"""DrNAS: Chen et al., "DrNAS: Dirichlet Neural Architecture Search", ICLR 2021; the program's search without stages.

The weights of an edge's operations are drawn, o ~ Dirichlet(β) with β = ELU(α) + 1 (Eq. 3), and α descends the expected
validation loss through the draw (Eq. 5). Its l2 regulariser is Adam's weight decay, which pulls β to 1.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from methods.gradient import GradientSearch, GradientSettings
from methods.search import seeded
from methods.settings import Count, NotNegative, setting


@dataclass(frozen=True, kw_only=True)
class Settings(GradientSettings):
    epochs: Count = setting(100, "DrNAS, 201-space/train_search.py: --epochs")
    nesterov: bool = setting(False, "DrNAS, train_search.py: torch.optim.SGD without it")
    weight_decay: NotNegative = setting(3e-4, "DrNAS, train_search.py: --weight_decay")
    alpha_first: bool = setting(True, "DrNAS, train_search.py: architect.step before the weights' step")


class DrNAS(GradientSearch):
    """DrNAS: the weights of the operations are drawn from a Dirichlet distribution that α describes"""

    Settings = Settings
    source = 'Chen et al., "DrNAS", ICLR 2021; program: DrNAS, 201-space'
    saved = ("draws",)

    def __init__(self, problem, settings, seed, start=None):
        super().__init__(problem, settings, seed, start)
        self.draws = torch.Generator(problem.device).manual_seed(seeded(seed, 3))

    def relax(self, alpha):
        beta = F.elu(alpha) + 1
        return beta / beta.sum(1, keepdim=True)  # the mean of what is drawn

    def sample(self):
        gammas = torch._standard_gamma(F.elu(self.alpha) + 1, generator=self.draws)
        return self.where_undecided(gammas / gammas.sum(1, keepdim=True))
