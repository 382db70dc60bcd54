"""Checkpoints: a search's whole state and its rows so far, in one safetensors file that is replaced in one step."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from data.folder import write_atomically


@dataclass
class Checkpoint:
    """What one stage has reached."""

    state: dict[str, Any]
    rows: list[dict[str, Any]]
    """One a finished epoch: the genotype and what the search measured."""
    seconds: float
    """Search time so far."""


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Put the checkpoint at `path`, whole or not at all."""
    tensors: dict[str, Tensor] = {}
    skeleton = _pack(checkpoint.state, tensors)
    rest = json.dumps({"state": skeleton, "rows": checkpoint.rows, "seconds": checkpoint.seconds})
    write_atomically(path, save(tensors, metadata={"checkpoint": rest}))


def read(path: Path) -> Checkpoint | None:
    """The checkpoint at `path`; None where there is none, or a damaged one, which the search then starts anew."""
    try:
        with safe_open(path, framework="pt") as file:
            rest = json.loads(file.metadata()["checkpoint"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        return Checkpoint(_unpack(rest["state"], tensors), rest["rows"], rest["seconds"])
    except (FileNotFoundError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON, its tensors moved to `tensors`. Dicts become pairs, since JSON would turn their keys to text."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # A copy: safetensors refuses two tensors that share memory.
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_pack(item, tensors) for item in value]
    return value


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    if isinstance(value, dict):
        if "tensor" in value:
            return tensors[value["tensor"]]
        return {key: _unpack(item, tensors) for key, item in value["dict"]}
    return value
