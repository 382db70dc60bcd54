"""What a process that works for another, or that draws, does first."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from multiprocessing.connection import wait


def follow_parent() -> None:
    """Leaves Ctrl-C to the parent, and ends this process at once when the parent is gone, however that ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


@contextmanager
def any_backend() -> Iterator[None]:
    """Import matplotlib inside: it refuses to be where MPLBACKEND names a window or notebook that is not installed, as
    Jupyter sets it for what it starts. We draw into files, which needs none."""
    wanted = os.environ.pop("MPLBACKEND", None)
    first = "matplotlib" not in sys.modules
    try:
        yield
    finally:
        if wanted is not None:
            os.environ["MPLBACKEND"] = wanted
            if first and "matplotlib" in sys.modules:
                with suppress(ValueError):  # whoever called us from a notebook goes on with what it has
                    sys.modules["matplotlib"].rcParams["backend"] = wanted


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
