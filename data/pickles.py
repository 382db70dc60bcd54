"""Reading pickles of unknown honesty: only named classes come in, everything else is refused and never run."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from data.folder import DataError


def load_pickle(file: IO[bytes], what: str, admitted: Mapping[str, Any], encoding: str = "ASCII") -> Any:
    """The object pickled in `file`, whose hash should be known: nothing of it is run, but `pickle` can be made to fill
    the memory or to end the process (`data.pickle_stream` cannot).

    Args:
        what: the file's name, for messages.
        admitted: for each dotted name that the file may mention, what stands in for it here.
        encoding: of the 8-bit strings in pickles written by Python 2.

    Raises:
        DataError: where the file mentions any other name, without having imported or called it, or is damaged.
    """
    collecting = gc.isenabled()
    gc.disable()  # a million new objects and no garbage among them: the collector doubles the time
    try:
        return _Restricted(file, what, admitted, encoding).load()
    except DataError:
        raise
    except MemoryError:
        raise DataError(f"{what} cannot be read, since memory ran out: give this program more") from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise DataError(f"{what} is damaged or not a pickle ({type(error).__name__}): get the file again") from error
    finally:
        if collecting:
            gc.enable()


class _Restricted(pickle.Unpickler):
    def __init__(self, file: IO[bytes], what: str, admitted: Mapping[str, Any], encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self._what = what
        self._admitted = admitted

    def find_class(self, module: str, name: str) -> Any:
        dotted = f"{module}.{name}"
        if dotted not in self._admitted:
            raise DataError(
                f"{self._what} asks for {dotted}, which has no place in it, and was not loaded: do not trust it"
            )
        return self._admitted[dotted]


def latin1(text: str, encoding: str) -> bytes:
    """Stands in for `_codecs.encode`, by which Python 3 writes bytes into pickles that Python 2 can read.

    Raises:
        DataError: for any other encoding, since looking one up imports a module.
    """
    if encoding != "latin1":
        shown = repr(encoding)[:20] if isinstance(encoding, str) else "that is no text"
        raise DataError(f"a pickle asks for the encoding {shown}, which has no place in it: do not trust the file")
    return text.encode("latin1")


_rebuild_array = np.empty(0).__reduce__()[0]  # NumPy's own function, which it gives no public name

ARRAY_CLASSES: Mapping[str, Any] = {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "_codecs.encode": latin1,
    "numpy.core.multiarray._reconstruct": _rebuild_array,
    "numpy._core.multiarray._reconstruct": _rebuild_array,  # as it is called since NumPy 2
}
"""What a pickle of plain NumPy arrays, lists and dicts mentions."""
