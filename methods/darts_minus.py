"""DARTS-: Chu et al., "DARTS-: Robustly Stepping out of Performance Collapse Without Indicators", ICLR 2021.

`skip_connect` plays two parts in a supernet: it is a candidate, and it carries gradients past the others, as in a
ResNet. The second makes its α grow whatever it is worth in the final cell. DARTS- gives that part to an auxiliary skip
on every edge, which is no candidate (§3.2),

    ō(x) = β·x + Σ_o softmax(α)_o · o(x),

and whose weight β decays from 1 to 0 over the epochs (Alg. 1), so that in the end the supernet is that of DARTS. In
both steps, of w and of α, it is there; the choice of the cell knows nothing of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from data.published import reported
from methods.batches import Batch
from methods.gradient import GradientSearch, GradientSettings
from methods.settings import NotNegative, setting


@dataclass(frozen=True, kw_only=True)
class DartsMinusSettings(GradientSettings):
    nesterov: bool = setting(
        False, "DARTS-, train_search.py: torch.optim.SGD without it; its program has no NAS-Bench-201"
    )
    weight_decay: NotNegative = setting(3e-4, "DARTS-, args.py: --weight_decay")
    alpha_first: bool = setting(True, "DARTS-, train_search.py: architect.step before the weights' step")
    beta: NotNegative = setting(1.0, "DARTS-, args.py: --skip_beta")
    """β of the first epoch, the weight of the auxiliary skip on every edge."""
    decay: Literal["linear", "cosine", "none"] = setting("linear", "DARTS-, run_darts_minus.sh: DECAY_TYPE")
    """How β goes from there to 0 over the epochs; `none` leaves it as it is."""


class DartsMinus(GradientSearch):
    """DARTS-: DARTS with an auxiliary skip on every edge, whose weight decays to 0 during the search"""

    title = "DARTS-"
    year = 2021
    published = reported(
        "Chu et al., DARTS-, ICLR 2021",
        {
            "cifar10_valid": (91.03, 0.44),
            "cifar10_test": (93.80, 0.40),
        },
    )

    Settings: ClassVar[type] = DartsMinusSettings
    settings: DartsMinusSettings
    split_source = "DARTS-, train_search.py: indices[:split], indices[split:num_train]"
    needs_operations = ("skip_connect",)
    source = 'Chu et al., "DARTS-", ICLR 2021; program: DARTS-, src/search/train_search.py'

    def loss(self, batch: Batch, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of the supernet with β added to the weight of `skip_connect` on every edge."""
        auxiliary = torch.zeros_like(weights)
        auxiliary[..., self.space.skip].fill_(self.beta())
        return super().loss(batch, weights + auxiliary)

    def beta(self) -> float:
        """β of the present epoch."""
        done = min(self.epochs_done / self.settings.epochs, 1.0)
        left = {"linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2, "none": 1.0}
        return self.settings.beta * left[self.settings.decay]
