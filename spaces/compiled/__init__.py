"""Compiles the supernet's layers, the C++ files of this folder, when they are first needed, and loads them.

The same source is built for the two kinds of x86-64 processors that people have, and computes the same bits on both:
`v3` with AVX2 and `v4` with AVX-512 (levels of the x86-64 psABI). The better one that the processor has is taken. The
environment variable REPLICA_201_LAYERS names another: `v3`, `v4`, or `torch` for PyTorch's own layers.

What was compiled is kept in the user's cache, in a folder that is nobody else's. Code that is loaded is executed, so a
file is taken only if it is ours and has the content that its name says; else it is compiled anew.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import re
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
    """What REPLICA_201_LAYERS asks for is unknown, or cannot be had here."""


@functools.cache
def build() -> str:
    """Which build this process takes: `v3`, `v4`, or the processor's name where it is not x86-64.

    Raises:
        Unavailable: where PyTorch's layers were asked for, or the processor has none of these.
        ChoiceError: where a build was asked for that cannot be had.
    """
    wanted, machine = os.environ.get(CHOICE), platform.machine()
    if wanted == "torch":
        raise Unavailable(f"{CHOICE}=torch asks for PyTorch's layers")
    if machine not in ("x86_64", "AMD64"):
        if wanted and wanted != machine:
            raise ChoiceError(f"{CHOICE}={wanted} is unknown on this processor; it may be {machine} or torch")
        return machine
    if wanted and wanted not in BUILDS:
        raise ChoiceError(f"{CHOICE}={wanted} is unknown; it may be {', '.join(BUILDS)} or torch")
    possible = [name for name, needed in BUILDS.items() if processor_features() >= needed]
    if wanted and wanted not in possible:
        raise ChoiceError(f"this processor lacks the instructions for {CHOICE}={wanted}; leave the variable out")
    if not possible:
        raise Unavailable("the processor lacks the instructions of x86-64-v3")
    return wanted or possible[-1]


def compiler() -> list[str]:
    """The command that calls the C++ compiler, word by word: what CXX says, as `ccache g++`, else g++.

    Raises:
        Unavailable: where CXX is no command.
    """
    try:
        return shlex.split(os.environ.get("CXX", "")) or ["g++"]
    except ValueError as error:
        raise Unavailable(f"CXX={os.environ['CXX']} is no command ({error})") from None


@functools.cache
def library() -> ctypes.CDLL:
    """The compiled layers; see `layers.cpp` for what they are called.

    Raises:
        Unavailable: where they cannot be had.
        ChoiceError: where they were asked for by name and cannot be had.
    """
    level = build()
    try:
        return _load(level)
    except Unavailable as error:
        if os.environ.get(CHOICE):
            raise ChoiceError(
                f"{CHOICE}={level} cannot be had: {error}; mend that, or leave the variable out"
            ) from None
        raise


def _load(level: str) -> ctypes.CDLL:
    command = compiler()
    if shutil.which(command[0]) is None:
        raise Unavailable(f"the C++ compiler {command[0]} is not installed")
    # PyTorch brings GCC's threading library, for which Clang makes no threads: its layers use one.
    clang = any("clang" in Path(word).name for word in command)
    threads = "-fopenmp=libgomp" if clang else "-fopenmp"
    flags = (*FLAGS, threads, *([f"-march=x86-64-{level}"] if level in BUILDS else []))
    failed = f"{SOURCE.name} could not be compiled with {shlex.join(command)}"
    try:
        folder = private_folder(platformdirs.user_cache_path("replica-201", appauthor=False))
        stem = f"layers-{_fingerprint(command, flags)}"
        if kept := _kept(folder, stem):
            with suppress(OSError):  # it may be of another machine that has the same home
                return ctypes.CDLL(str(kept))
        return ctypes.CDLL(str(_compiled(command, flags, folder, stem)))
    except OSError as error:
        raise Unavailable(f"{failed}: {error}") from None
    except RuntimeError as error:  # of a user without a home
        raise Unavailable(f"there is no place to keep it ({error}); set XDG_CACHE_HOME to a folder of yours") from None
    except subprocess.CalledProcessError as error:
        raise Unavailable(
            f"{SOURCE.name} could not be compiled with {shlex.join(command)}: {complaint(error)}"
        ) from None


def private_folder(folder: Path) -> Path:
    """`folder`, made where it is absent; afterwards nobody but this user can write into it, or look.

    Raises:
        Unavailable: where it belongs to another user.
        OSError: where it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if not (_trusted(found) and _trusted(folder.lstat())):
        raise Unavailable(
            f"{folder} belongs to another user, and what lies there would be executed; remove it, or set "
            "XDG_CACHE_HOME to a folder of yours"
        )
    if stat.S_IMODE(found.st_mode) & 0o022:  # whoever can write there could have put anything there
        for path in folder.glob("*.so"):
            path.unlink()
    if stat.S_IMODE(found.st_mode) & 0o077 and found.st_uid == _user():
        folder.chmod(0o700)
    return folder


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _trusted(found: os.stat_result) -> bool:
    """Whether a file or folder is this user's, or the system's."""
    return found.st_uid in (_user(), 0)


