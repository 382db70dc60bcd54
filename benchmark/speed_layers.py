"""`benchmark speed --layers`: the compiled convolutions beside a matrix product.

3 × 3 convolutions of the published sizes, each pass by itself, take turns with the product on the same threads. Rates
count the multiply-adds of a direct convolution, without those that fall outside the image. Forward and input gradient
are computed so; the weight gradient goes by tiles, and so can exceed the product.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import torch
from rich.console import Console
from torch import Tensor

from benchmark.errors import SettingsError
from benchmark.progress import Fetching
from benchmark.runner import keep_freed_memory
from benchmark.speed import take_turns
from benchmark.speed_floor import Probe
from benchmark.speed_steps import confine_reference, device_name
from data.folder import Progress
from reports.tables import markdown_table, number
from spaces import native

BATCH = 64
SIZES = ((16, 32), (32, 16), (64, 8))
"""Channels and pixels of the three stages (NAS-Bench-201, §2.1)."""

REPEATS = 8
"""Of a convolution in each turn, about what the product takes."""

ROUNDS = 40
"""Where no other number is asked for."""


class Rate(NamedTuple):
    """What one pass of a convolution reaches."""

    channels: int
    pixels: int
    passed: str
    gflops: float
    """10⁹ floating-point operations a second, two for each multiply-add."""
    share: float
    """Of the matrix product's rate, the median over the turns."""


def run_layers(rounds: int, console: Console) -> None:
    """Measure and print the table."""
    confine_reference()
    keep_freed_memory()
    with Fetching(console) as progress:
        rates = measure(rounds, progress)
    cells = [
        (str(r.channels), f"{r.pixels} × {r.pixels}", r.passed, number(r.gflops, 0), f"{r.share:.0%}") for r in rates
    ]
    header = ("Channels", "Pixels", "Pass", "GFLOP/s", "Of a matrix product")
    console.print(f"{device_name(torch.device('cpu'))}\n\n{markdown_table(header, cells, left=3)}")


def measure(rounds: int, progress: Progress) -> list[Rate]:
    """The rates of forward, input gradient and weight gradient at all sizes.

    Raises:
        SettingsError: where there are no compiled layers.
    """
    if reason := native.why_unavailable():
        raise SettingsError(f"--layers times the compiled layers, which cannot be had here: {reason}")
    cpu = torch.device("cpu")
    probe = Probe(cpu, working_set=8)
    rates = []
    for channels, pixels in SIZES:
        progress(f"{channels} channels, {pixels} × {pixels}", 0, 0)
        passes = passes_of(channels, pixels)
        tasks: dict[str, Callable[[], None]] = {
            "multiply": probe.multiply,
            **{name: functools.partial(repeat, once) for name, once in passes.items()},
        }
        take_turns(tasks, 1, cpu, lambda done: None)  # warm-up
        seconds = take_turns(tasks, rounds, cpu, lambda done: None)
        flop = 2.0 * REPEATS * BATCH * (channels * (3 * pixels - 2)) ** 2
        for name in passes:
            shares = [
                flop / taken / (probe.flop / multiplied)
                for taken, multiplied in zip(seconds[name], seconds["multiply"], strict=True)
            ]
            rates.append(Rate(channels, pixels, name, flop / median(seconds[name]) / 1e9, median(shares)))
    return rates


def passes_of(channels: int, pixels: int) -> dict[str, Callable[[], object]]:
    """The three passes of a convolution of random images."""
    x, weight = native.batch_last(torch.randn(BATCH, channels, pixels, pixels)), torch.randn(channels, channels, 3, 3)

    def gradient_of(wanted: Tensor) -> Callable[[], object]:
        """Of it alone: `autograd.grad` makes all that the graph can, so each has a graph of its own."""
        leaf = wanted.clone(memory_format=torch.preserve_format).requires_grad_()
        y = native.convolution(leaf if wanted is x else x, leaf if wanted is weight else weight)
        return functools.partial(torch.autograd.grad, y, leaf, y.detach(), retain_graph=True)

    return {
        "forward": functools.partial(native.convolution, x, weight),
        "input gradient": gradient_of(x),
        "weight gradient": gradient_of(weight),
    }


def repeat(once: Callable[[], object]) -> None:
    """As often as a turn takes."""
    for _ in range(REPEATS):
        once()
