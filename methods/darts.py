"""DARTS: Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019.

The choice of an operation on edge (i, j) is relaxed to a softmax over all of them (Eq. 2),

    ō(x) = Σ_o exp(α_o) / Σ_o' exp(α_o') · o(x),

and α and the weights w solve a bilevel problem (Eqs. 3, 4),

    min_α L_val(w*(α), α)   with   w*(α) = argmin_w L_train(w, α),

by alternating steps (Alg. 1): w descends ∇_w L_train(w, α), α descends ∇_α L_val(w − ξ ∇_w L_train(w, α), α) (Eq. 6).
In the end each edge keeps the operation with the largest α.
"""

from __future__ import annotations

import torch
from torch import Tensor

from methods.batches import Batch
from methods.gradient import GradientSearch, Tally


class Darts(GradientSearch):
    """DARTS, first order: α descends the validation loss of the present weights"""

    source = 'Liu et al., "DARTS", ICLR 2019; program: AutoDL-Projects, DARTS-V1.py'

    def alpha_gradient(self, valid: Batch, tally: Tally) -> Tensor:
        """∇_α L_val(w, α), Eq. 6 with ξ = 0."""
        loss, right = self.loss(valid, self.weights())
        tally.add(loss, right, valid)
        (gradient,) = torch.autograd.grad(loss, [self.alpha])
        return gradient
