"""One path through PyTorch's kernels on a CPU, so that they give the same bits whatever the processor.

PyTorch has its kernels in several versions, takes the one with the widest vectors that the processor has, and each sums
in an order of its own. Every x86-64 processor with AVX2 and FMA has those made for these two. They are what a process
takes that imports any module of this program before its first computation: then PyTorch reads the environment variable
ATEN_CPU_CAPABILITY, once. Whoever has set it keeps what they have set.

It does not reach what PyTorch hands on to MKL and oneDNN: matrix and dot products, PyTorch's convolutions, and the
logarithm, exponential and square root of tensors. Where a search needs such, it is done otherwise.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "ATEN_CPU_CAPABILITY"


def pin() -> None:
    """Have PyTorch take its kernels for AVX2 and FMA on a processor that has both."""
    if {"avx2", "fma"} <= processor_features():
        os.environ.setdefault(VARIABLE, "avx2")


def processor_features() -> set[str]:
    """What Linux says that the processor has; elsewhere nothing."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8", "replace").splitlines() if cpuinfo.exists() else []
    return set(next((line for line in lines if line.startswith("flags")), "").split())


pin()
