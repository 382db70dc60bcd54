"""The user's data folder, and how files land in it: whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

Progress = Callable[[str, int, int], None]
"""Called as (what is being done, units done, units in all); 0 in all means not known."""


class DataError(Exception):
    """A data file is absent, damaged or not what it claims to be; the message says in one sentence what to do."""


def data_folder(chosen: Path | None = None) -> Path:
    """The folder of downloaded and imported data: `chosen`, else `$BENCHMARK_DATA`, else the platform's own place.

    The folder need not exist yet; whatever writes into it makes it.

    Raises:
        DataError: where no folder can be called so.
    """
    if chosen is None:
        if not (from_environment := os.environ.get("BENCHMARK_DATA")):
            import platformdirs  # as `secrets` below: an import takes longer than a query that needs none

            try:
                return platformdirs.user_data_path("replica-201", appauthor=False)
            except RuntimeError:  # a user without a home, as in some containers
                raise DataError(
                    "there is no home folder to keep data in; choose a folder with --data-dir or BENCHMARK_DATA"
                ) from None
        chosen = Path(from_environment)
    try:
        folder = chosen.expanduser()
        folder.exists()
    except (OSError, RuntimeError) as error:  # a name that is too long, or of a user who does not exist
        raise DataError(
            f"the data folder {str(chosen)[:200]} cannot be used ({getattr(error, 'strerror', error)}); "
            "choose another with --data-dir or BENCHMARK_DATA"
        ) from error
    return folder


def make_folder(folder: Path) -> Path:
    """`folder`, made if absent.

    Raises:
        DataError: where it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the folder {folder} cannot be made ({error.strerror}); choose another (for data, with --data-dir or "
            "BENCHMARK_DATA)"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(
            f"the folder {folder} cannot be written to; choose another (for data, with --data-dir or BENCHMARK_DATA)"
        )
    return folder


def refuse_link(folder: Path) -> None:
    """
    Raises:
        DataError: where a folder that is ours to write into is a link, and leads to files of somebody else's.
    """
    try:
        is_link = folder.is_symlink()
    except OSError:  # a name that the system does not allow is no link
        return
    if is_link:
        raise DataError(
            f"{folder} is a link, and files where it leads to would be overwritten; remove the link, or choose another "
            "folder"
        )


def as_text(name: str) -> str:
    """The name of a file as text that every file and terminal takes; bytes that are no UTF-8 as `\\xff`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_there(path: Path) -> bool:
    """Whether there is a file or folder of that name; a name that the system does not allow is nobody's."""
    try:
        return path.exists()
    except OSError:
        return False


def read_small(path: Path, most: int) -> bytes:
    """The content of a file that is known to be small, so that no other fills the memory.

    Raises:
        OSError: where it cannot be read.
        DataError: where it has more than `most` bytes.
    """
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise DataError(f"{path} is larger than any file of its kind ({most:,} bytes): give the right file")
    return content


PARTIAL = ".partial"
"""How the names of half-written files end."""


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write `content` to `path` so that a reader, or a crash, sees the old file or the new one and nothing between.

    Raises:
        DataError: where the folder of `path` cannot be written to or the disk is full.
    """
    import secrets

    make_folder(path.parent)
    # In the same folder, since a rename is atomic only within one file system.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); free some space or choose another folder"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def remove_partial_files(folder: Path) -> None:
    """Removes what `write_atomically` leaves in `folder` when its process is killed; nobody may be writing there."""
    for path in folder.glob(f".*{PARTIAL}"):
        if re.search(r"\.[0-9a-f]{8}" + re.escape(PARTIAL), path.name):  # ours, and nobody else's
            path.unlink(missing_ok=True)


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """The hash of a file's content as lower-case hex, by any algorithm that `hashlib` knows."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
