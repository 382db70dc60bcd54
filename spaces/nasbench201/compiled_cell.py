"""The search cell on a CPU, compiled (`spaces.compiled`), its operations all at once.

As in `spaces.native`, images (B, C, H, W) lie side by side in memory, and results do not depend on the threads.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spaces.nasbench201.cell import CONV1, CONV3, EDGES, OPERATIONS, POOL, SKIP, Cell
from spaces.native import as_images, call, integers, maps, pointers

COMPUTED = (SKIP, CONV1, CONV3, POOL)


def _bits(edges: Iterable[int], *operations: int) -> int:
    """Operations on edges as bits 5 · edge + operation."""
    return sum(1 << edge * len(OPERATIONS) + operation for edge in edges for operation in operations)


ALL_OPERATIONS = _bits(range(len(EDGES)), *COMPUTED)
ON_EDGE = [_bits([edge], *COMPUTED) for edge in range(len(EDGES))]


@functools.cache
def _on_a_way(edges: tuple[bool, ...]) -> int:
    """Of the edges that have operations, all operations of those on a way from the input to the output."""
    alive, wanted = [True, False, False, False], [False, False, False, True]
    for (source, target), used in zip(EDGES, edges, strict=True):
        alive[target] |= alive[source] and used
    for (source, target), used in zip(reversed(EDGES), reversed(edges), strict=True):
        wanted[source] |= wanted[target] and used
    return sum(bits for bits, (source, target) in zip(ON_EDGE, EDGES, strict=True) if alive[source] and wanted[target])


def _needed(used: int) -> int:
    """Of operations in use, as bits, those that the output depends on."""
    return used & _on_a_way(tuple([used & bits != 0 for bits in ON_EDGE]))


@functools.cache
def _of_cell(cell: Cell) -> tuple[int, int]:
    """A discrete cell's needed operations, and its place in the space."""
    return _needed(sum(_bits([edge], operation) for edge, operation in enumerate(cell.operations))), cell.position


@functools.lru_cache(1 << 16)
def _space(dtype: torch.dtype, present: int, *shape: int) -> int:
    """How many numbers a search cell leaves behind for its gradient."""
    numbers = ctypes.c_int64()
    call("cell_space", dtype, integers(*shape), present, ctypes.addressof(numbers))
    return numbers.value


class _SearchCell(torch.autograd.Function):
    """See `search_cell`; `present` are its needed operations."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, present: int, *kernels: Tensor | None) -> Tensor:
        x, weights = maps(x), weights.contiguous()
        output, space = torch.empty_like(x), x.new_empty(_space(x.dtype, present, *x.shape))
        ctx.shape, ctx.present = integers(*x.shape), present
        ctx.save_for_backward(x, weights, space, *kernels)
        call("cell_forward", x.dtype, ctx.shape, weights, present, pointers([*kernels, x, output]), space)
        return as_images(output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weights, space, *kernels = ctx.saved_tensors
        dx, dy = torch.empty_like(x), maps(dy)
        dkernels = [
            torch.empty_like(kernel) if wanted else None
            for kernel, wanted in zip(kernels, ctx.needs_input_grad[3:], strict=True)
        ]
        dweights = torch.empty_like(weights) if ctx.needs_input_grad[1] else None
        given = ctx.shape, weights, ctx.present, pointers([*kernels, x, None]), space, dy
        call("cell_backward", x.dtype, *given, dx, pointers(dkernels), dweights)
        return as_images(dx), dweights, None, *dkernels


@functools.cache
def _allowed(numbers: tuple[int, ...]) -> int:
    """The operations of these numbers, on all edges."""
    return ALL_OPERATIONS & _bits(range(len(EDGES)), *numbers)


NO_KERNELS: list[Tensor | None] = [None] * 3
"""A None for each node that edges leave."""


def _kernels(conv1: Iterable[Tensor], conv3: Iterable[Tensor]) -> list[Tensor | None]:
    """All of them, or a None for each."""
    return [kernel for kernels in (conv1, conv3) for kernel in (*kernels,) or NO_KERNELS]


def search_cell(
    x: Tensor, weights: Tensor, conv1: Iterable[Tensor], conv3: Iterable[Tensor], numbers: tuple[int, ...]
) -> Tensor:
    """The mixed operations of a whole search cell, x (B, C, H, W) in and out, by `weights` (6, 5).

    Operations of weight 0 are not computed where no gradient of the weights is asked for.

    Args:
        conv1, conv3: for nodes 0, 1 and 2 the convolutions of the edges that leave it, (edges · C, C, k, k); none
            where they are no operations of the space.
        numbers: the operations that are computed, whatever their weights.
    """
    used = _allowed(numbers)
    if not (weights.requires_grad and torch.is_grad_enabled()):
        used = sum(_bits([e], o) for e, edge in enumerate(weights.tolist()) for o, w in enumerate(edge) if w)
    y: Tensor = _SearchCell.apply(x, weights, _needed(used), *_kernels(conv1, conv3))  # type: ignore[no-untyped-call]
    return y


@functools.cache
def _one_hot(dtype: torch.dtype) -> Tensor:
    """The weights (6, 5) of every cell's operations, by position."""
    operations = torch.cartesian_prod(*[torch.arange(len(OPERATIONS))] * len(EDGES))
    return torch.nn.functional.one_hot(operations, len(OPERATIONS)).to(dtype)


def search_path(x: Tensor, cell: Cell, conv1: Iterable[Tensor], conv3: Iterable[Tensor]) -> Tensor:
    """As `search_cell`, for the one operation that a discrete cell has on each edge."""
    present, position = _of_cell(cell)
    weights = _one_hot(x.dtype)[position]
    y: Tensor = _SearchCell.apply(x, weights, present, *_kernels(conv1, conv3))  # type: ignore[no-untyped-call]
    return y
