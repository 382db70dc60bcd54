"""Compiles the supernet's layers, the C++ files of this folder, when they are first needed, and loads them.

The same source is built for the two kinds of x86-64 processors that people have, and computes the same bits on both:
`v3` with AVX2 and `v4` with AVX-512 (levels of the x86-64 psABI). The better one that the processor has is taken. The
environment variable REPLICA_201_LAYERS names another: `v3`, `v4`, or `torch` for PyTorch's own layers.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

import platformdirs

from spaces.pinned import processor_features

FOLDER = Path(__file__).parent
SOURCE = FOLDER / "layers.cpp"
FLAGS = ("-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fPIC")
BUILDS = {"v3": {"avx2", "fma", "bmi2"}, "v4": {"avx2", "fma", "bmi2", "avx512f", "avx512bw", "avx512dq", "avx512vl"}}
"""The builds for x86-64, and what each asks of the processor."""

CHOICE = "REPLICA_201_LAYERS"


class Unavailable(Exception):
    """Why the layers cannot be had here."""


class ChoiceError(ValueError):
    """What REPLICA_201_LAYERS asks for is unknown, or beyond this processor."""


@functools.cache
def build() -> str:
    """Which build this process takes: `v3`, `v4`, or the processor's name where it is not x86-64.

    Raises:
        Unavailable: where PyTorch's layers were asked for, or the processor has none of these.
        ChoiceError: where a build was asked for that cannot be had.
    """
    wanted, machine = os.environ.get(CHOICE), platform.machine()
    if wanted and wanted not in (*BUILDS, "torch"):
        raise ChoiceError(f"{CHOICE}={wanted} is unknown; it may be {', '.join(BUILDS)} or torch")
    if wanted == "torch":
        raise Unavailable(f"{CHOICE}=torch asks for PyTorch's layers")
    if machine not in ("x86_64", "AMD64"):
        return machine
    possible = [name for name, needed in BUILDS.items() if processor_features() >= needed]
    if wanted and wanted not in possible:
        raise ChoiceError(f"this processor lacks the instructions for {CHOICE}={wanted}; leave the variable out")
    if not possible:
        raise Unavailable("the processor lacks the instructions of x86-64-v3")
    return wanted or possible[-1]


def compiler() -> str:
    """The C++ compiler: what CXX names, else g++."""
    return os.environ.get("CXX") or "g++"


@functools.cache
def library() -> ctypes.CDLL:
    """The compiled layers; see `layers.cpp` for what they are called.

    Raises:
        Unavailable: where they cannot be had.
    """
    level, program = build(), compiler()
    if shutil.which(program) is None:
        raise Unavailable(f"the C++ compiler {program} is not installed")
    # PyTorch brings GCC's threading library, for which Clang makes no threads: its layers use one.
    threads = "-fopenmp=libgomp" if "clang" in Path(program).name else "-fopenmp"
    flags = (*FLAGS, threads, *([f"-march=x86-64-{level}"] if level in BUILDS else []))
    path = platformdirs.user_cache_path("replica-201", appauthor=False) / f"layers-{_fingerprint(program, flags)}.so"
    try:
        if not path.exists():
            _compile(program, flags, path)
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise Unavailable(f"{SOURCE.name} could not be compiled with {program}: {error}") from None
    except subprocess.CalledProcessError as error:
        first = next((line for line in error.stderr.splitlines() if "error" in line), str(error))
        raise Unavailable(f"{SOURCE.name} could not be compiled with {program}: {first}") from None


def _fingerprint(compiler: str, flags: tuple[str, ...]) -> str:
    """Of all that the compiled file depends on."""
    sources = [path.read_text() for path in sorted(FOLDER.glob("*.[hc]*")) if path.suffix in (".h", ".cpp")]
    return hashlib.sha256("\n".join((*sources, compiler, *flags, platform.machine())).encode()).hexdigest()[:16]


def _compile(compiler: str, flags: tuple[str, ...], path: Path) -> None:
    """Compile and link in a folder aside, then move into place, so that processes that do so at once do no harm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as aside:
        made, linked = Path(aside, "layers.o"), Path(aside, "layers.so")
        subprocess.run(
            [compiler, *flags, "-c", str(SOURCE), "-o", str(made)], check=True, capture_output=True, text=True
        )
        # Without a threading library of its own: PyTorch's is loaded already, and `torch.set_num_threads` sets it.
        subprocess.run([compiler, "-shared", str(made), "-o", str(linked)], check=True, capture_output=True, text=True)
        linked.replace(path)


@functools.cache
def why_unavailable() -> str | None:
    """Why the layers cannot be had on this machine; None where they can."""
    try:
        library()
    except Unavailable as error:
        return str(error)
    return None
