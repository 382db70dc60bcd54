"""The random generators that a process has of its own: Python's, NumPy's, PyTorch's and the device's.

Our searches draw from generators of their own. A third party's may draw from these, so a run starts with them seeded,
and a checkpoint holds their states.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor


def seed_all(seed: int) -> None:
    """Start all of them from the 63-bit `seed`."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (this is that generator)
    torch.manual_seed(seed)  # the devices' as well


def states(device: torch.device) -> dict[str, Any]:
    """The states of them all, as a checkpoint can hold them."""
    version, numbers, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def restore(states: dict[str, Any], device: torch.device) -> None:
    """Go on from states that `states` gave."""
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    keys, *rest = states["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if isinstance(states["device"], Tensor) and device.type == "cuda":
        torch.cuda.set_rng_state(states["device"], device)
