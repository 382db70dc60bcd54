"""The steps that `benchmark speed` times: ours, through the searches themselves, and a reference program's.

Every implementation gets the same finished batches, of random images, and the same settings, those of a preset.

Ours is a search as `run` builds it, and what is timed is its own loop over a few batches, as an epoch has it: for
`darts` and `darts2` `alternate` (`weight_step` and `alpha_step`), for `single-path` the training of `rlnas` (one
random path a cell and batch), for `pt-eval` PT's measurement of the supernet without one operation. Only the making of
batches is left out, which the reference leaves to its data loader; the sums of loss and accuracy are in.

The reference is AutoDL-Projects, the package `xautodl`: its networks, stepped as DARTS-V1.py, DARTS-V2.py and SETN.py
do it, without their logs. Its α step computes the gradients of the weights too, as theirs does. SETN.py draws one path
for all cells; here each cell draws its own (mode "urs"), as RLNAS' copy of this program does.

Of PyTorch's own kernels both take those for AVX2, as in a run (`spaces.pinned`). On a processor with AVX-512 the
reference's steps (all but second-order DARTS at `mini`, and DARTS at `paper`) took 0.95 to 1.06 times as long by
them, which is as much as two measurements differ. What it leaves to oneDNN and MKL, its convolutions and matrix
products, takes whatever the processor has, but where our layers are the build for AVX2 (`confine_reference`).
"""

from __future__ import annotations

import importlib
import os
import random
import weakref
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmark.errors import SettingsError
from benchmark.plan import plan
from benchmark.provenance import processor
from benchmark.runner import set_up_torch
from benchmark.settings import cores, read_preset
from benchmark.speed_floor import Network
from benchmark.speed_rows import STEPS
from data.images import ImageSet
from methods import registry
from methods.batches import Batch, Loader
from methods.gradient import GradientSearch
from methods.pt import PT
from methods.rlnas import RLNAS
from methods.search import Problem, Search
from spaces import compiled
from spaces.nasbench201.cell import EDGES, OPERATIONS

BATCHES = 8
"""Batches made in advance, and so the most steps of a round."""

CLASSES = 10
"""CIFAR-10's."""

FULL = 32
"""Pixels of CIFAR's images, where a preset does not scale them."""


class Implementation(Protocol):
    """What can take a number of steps, one batch (and validation batch) each."""

    def run(self, steps: int) -> None:
        """Take so many steps."""


class FixedBatches(Loader):
    """Stands in for a half of the images and hands out the first few of these batches."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches = batches
        self.count = len(batches)

    def __len__(self) -> int:
        return sum(len(labels) for _, labels in self.batches[: self.count])

    def shuffled(self, size: int) -> Iterator[Batch]:
        """The first `count` batches."""
        return iter(self.batches[: self.count])

    def drawn(self, size: int, batches: int) -> Iterator[Batch]:
        """The first `batches` of them."""
        return iter(self.batches[:batches])


def networks_of(peer: str) -> Any:
    """The module of a reference program's search networks.

    Raises:
        SettingsError: where the package is not installed.
    """
    try:
        return importlib.import_module(f"{peer}.models.cell_searchs")
    except ImportError as error:
        raise SettingsError(
            f"--against {peer}: the package cannot be imported ({error}); "
            "pip install --no-deps xautodl==1.0.0, or leave the option out"
        ) from None


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done all it was told to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Ours:
    """The search that a step belongs to, with a preset's settings, on random images."""

    def __init__(self, preset: str, step: str, device: torch.device) -> None:
        (run,) = plan(read_preset(preset), [STEPS[step]], [0])
        s, settings = run.problem, run.stages[0].settings
        set_up_torch(s)  # as a run; so do the reference's scripts, but for TF32, which they leave to PyTorch
        resolution = FULL if s.resolution == "full" else s.resolution
        self.network = Network(s.channels, s.cells_per_stage, CLASSES, resolution, settings.batch_size)
        images = random_images(2 * self.network.batch_size, resolution).to(device)
        problem = Problem(images, s.channels, s.cells_per_stage)
        search: Search | None = None
        for stage in run.stages:
            search = registry.load(stage.method)(problem, stage.settings, 0, search)
        assert isinstance(search, GradientSearch | RLNAS | PT)
        self.search = search
        trained = search.training if isinstance(search, RLNAS) else search.trained if isinstance(search, PT) else search
        self.settings = trained.settings
        self.train = trained.train = FixedBatches(list(trained.train.drawn(self.network.batch_size, BATCHES)))
        self.valid = self.train
        if isinstance(trained, GradientSearch):
            self.valid = trained.valid = FixedBatches(list(trained.valid.drawn(self.network.batch_size, BATCHES)))
        self.evaluations = 0

    def run(self, steps: int) -> None:
        """Take so many steps, by the search's own loop."""
        self.train.count = self.valid.count = steps
        if isinstance(self.search, PT):
            edge, operation = divmod(self.evaluations % (len(EDGES) * len(OPERATIONS)), len(OPERATIONS))
            self.search.score_without(edge, operation)
            self.evaluations += 1  # the next one masks another operation
        elif isinstance(self.search, RLNAS):
            self.search.training.pass_over_images()
        else:
            self.search.alternate("shuffled")


