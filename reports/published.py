"""What the papers report on NAS-Bench-201: facts, each with its source. All searched on CIFAR-10.

`published-more.csv` beside this holds what else was collected, other editions and methods included; our results are not
held against these, but `reports.audit` knows quotations by them.
"""

from __future__ import annotations

from typing import NamedTuple

from spaces.nasbench201.cell import CONV3, SKIP, Cell


class Published(NamedTuple):
    """One published number."""

    method: str
    """Name of the method; `optimal` is the best cell of the space."""
    metric: str
    """The data set and split that it was measured on."""
    mean: float
    """Accuracy, %."""
    std: float | None
    """Over the runs, as published; None where the source gives none. None says by which divisor; n − 1 is assumed."""
    runs: int | None
    """Searches behind the mean; None where the source does not say."""
    source: str
    note: str = ""


_NB201 = "Dong & Yang, NAS-Bench-201, ICLR 2020"
_BETA = "Ye et al., β-DARTS, CVPR 2022"
_PT = "Wang et al., Rethinking architecture selection in differentiable NAS (DARTS-PT), ICLR 2021, Table 4"
_RLNAS = "Zhang et al., Neural architecture search with random labels (RLNAS), CVPR 2021, Table 1"
_RLNAS_A = f"{_RLNAS}, row A (true labels, validation accuracy)"
_RLNAS_B = f"{_RLNAS}, row B (true labels, angle)"
_RLNAS_C = f"{_RLNAS}, row C (random labels, validation accuracy)"
_RLNAS_D = f"{_RLNAS}, row D (random labels, angle)"
_QUOTED = "as quoted in the tables of β-DARTS and DrNAS"
_MINUS = "Chu et al., DARTS-, ICLR 2021"

