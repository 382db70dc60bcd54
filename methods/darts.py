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

from data.published import reported
from methods.gradient import GradientSearch
from spaces import Cell


class Darts(GradientSearch):
    """DARTS, first order: α descends the validation loss of the present weights"""

    title = "DARTS"
    year = 2019
    published = reported(
        "Dong & Yang, NAS-Bench-201, ICLR 2020",
        {
            "cifar10_valid": (39.77, 0.00),
            "cifar10_test": (54.30, 0.00),
            "cifar100_valid": (15.03, 0.00),
            "cifar100_test": (15.61, 0.00),
            "imagenet16-120_valid": (16.43, 0.00),
            "imagenet16-120_test": (16.32, 0.00),
        },
        runs=3,
        note="first order",
    )
    published_cell = Cell.parse(
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
    )

    split = "cifar-split"
    split_source = "AutoDL-Projects, DARTS-V1.py: get_nas_search_loaders"
    source = 'Liu et al., "DARTS", ICLR 2019; program: AutoDL-Projects, DARTS-V1.py'
