"""Terms that any gradient method may add to the loss of α: β-decay, or plain L2 to compare it with.

Ye et al., "β-DARTS: Beta-Decay Regularization for Differentiable Architecture Search", CVPR 2022, §3.
"""

from __future__ import annotations

from torch import Tensor


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


REGULARISERS = {"beta": beta_decay, "l2": l2}
