"""β-DARTS: Ye et al., "β-DARTS: Beta-Decay Regularization for Differentiable Architecture Search", CVPR 2022.

DARTS with one more term in the loss of α. Of β = softmax(α), the weights of the operations, it keeps both value and
variance small through the logsumexp of α (`regularisers.beta_decay`),

    L_Beta = mean over edges of log Σ_o exp(α_o),        α descends L_val(w, α) + λ(e) · L_Beta,

whose gradient is the softmax itself: ∂L_Beta/∂α = β / (number of edges). λ grows linearly with the epoch e: the weights
of the operations are first free to differ, then held together. That is all: the method is DARTS, with the settings
`regulariser = "beta"`, `strength` and `schedule`, which every other gradient method has too.
"""

from __future__ import annotations

from methods.gradient import GradientSearch


class BetaDarts(GradientSearch):
    """β-DARTS: DARTS with β-decay, the logsumexp of α, in α's loss"""

    source = 'Ye et al., "β-DARTS", CVPR 2022; program: Beta-DARTS, nasbench201/train_search.py'
