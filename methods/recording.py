"""Training steps that a GPU repeats by itself: recorded once as a CUDA graph, then replayed without the host.

A step of a supernet is thousands of short kernels. Launched one by one from Python, a fast GPU waits for the next most
of the time; replayed as a graph it does not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Record = Callable[[Callable[[], None], Sequence[torch.Generator]], Callable[[], None]]
"""Records what a function does, without doing it, and returns what does it again."""

_recording = threading.Lock()


def record_cuda_graph(step: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
    """A CUDA graph of the step. Searches on streams of their own may record in turn; each only sees its own work."""
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with _recording, torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        step()
    return graph.replay


def recorder(device: torch.device) -> Record | None:
    """How steps are recorded on a device; None where they are not."""
    return record_cuda_graph if device.type == "cuda" else None


class Recorded:
    """A step, called with tensors, that changes nothing but tensors, in place, and never asks for their values.

    The first call carries the step out and so readies all that is made on first use; the second records it, and this
    and all later ones replay it on inputs copied into place. Inputs of another shape, as a smaller last batch, are
    carried out as they stand. What the host decides (λ, a learning rate) is part of the recording: where that changes,
    a new one is due.

    Args:
        record: how to record; None: every call carries the step out.
        generators: from which the step draws random numbers.
    """

    def __init__(
        self, step: Callable[..., None], record: Record | None, generators: Sequence[torch.Generator] = ()
    ) -> None:
        self.step = step
        self.record = record
        self.generators = generators
        self.shapes: list[torch.Size] | None = None
        self.inputs: list[Tensor] = []
        self.replay: Callable[[], None] | None = None

    def __call__(self, *inputs: Tensor) -> None:
        shapes = [given.shape for given in inputs]
        if self.record is None or self.shapes != shapes:
            self.step(*inputs)
            self.shapes = self.shapes or shapes
            return
        if self.replay is None:
            self.inputs = [given.clone() for given in inputs]
            self.replay = self.record(lambda: self.step(*self.inputs), self.generators)
        for place, given in zip(self.inputs, inputs, strict=True):
            place.copy_(given)
        self.replay()
