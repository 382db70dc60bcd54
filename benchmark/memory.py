"""Whether a run can fit into this machine's memory at all, asked before it begins.

Counted is the least that a run has to hold at once: nothing that could be computed is refused, but what passes may
still not fit. Such a run fails on its own, and the command says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmark.errors import SettingsError
from benchmark.plan import Run, chains
from benchmark.settings import ProblemSettings

PROCESS = 200 * 2**20
"""Bytes of a worker process before it computes: PyTorch, mostly. Measured: 350 MiB, a part of
them shared."""

GIB = 2**30

MAPS = 4
"""Feature maps of a cell that a training step holds at the least: those of its nodes."""

PARAMETERS = 6 * (1 + 9)
"""Weights of a search cell of one channel: on 6 edges, a 1 × 1 and a 3 × 3 convolution."""


class ImageSize(NamedTuple):
    """How large the images of a problem are, once scaled."""

    side: int
    """In pixels."""
    images: int
    """To train and to validate on."""


def least_bytes(run: Run, size: ImageSize) -> int:
    """Bytes that the largest stage of a run holds at once, at the least: weights with their gradients, and one batch's
    feature maps."""
    return max(_of_stage(stage.settings, run.problem, size) for stage in run.stages)


def _of_stage(settings: Any, problem: ProblemSettings, size: ImageSize) -> int:
    batch = getattr(settings, "batch_size", None)
    if not isinstance(batch, int) or batch < 1:
        return 0  # it trains nothing, or says otherwise how much at a time
    if getattr(settings, "train_batches", "") != "drawn":
        batch = min(batch, size.images // 2)
    # C, 2 C and 4 C channels of 1, 1/4 and 1/16 of the pixels.
    maps = MAPS * problem.cells_per_stage * problem.channels * size.side**2 * (1 + 1 / 2 + 1 / 4)
    weights = PARAMETERS * problem.cells_per_stage * problem.channels**2 * (1 + 4 + 16)
    return int((2 if problem.precision == "bf16" else 4) * batch * maps + 2 * 4 * weights)


def memory(device: str) -> int:
    """Bytes that this machine, its control group, or the GPU has in all; swap counts."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.get_device_properties(torch.device(device)).total_memory)
    limits = []
    with suppress(OSError, ValueError):
        told = Path("/proc/meminfo").read_text("utf-8")
        limits.append(
            1024 * sum(int(kib) for kib in re.findall(r"^(?:MemTotal|SwapTotal):\s+(\d+)", told, re.MULTILINE))
        )
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            limits.append(int(Path(path).read_text("utf-8")))
    return min(limits, default=2**62)


def check_memory(runs: Sequence[Run], sizes: Mapping[ProblemSettings, ImageSize], device: str, jobs: int) -> None:
    """
    Args:
        sizes: of the images of each problem among the runs.
        jobs: runs side by side, each in a process of its own.

    Raises:
        SettingsError: where these runs cannot fit.
    """
    there = memory(device)
    least, method = max((least_bytes(run, sizes[run.problem]), run.method) for run in runs)
    if least > there:
        raise SettingsError(
            f"{method} needs at least {least / GIB:,.0f} GiB of memory for one batch, and there are "
            f"{there / GIB:,.1f}; lower its batch_size, or problem.channels, cells_per_stage or resolution"
        )
    jobs = min(jobs, len(chains(runs)))
    needed = jobs * (least if torch.device(device).type == "cuda" else least + PROCESS)
    if jobs > 1 and needed > there:
        raise SettingsError(
            f"{jobs:,} runs side by side need at least {needed / GIB:,.0f} GiB of memory, and there are "
            f"{there / GIB:,.1f}; lower --jobs"
        )
