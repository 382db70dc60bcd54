"""The energy that a command takes, where the device counts it: an NVIDIA GPU by NVML, a processor by Linux' RAPL.

Both count for the whole device, whoever uses it. Where nothing is counted, or we may not read it, nothing is known.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch

POWERCAP = Path("/sys/class/powercap")

PAUSE = 30.0
"""Seconds between two readings: the counter of a processor starts anew after some minutes of full load."""


@dataclass(frozen=True)
class Counter:
    """Energy since some time in the past."""

    read: Callable[[], int]
    joules: float
    """Of one count."""
    range: int | None = None
    """The count at which it starts anew from 0; None where it never does."""


def counters(device: str, powercap: Path = POWERCAP) -> list[Counter]:
    """Those of a device ("cpu", "cuda", "cuda:1"); none where it has none that we can read."""
    try:
        return _gpu(torch.device(device)) if torch.device(device).type == "cuda" else _processors(powercap)
    except Exception:  # whatever a driver's library raises, no search fails by what it would have cost
        return []


def _gpu(device: torch.device) -> list[Counter]:
    nvml = import_module("pynvml")
    nvml.nvmlInit()
    # By its identity, since NVML counts the GPUs in another order than CUDA, and hidden ones too.
    handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")

    def read() -> int:
        return int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle))

    read()
    return [Counter(read, 1e-3)]


def _processors(powercap: Path) -> list[Counter]:
    found = []
    for zone in sorted(powercap.iterdir()):
        # Zones of the second level, as intel-rapl:0:0, are parts of the others, and `psys` is the whole machine.
        if re.fullmatch(r"intel-rapl:\d+", zone.name) and (zone / "name").read_text("utf-8").startswith("package"):
            found.append(_zone(zone))
    return found


def _zone(zone: Path) -> Counter:
    def read() -> int:
        return int((zone / "energy_uj").read_text("utf-8"))

    read()
    return Counter(read, 1e-6, int((zone / "max_energy_range_uj").read_text("utf-8")))


class Meter:
    """Adds up what the counters count inside; a context manager. `joules` tells it, then and after."""

    def __init__(self, counters: Sequence[Counter], pause: float = PAUSE) -> None:
        self.counters = counters
        self.pause = pause
        self.last: list[int] = []
        self.total: float | None = None
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, name="energy", daemon=True)

    def __enter__(self) -> Meter:
        if self.counters:
            self.total = 0.0
            self.poll()
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.counters:
            self.over.set()
            self.thread.join()
            self.poll()

    @property
    def joules(self) -> float | None:
        """Since the beginning; None where it is not known."""
        return self.total or None  # a counter that stands still, as in some virtual machines, counts nothing

    def poll(self) -> None:
        """Read the counters. One that fails, or that was set back, makes the sum unknown for good."""
        with self.lock:
            if self.total is None:
                return
            try:
                now = [counter.read() for counter in self.counters]
                for counter, before, after in zip(self.counters, self.last or now, now, strict=True):
                    if after < before and counter.range is None:
                        raise ValueError("the counter was set back")
                    gone = after - before if after >= before else after - before + (counter.range or 0)
                    self.total += gone * counter.joules
                self.last = now
            except Exception:  # as in `counters`
                self.total = None

    def _watch(self) -> None:
        while not self.over.wait(self.pause):
            self.poll()
