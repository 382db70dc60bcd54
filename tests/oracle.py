"""The supernet by its definition, edge by edge and operation by operation: slow, obvious, the tests' reference."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from spaces.nasbench201.cell import CONV1, CONV3, EDGES, OPERATIONS, SKIP
from spaces.nasbench201.supernet import SearchCell, Supernet


def operation_output(cell: SearchCell, operation: int, edge: int, x: Tensor) -> Tensor:
    name = OPERATIONS[operation]
    if name == "none":
        return torch.zeros_like(x)
    if operation == SKIP:
        return x
    if name == "avg_pool_3x3":
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    assert operation in (CONV1, CONV3)
    weight = cell.convolution(operation, edge)
    y = F.conv2d(F.relu(x), weight, padding="same")
    mean = y.mean((0, 2, 3), keepdim=True)
    variance = y.var((0, 2, 3), keepdim=True, unbiased=False)
    return (y - mean) / torch.sqrt(variance + 1e-5)


def cell_output(cell: SearchCell, x: Tensor, weights: Tensor) -> Tensor:
    nodes = [x]
    for target in (1, 2, 3):
        total = torch.zeros_like(x)
        for edge, (source, end) in enumerate(EDGES):
            if end == target:
                for operation in range(len(OPERATIONS)):
                    total = total + weights[edge, operation] * operation_output(cell, operation, edge, nodes[source])
        nodes.append(total)
    return nodes[3]


def logits(supernet: Supernet, images: Tensor, weights: list[Tensor]) -> Tensor:
    """`weights[i]`, (6, 5), is used in search cell i."""
    x = supernet.stem(images)
    remaining = iter(weights)
    for layer in supernet.body:
        x = cell_output(layer, x, next(remaining)) if isinstance(layer, SearchCell) else layer(x)
    return supernet.head(x)