PUBLISHED = (
    Published("optimal", "cifar10_valid", 91.61, None, None, _NB201, "space maximum"),
    Published("optimal", "cifar10_test", 94.37, None, None, _NB201, "space maximum"),
    Published("optimal", "cifar100_valid", 73.49, None, None, _NB201, "space maximum"),
    Published("optimal", "cifar100_test", 73.51, None, None, _NB201, "space maximum"),
    Published(
        "optimal", "imagenet16-120_valid", 46.77, None, None, _NB201, "space maximum; 46.73 in the NATS-Bench file"
    ),
    Published("optimal", "imagenet16-120_test", 47.31, None, None, _NB201, "space maximum"),
    Published("darts", "cifar10_valid", 39.77, 0.00, 3, _NB201, "first order"),
    Published("darts", "cifar10_test", 54.30, 0.00, 3, _NB201, "first order"),
    Published("darts", "cifar100_valid", 15.03, 0.00, 3, _NB201, "first order"),
    Published("darts", "cifar100_test", 15.61, 0.00, 3, _NB201, "first order"),
    Published("darts", "imagenet16-120_valid", 16.43, 0.00, 3, _NB201, "first order"),
    Published("darts", "imagenet16-120_test", 16.32, 0.00, 3, _NB201, "first order"),
    Published("darts2", "cifar10_valid", 39.77, 0.00, 3, _NB201, "second order"),
    Published("darts2", "cifar10_test", 54.30, 0.00, 3, _NB201, "second order"),
    Published("darts2", "cifar100_valid", 15.03, 0.00, 3, _NB201, "second order"),
    Published("darts2", "cifar100_test", 15.61, 0.00, 3, _NB201, "second order"),
    Published("darts2", "imagenet16-120_valid", 16.43, 0.00, 3, _NB201, "second order"),
    Published("darts2", "imagenet16-120_test", 16.32, 0.00, 3, _NB201, "second order"),
    Published("bdarts", "cifar10_valid", 91.55, 0.00, None, _BETA),
    Published("bdarts", "cifar10_test", 94.36, 0.00, None, _BETA),
    Published("bdarts", "cifar100_valid", 73.49, 0.00, None, _BETA),
    Published("bdarts", "cifar100_test", 73.51, 0.00, None, _BETA),
    Published("bdarts", "imagenet16-120_valid", 46.37, 0.00, None, _BETA),
    Published("bdarts", "imagenet16-120_test", 46.34, 0.00, None, _BETA),
    Published("pt", "cifar10_test", 88.11, None, None, _PT, "test error 11.89; test set only"),
    Published("pt-fixed", "cifar10_test", 93.80, None, None, _PT, "α fixed; test error 6.20"),
    Published("spos", "cifar10_valid", 88.49, None, None, _RLNAS_A),
    Published("spos", "cifar10_test", 92.11, None, None, _RLNAS_A),
    Published("spos", "cifar100_valid", 66.51, None, None, _RLNAS_A),
    Published("spos", "cifar100_test", 66.89, None, None, _RLNAS_A),
    Published("spos", "imagenet16-120_valid", 40.16, None, None, _RLNAS_A),
    Published("spos", "imagenet16-120_test", 40.80, None, None, _RLNAS_A),
    Published("spos-angle", "cifar10_valid", 90.20, None, None, _RLNAS_B),
    Published("spos-angle", "cifar10_test", 93.76, None, None, _RLNAS_B),
    Published("spos-angle", "cifar100_valid", 70.71, None, None, _RLNAS_B),
    Published("spos-angle", "cifar100_test", 71.11, None, None, _RLNAS_B),
    Published("spos-angle", "imagenet16-120_valid", 40.78, None, None, _RLNAS_B),
    Published("spos-angle", "imagenet16-120_test", 41.44, None, None, _RLNAS_B),
    Published("rlnas-accuracy", "cifar10_valid", 76.47, None, None, _RLNAS_C),
    Published("rlnas-accuracy", "cifar10_test", 80.60, None, None, _RLNAS_C),
    Published("rlnas-accuracy", "cifar100_valid", 52.48, None, None, _RLNAS_C),
    Published("rlnas-accuracy", "cifar100_test", 52.84, None, None, _RLNAS_C),
    Published("rlnas-accuracy", "imagenet16-120_valid", 29.58, None, None, _RLNAS_C),
    Published("rlnas-accuracy", "imagenet16-120_test", 28.37, None, None, _RLNAS_C),
    Published("rlnas", "cifar10_valid", 89.94, None, None, _RLNAS_D),
    Published("rlnas", "cifar10_test", 93.45, None, None, _RLNAS_D),
    Published("rlnas", "cifar100_valid", 70.98, None, None, _RLNAS_D),
    Published("rlnas", "cifar100_test", 70.71, None, None, _RLNAS_D),
    Published("rlnas", "imagenet16-120_valid", 43.86, None, None, _RLNAS_D),
    Published("rlnas", "imagenet16-120_test", 43.70, None, None, _RLNAS_D),
    Published("gdas", "cifar10_valid", 89.89, 0.08, 3, _NB201),
    Published("gdas", "cifar10_test", 93.61, 0.09, 3, _NB201),
    Published("gdas", "cifar100_valid", 71.34, 0.04, 3, _NB201),
    Published("gdas", "cifar100_test", 70.70, 0.30, 3, _NB201),
    Published("gdas", "imagenet16-120_valid", 41.59, 1.33, 3, _NB201),
    Published("gdas", "imagenet16-120_test", 41.71, 0.98, 3, _NB201),
    Published("snas", "cifar10_valid", 90.10, 1.04, None, _QUOTED),
    Published("snas", "cifar10_test", 92.77, 0.83, None, _QUOTED),
    Published("pc-darts", "cifar10_valid", 89.96, 0.15, None, _QUOTED),
    Published("pc-darts", "cifar10_test", 93.41, 0.30, None, _QUOTED),
    Published("darts-minus", "cifar10_valid", 91.03, 0.44, None, _MINUS),
    Published("darts-minus", "cifar10_test", 93.80, 0.40, None, _MINUS),
)

_ALL_SKIP = Cell((SKIP,) * 6)

CELLS = {
    "darts": _ALL_SKIP,
    "darts2": _ALL_SKIP,
    "bdarts": Cell((CONV3, CONV3, CONV3, SKIP, CONV3, CONV3)),
    "spos-angle": Cell((CONV3,) * 6),
}
"""Where a method's published numbers are all those of one cell, and of no other: that cell, found in the table."""
