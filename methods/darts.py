"""DARTS: Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019.

The choice of an operation on edge (i, j) is relaxed to a softmax over all of them (Eq. 2),

    ō(x) = Σ_o exp(α_o) / Σ_o' exp(α_o') · o(x),

and α and the weights w solve a bilevel problem (Eqs. 3, 4),

    min_α L_val(w*(α), α)   with   w*(α) = argmin_w L_train(w, α),

by alternating steps (Alg. 1): w descends ∇_w L_train(w, α), α descends ∇_α L_val(w − ξ ∇_w L_train(w, α), α) (Eq. 6);
first order means ξ = 0. In the end each edge keeps the operation with the largest α.

All this is `GradientSearch`, which the methods that grew out of DARTS share: `weights` is Eq. 2, `weight_step` and
`alpha_step` the two descents, `alternate` Alg. 1, `cell` the choice. Here `none` can be chosen too.
"""

from __future__ import annotations

from methods.gradient import GradientSearch


class Darts(GradientSearch):
    """DARTS, first order: α descends the validation loss of the present weights"""

    split = "cifar-split"
    split_source = "AutoDL-Projects, DARTS-V1.py: get_nas_search_loaders"
    source = 'Liu et al., "DARTS", ICLR 2019; program: AutoDL-Projects, DARTS-V1.py'
