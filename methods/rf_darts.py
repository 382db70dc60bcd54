"""RF-DARTS: Zhang et al., "Differentiable Architecture Search with Random Features", CVPR 2023.

In DARTS the convolutions of the supernet train with the help of `skip_connect`, and so it is chosen, whatever it is
worth in the final cell. Here they do not train: they stay as they were drawn at random, and all that the supernet
learns is the scales and shifts γ, β of its batch normalisations,

    min_α L_val(γ*, β*, α)   with   γ*, β* = argmin L_train(γ, β, α)   for convolutions as initialised.

Random features are expressive enough to tell operations apart, and `skip_connect` helps nothing to train. The search
cells' normalisations, elsewhere without scale and shift, have them for this.

There is no program of it, and the paper, as far as it is known here, leaves its constants open: they are those of
first-order DARTS, and the stem, the reduction blocks and the classifier keep their random weights as well.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from methods.gradient import GradientSearch, GradientSettings
from methods.search import Problem
from spaces.supernet import Supernet


class RFDarts(GradientSearch):
    """RF-DARTS: DARTS on random features; of the supernet only scales and shifts of the normalisations train"""

    title = "RF-DARTS"
    year = 2023

    Settings: ClassVar[type] = GradientSettings
    split = "cifar-split"
    split_source = "as of darts"
    source = 'Zhang et al., "Random Features", CVPR 2023; no program; constants of AutoDL-Projects, DARTS-V1.py'

    def new_supernet(self, problem: Problem, generator: torch.Generator) -> Supernet:
        """A supernet that trains in its normalisations only."""
        supernet = problem.supernet(generator, affine=True)
        for weights in supernet.parameters():
            weights.requires_grad_(weights.dim() == 1)
        for layer in supernet.modules():
            if isinstance(layer, nn.Linear):
                layer.requires_grad_(False)
        return supernet