class Reference:
    """The networks of `xautodl` in its scripts' steps, with the settings and batches of ours."""

    def __init__(self, peer: str, step: str, ours: Ours, device: torch.device) -> None:
        networks = networks_of(peer)
        s: Any = ours.settings
        self.step, n = step, ours.network
        self.train, self.valid = (
            [(images.contiguous(), labels) for images, labels in half.batches] for half in (ours.train, ours.valid)
        )
        kind = networks.TinyNetworkSETN if step == "single-path" else networks.TinyNetworkDarts
        with torch.random.fork_rng(devices=[]):  # it draws from PyTorch's own generator
            torch.manual_seed(0)
            # Without running statistics, as ours; the scripts take either.
            self.network: Any = kind(n.channels, n.cells_per_stage, 4, n.classes, list(OPERATIONS), False, False).to(
                device
            )
        self.network.train()
        self.weight_optimiser = torch.optim.SGD(
            self.network.get_weights(), s.lr, s.momentum, weight_decay=s.weight_decay, nesterov=s.nesterov
        )
        if step == "single-path":
            self.network.set_cal_mode("urs")
            random.seed(0)  # the paths are drawn from Python's own generator
        else:
            self.clip = s.clip
            self.alpha_optimiser = torch.optim.Adam(
                self.network.get_alphas(), s.alpha_lr, s.alpha_betas, weight_decay=s.alpha_weight_decay
            )
        if step == "darts2":
            self.radius = s.radius

    def run(self, steps: int) -> None:
        """Take so many steps, as the reference's script does."""
        for train, valid in zip(self.train[:steps], self.valid[:steps], strict=True):
            if self.step == "pt-eval":
                with torch.no_grad():
                    _, logits = self.network(valid[0])
                    F.cross_entropy(logits, valid[1])
                    (logits.argmax(1) == valid[1]).sum()
            elif self.step == "single-path":
                self.weight_step(train)
            elif self.step == "darts2":
                self.unrolled_alpha_step(train, valid)
                self.weight_step(train)
            else:
                self.weight_step(train)
                self.alpha_optimiser.zero_grad()
                torch.autograd.backward(self.loss(self.network, valid))
                self.alpha_optimiser.step()

    def loss(self, network: Any, batch: Batch) -> Tensor:
        """Cross-entropy on a batch."""
        _, logits = network(batch[0])
        return F.cross_entropy(logits, batch[1])

    def weight_step(self, train: Batch) -> None:
        """One step of SGD."""
        self.weight_optimiser.zero_grad()
        torch.autograd.backward(self.loss(self.network, train))
        if self.step != "single-path":
            nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self.weight_optimiser.step()

    def unrolled_alpha_step(self, train: Batch, valid: Batch) -> None:
        """DARTS-V2.py, `backward_step_unrolled`: a copy of the network one step ahead, and a finite difference."""
        self.alpha_optimiser.zero_grad()
        weights = self.network.get_weights()
        gradients = torch.autograd.grad(self.loss(self.network, train), weights)
        group = self.weight_optimiser.param_groups[0]
        ahead = deepcopy(self.network)
        with torch.no_grad():
            for target, weight, gradient in zip(ahead.get_weights(), weights, gradients, strict=True):
                momentum = self.weight_optimiser.state.get(weight, {}).get("momentum_buffer", 0.0)
                step = group["momentum"] * momentum + gradient + group["weight_decay"] * weight
                target.copy_(weight - group["lr"] * step)
        ahead.zero_grad()
        torch.autograd.backward(self.loss(ahead, valid))
        vector = [weight.grad for weight in ahead.get_weights()]
        radius = self.radius / torch.cat([part.flatten() for part in vector]).norm()
        ends = []
        for distance in (radius, -2 * radius):
            self.shift(weights, distance, vector)
            ends.append(torch.autograd.grad(self.loss(self.network, train), self.network.get_alphas())[0])
        self.shift(weights, radius, vector)
        alpha = self.network.arch_parameters
        alpha.grad = ahead.arch_parameters.grad - group["lr"] * (ends[0] - ends[1]) / (2 * radius)
        self.alpha_optimiser.step()

    @torch.no_grad()
    def shift(self, weights: list[Tensor], distance: Tensor, vector: list[Tensor]) -> None:
        """Move the weights along a vector."""
        for weight, part in zip(weights, vector, strict=True):
            weight.add_(distance * part)


