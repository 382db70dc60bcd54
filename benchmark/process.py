"""What a process meets from outside: signals, outputs that are closed or full, and the system's limits."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

FILES = 1024
"""Files that a command may have open at once, where the system lets it ask for so many: ten a worker process."""

ADVICE = {
    errno.EMFILE: "more files are open than this process may have; raise the limit (ulimit -n 1024)",
    errno.ENFILE: "more files are open than this machine allows; end other programs",
    errno.EAGAIN: "the system starts no more processes or threads; raise the limit (ulimit -u), or lower --jobs",
    errno.ENOMEM: "memory ran out; lower --jobs, or make networks or batches smaller",
}
"""What to do about limits of the system."""

NO_THREAD = "can't start new thread"
"""What Python says where the system starts no more threads."""


def limit_reached(error: BaseException) -> str | None:
    """What to do, where an error says that a limit of the system was reached; None for any other."""
    if isinstance(error, MemoryError):
        return ADVICE[errno.ENOMEM]
    if isinstance(error, RuntimeError) and str(error) == NO_THREAD:
        return ADVICE[errno.EAGAIN]
    return ADVICE.get(error.errno or 0) if isinstance(error, OSError) else None


class Outlet:
    """A stream of text that goes on where nothing can be written any more; `error` says then why."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """As of a text file; what cannot be written is dropped."""
        if self.error is None:
            try:
                return self.stream.write(text)
            except OSError as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """As of a text file."""
        if self.error is None:
            try:
                self.stream.flush()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.error = error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.stream.fileno())  # what is left in its buffer goes there at the end
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def outlets() -> Iterator[tuple[Outlet | None, Outlet | None]]:
    """Standard output and error, such that a reader who is gone or a full disk behind them stops nothing; None for one
    that is not the system's."""
    for descriptor in range(3):  # one that is closed would be given to the next file that is opened
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    found: list[Outlet | None] = []
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            stream = io.TextIOWrapper(io.FileIO(descriptor, "w", closefd=False), encoding="utf-8")
        if isinstance(stream, io.TextIOWrapper):
            # For names of files that are no text, and terminals without β.
            stream.reconfigure(errors="backslashreplace")
            found.append(Outlet(stream))
            setattr(sys, name, found[-1])
        else:
            found.append(None)
    try:
        yield found[0], found[1]
    finally:
        for outlet in found:
            if outlet:
                outlet.flush()
        sys.stdout, sys.stderr = before


def allow_files() -> None:
    """Have as many files open as the system lets this process ask for, up to `FILES`."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a cluster sends it before it takes the machine away."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; a method that raises KeyboardInterrupt itself does not stop the others."""


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends what is inside as Ctrl-C does, so that nothing half-written and no worker is left."""

    def terminate(*_: object) -> None:
        raise Terminated

    def interrupt(*_: object) -> None:
        raise Interrupted

    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, terminate)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it was asked to be left alone
        before[signal.SIGINT] = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
