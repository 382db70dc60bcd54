"""Fetching one file over HTTP: resumed where it broke off, and under its name only once its checksum is right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from data.folder import DataError, Progress, make_folder

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS = 5.0
"""A site that has not answered by then counts as out of reach."""

READ_SECONDS = 30.0

_CHUNK = 1 << 18  # bytes

MOST_BYTES = 6 * 10**9
"""More than anything fetched here has: a site that sends on and on would fill the disk."""


class Unreachable(DataError):
    """The site cannot be reached from here or does not hand the file out."""


def fetch(url: str, known_hash: str, target: Path, progress: Progress | None = None) -> None:
    """Download `url` to `target`, unless a file with the right checksum is there already.

    What had arrived before an interruption is kept beside `target` as `NAME.part` and is not fetched again.

    Args:
        known_hash: `algorithm:hex`, for instance `md5:c32a…`.
        progress: called with the file's name and bytes.

    Raises:
        Unreachable: where the site does not answer within some seconds, answers with an error, or breaks off.
        DataError: where what it sent is not the file expected.
    """
    import pooch  # with requests beneath it, too slow to import for a program that mostly has its files already
    from filelock import FileLock

    make_folder(target.parent)
    partial = target.with_name(f"{target.name}.part")

    def download(url: str, output_file: str, pooch: object) -> None:
        _resume(url, partial, target.name, progress)
        partial.replace(output_file)

    pooch.get_logger().setLevel("ERROR")  # its news would break into the progress display
    # One process at a time: a second one waits here and then finds the file.
    with FileLock(target.with_name(f".{target.name}.lock")):
        try:
            pooch.retrieve(url, known_hash, fname=target.name, path=target.parent, downloader=download)
        except ValueError as error:  # pooch's word for a wrong checksum
            raise DataError(
                f"{url} sent something other than {target.name} (wrong checksum); try again later"
            ) from error
        except OSError as error:
            raise DataError(
                f"{target} cannot be written ({error.strerror}); move what lies there, or choose another folder"
            ) from error


def _resume(url: str, partial: Path, name: str, progress: Progress | None) -> None:
    """Append to `partial` what is still missing of `url`."""
    import requests

    if partial.is_symlink():
        partial.unlink()  # what arrives is written into this folder, wherever a link leads
    have = partial.stat().st_size if partial.exists() else 0
    # Compressed on the way, the bytes would not be the file's own and could not be counted.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                return  # all of it had arrived; the checksum decides
            answer.raise_for_status()
            if answer.headers.get("Content-Type", "").startswith("text/html"):
                # Google Drive does so when too many ask for a file; writing it down would spoil what had arrived.
                raise Unreachable(f"{url} answers with a web page in place of the file")
            if have and not _continues(answer.headers.get("Content-Range", ""), answer.status_code, have):
                have = 0
            total = have + _length(answer.headers.get("Content-Length", ""))
            answer.raw.enforce_content_length = False  # counted below; by itself it would drop the last piece to arrive
            with partial.open("ab" if have else "wb") as file:
                for chunk in answer.iter_content(_CHUNK):
                    file.write(chunk)
                    have += len(chunk)
                    if have > MOST_BYTES:
                        partial.unlink()
                        raise DataError(f"{url} sends more than {name} can have; try again later")
                    if progress:
                        progress(name, have, total)
            if have < total:
                raise Unreachable(
                    f"{url} broke off after {have:,} of {total:,} bytes; the same command goes on from there"
                )
    except requests.RequestException as error:
        raise Unreachable(f"{url} cannot be fetched: {_reason(error)}") from error
    except OSError as error:
        raise DataError(
            f"{partial} cannot be written ({error.strerror}); free some space or choose another folder"
        ) from error


def _length(text: str) -> int:
    """Bytes to come, by what the site says; 0 where it says nothing that can be understood."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0


def _continues(content_range: str, status: int, have: int) -> bool:
    return status == 206 and re.match(rf"bytes {have}-", content_range) is not None


def _reason(error: requests.RequestException) -> str:
    """What went wrong in a few words, without the layers of the library's own message."""
    if error.response is not None:
        return f"the site answers {error.response.status_code} {error.response.reason}"
    if "Timeout" in type(error).__name__:
        return "the site does not answer in time"
    return "there is no connection to the site"