def _kept(folder: Path, stem: str) -> Path | None:
    """The layers as compiled before; None where there are none. Files that are not what they say are removed."""
    for path in sorted(folder.glob(f"{stem}-*.so")):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and _trusted(found) and not stat.S_IMODE(found.st_mode) & 0o022:
            with path.open("rb") as file:
                if path.name == _name(stem, hashlib.file_digest(file, "sha256").hexdigest()):
                    return path
        path.unlink()
    return None


def _name(stem: str, checksum: str) -> str:
    return f"{stem}-{checksum[:32]}.so"


def _fingerprint(command: Sequence[str], flags: Sequence[str]) -> str:
    """Of all that the compiled file depends on."""
    sources = [path.read_text("utf-8") for path in sorted(FOLDER.glob("*.[hc]*")) if path.suffix in (".h", ".cpp")]
    parts = "\n".join((*sources, shlex.join(command), *flags, platform.machine()))
    return hashlib.sha256(parts.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _compiled(command: Sequence[str], flags: Sequence[str], folder: Path, stem: str) -> Path:
    """Compile and link in a folder aside, then move into place, so that neither a power cut nor another process that
    does the same at once leaves anything half-written under the name."""
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        made, linked = Path(aside, "layers.o"), Path(aside, "layers.so")
        _call([*command, *flags, "-c", str(SOURCE), "-o", str(made)], aside)
        # Without a threading library of its own: PyTorch's is loaded already, and `torch.set_num_threads` sets it.
        _call([*command, "-shared", str(made), "-o", str(linked)], aside)
        linked.chmod(0o700)
        with linked.open("rb") as file:
            path = folder / _name(stem, hashlib.file_digest(file, "sha256").hexdigest())
            os.fsync(file.fileno())
        linked.replace(path)
        _sync(folder)
    return path


def _call(command: Sequence[str], folder: str) -> None:
    """A compiler's temporary files go into `folder`, too, where there is room for what it makes of them."""
    surroundings = {**os.environ, "TMPDIR": folder, "LC_ALL": "C"}
    subprocess.run(command, check=True, capture_output=True, text=True, errors="replace", env=surroundings)


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk, too; where folders can be opened so."""
    if hasattr(os, "O_DIRECTORY"):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


COMPLAINT = re.compile(r"error|fail|cannot|can't|could not|no space|denied|not found|unrecogni[sz]ed", re.IGNORECASE)


def complaint(error: subprocess.CalledProcessError) -> str:
    """What a compiler that failed says itself, on one line: from its first complaint on, as far as it can be shown."""
    lines = [" ".join(line.split()) for line in str(error.stderr or "").splitlines() if line.strip()]
    first = next((place for place, line in enumerate(lines) if COMPLAINT.search(line)), 0)
    said = "; ".join(lines[first : first + 3])[:400]
    if said and error.returncode > 0:
        return said
    how = f"signal {signal.Signals(-error.returncode).name}" if error.returncode < 0 else f"code {error.returncode}"
    return f"it ended with {how}{said and f': {said}'}"


@functools.cache
def why_unavailable() -> str | None:
    """Why the layers cannot be had on this machine; None where they can.

    Raises:
        ChoiceError: where they were asked for by name and cannot be had.
    """
    try:
        library()
    except Unavailable as error:
        return str(error)
    return None


@contextmanager
def settled() -> Iterator[None]:
    """Which layers this process takes, it decides once, and those that it starts meanwhile take the same or fail."""
    before: Mapping[str, str] = {CHOICE: os.environ[CHOICE]} if CHOICE in os.environ else {}
    os.environ[CHOICE] = "torch" if why_unavailable() else build()
    try:
        yield
    finally:
        del os.environ[CHOICE]
        os.environ.update(before)
