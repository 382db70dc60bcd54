"""What NAS-Bench-201 measures of a cell: metrics, trainings, runs, and the names of their columns."""

from __future__ import annotations

DATA_SETS = ("cifar10", "cifar100", "imagenet16-120")

METRICS = tuple(f"{data_set}_{split}" for data_set in DATA_SETS for split in ("valid", "test"))
"""`cifar10_valid`, `cifar10_test`, …: validation and test accuracy on each data set, in percent."""

IMAGES = dict(zip(METRICS, (25_000, 10_000, 5_000, 5_000, 3_000, 3_000), strict=True))
"""Of each metric, the images that an accuracy counts: CIFAR-10's other half of training images and its test set, and
the halves of the two other test sets."""

TRAININGS = ("cifar10-valid", "cifar10", "cifar100", "imagenet16-120")
"""What networks were trained on; `cifar10-valid` is the half of CIFAR-10's training images."""

TRAINING_OF_METRIC = {metric: metric.split("_")[0] for metric in METRICS} | {"cifar10_valid": "cifar10-valid"}

PUBLISHED = 200
"""Epochs of the training that published numbers are of."""

EPOCHS = (PUBLISHED, 12)
"""The two trainings of every cell."""

SEEDS = (777, 888, 999)
"""Of the runs of 200 epochs; not every cell has all three."""

PARAMS = "params"
"""Column of the number of parameters of the CIFAR-10 network."""

FLOPS = "flops_m"
"""Column of the 10⁶ operations of the CIFAR-10 network."""

INDEX = "index"
"""Column of the cell's place in the official order."""


def accuracy_column(metric: str, epochs: int = PUBLISHED, seed: int | None = None) -> str:
    """Name of the column of a metric after a training, in percent: of one run or, without a seed, the mean of all."""
    return f"{metric}_{epochs}" if seed is None else f"{metric}_{epochs}_seed{seed}"


def seconds_column(training: str, epochs: int) -> str:
    """Name of the column of a training's duration, the mean of its runs."""
    return f"train_seconds_{training}_{epochs}"


def runs_column(training: str, epochs: int) -> str:
    """Name of the column of the number of a training's runs."""
    return f"runs_{training}_{epochs}"


INTEGERS = (INDEX, PARAMS, *(runs_column(training, epochs) for epochs in EPOCHS for training in TRAININGS))
"""Columns of whole numbers."""