def random_images(count: int, resolution: int) -> ImageSet:
    """Uniform pixels and labels, always the same."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, 3, resolution, resolution), dtype=torch.uint8, generator=generator)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    return ImageSet("random", pixels, labels, pixels[:0], labels[:0], CLASSES, (0.5,) * 3, (0.25,) * 3, "")


def peak_bytes(implementation: Implementation, steps: int, device: torch.device) -> int:
    """The most memory that so many steps hold at any time beside what was held before it: weights, optimisers, batches.

    On CUDA it is that of PyTorch's allocator. On a CPU it is that of all tensors: of each operation its results, as
    long as anything holds them, but not what an operation uses within itself.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before: int = torch.cuda.memory_allocated(device)
        implementation.run(steps)
        peak: int = torch.cuda.max_memory_allocated(device)
        return peak - before
    live = LiveTensors()
    with live:
        implementation.run(steps)
    return live.peak


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages that operations return, and takes each off when it is freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for storage in storages((args, kwargs)):
            self.watch(storage, 0)  # it was there before, or is watched already
        results = func(*args, **(kwargs or {}))
        for storage in storages(results):
            self.watch(storage, storage.nbytes())
        return results

    def watch(self, storage: torch.UntypedStorage, size: int) -> None:
        """Count a storage until it is freed."""
        address = storage._cdata  # of the storage itself, which an empty one has too
        if address in self.known:
            return

        def freed(_: object) -> None:
            del self.known[address]
            self.now -= size

        self.known[address] = weakref.ref(storage, freed)
        self.now += size
        self.peak = max(self.peak, self.now)


def storages(tree: object) -> list[torch.UntypedStorage]:
    """The storages of all tensors in a nest of containers."""
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def device_name(device: torch.device) -> str:
    """What a person calls the device: the GPU's name; or the processor's, its usable cores, and the layers' build."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()}, {cores()} cores, layers {layers_build()}"


def layers_build() -> str:
    """`v3`, `v4`, or `torch` for PyTorch's layers."""
    return "torch" if compiled.why_unavailable() else compiled.build()


def confine_reference() -> None:
    """Hold the libraries that a reference computes with to AVX2 where our layers are, so that the two compare.

    They read these variables at their first computation.
    """
    if layers_build() == "v3":
        os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
        os.environ.setdefault("MKL_ENABLE_INSTRUCTIONS", "AVX2")
