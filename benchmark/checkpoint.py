"""Checkpoints: a search's whole state and its rows so far, in one safetensors file with a checksum.

The checkpoint before the last stays beside it as `NAME.previous`, for the case that the last gets damaged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from data.folder import DataError, write_atomically


@dataclass
class Checkpoint:
    """What one stage has reached."""

    state: dict[str, Any]
    rows: list[dict[str, Any]]
    """One a finished epoch: the genotype and what the search measured."""
    seconds: float
    """Search time so far."""
    random: dict[str, Any] = field(default_factory=dict)
    """The states of the generators that a process has of its own (`benchmark.generators`)."""
    devices: list[str] = field(default_factory=list)
    """What computed it, each once, as rows name it; empty where an earlier version wrote it."""


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Put the checkpoint at `path`, whole or not at all; the one that was there becomes the previous one.

    Raises:
        DataError: where it cannot be written, as on a full disk; the previous one is there then.
    """
    tensors: dict[str, Tensor] = {}
    skeleton = {key: _pack(value, tensors) for key, value in vars(checkpoint).items()}
    metadata = {"checkpoint": json.dumps(skeleton)}
    content = save(tensors, metadata={**metadata, "sha256": _digest(tensors, metadata["checkpoint"])})
    if path.exists():
        path.replace(_previous(path))
    write_atomically(path, content)


def read(path: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The checkpoint at `path`, else the previous one; None where there is neither, and the search starts anew.

    A damaged file is skipped: it is renamed to `NAME.damaged`, and `warn` says so.

    Raises:
        DataError: where there is one that the system does not let us read.
    """
    for candidate, instead in ((path, "goes on from the one before"), (_previous(path), "starts anew")):
        try:
            return _read(candidate)
        except FileNotFoundError:
            continue
        except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
            aside = candidate.with_name(f"{candidate.name}.damaged")
            candidate.replace(aside)
            reason = " ".join(str(error).split())
            warn(f"{candidate} is damaged ({reason}); the search {instead}, and the file is now {aside}")
    return None


def _read(path: Path) -> Checkpoint:
    try:
        path.open("rb").close()  # safetensors says of every file that it cannot open that it is absent
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); mend that, or remove it to start anew") from error
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    if metadata.get("sha256") != _digest(tensors, metadata.get("checkpoint", "")):
        raise ValueError("its content does not have its checksum")
    skeleton = dict(json.loads(metadata["checkpoint"]))
    return Checkpoint(**{key: _unpack(value, tensors) for key, value in skeleton.items()})


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.previous")


def _digest(tensors: dict[str, Tensor], rest: str) -> str:
    return hashlib.sha256(save(tensors, metadata={"checkpoint": rest})).hexdigest()


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
