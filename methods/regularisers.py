"""Terms that any gradient method may add to the loss of α, β-decay or plain L2, or to that of w, the alignment Λ.

Ye et al., "β-DARTS: Beta-Decay Regularization for Differentiable Architecture Search", CVPR 2022, §3; Movahedi et al.,
"Λ-DARTS: Mitigating Performance Collapse by Harmonizing Operation Selection among Cells", ICLR 2023.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Regulariser = Literal["none", "beta", "l2", "lambda"]


def beta_decay(alpha: Tensor) -> Tensor:
    """L_Beta: the logsumexp of α's row for each edge, averaged over the edges; α is (edges, operations).

    Its gradient is softmax(α) / 6: what makes the weight of an operation large is what pushes it down.
    """
    # As α_o − log softmax(α)_o, which is the same for every o: PyTorch's logsumexp is rounded as the processor has it.
    loss: Tensor = (alpha - alpha.log_softmax(1)).mean()
    return loss


def l2(alpha: Tensor) -> Tensor:
    """Half the squared norm of α's row for each edge, averaged over the edges; its gradient is α / 6."""
    return alpha.square().sum(1).mean() / 2


def alignment_gradient(gradients: Tensor) -> Tensor:
    """∂Λ/∂g of gradients g, (L, edges, operations); Λ is the mean over all pairs of L cells of their cosine u_l · u_l′.

    δ_l = 2 / (L (L − 1)) · (I − u_l u_lᵀ) · Σ_l′ u_l′ / ‖g_l‖, with u_l = g_l / ‖g_l‖; 0 where g_l is.
    """
    units, cells = _units(gradients), len(gradients)
    total = units.sum(0)
    across = total - units * (units * total).sum((1, 2), keepdim=True)
    return 2 / (cells * (cells - 1)) * _shortened(across, gradients)


def _units(gradients: Tensor) -> Tensor:
    """u_l = g_l / ‖g_l‖; 0 where g_l is, as of a cell behind which a decided one lets nothing pass."""
    return _shortened(gradients, gradients)


def _shortened(vectors: Tensor, by: Tensor) -> Tensor:
    """Each cell's of `vectors` divided by the norm of `by`; 0 where that is 0."""
    norms = torch.linalg.vector_norm(by, dim=(1, 2), keepdim=True)
    return torch.where(norms > 0, vectors / norms.where(norms > 0, 1.0), 0.0)


REGULARISERS = {"beta": beta_decay, "l2": l2}
"""Those of α's loss."""
