"""What `--out` names, made and found writable before any work begins."""

from __future__ import annotations

import os
from pathlib import Path

from benchmark.errors import SettingsError


def make_out_folder(folder: Path) -> None:
    """
    Raises:
        SettingsError: where the folder cannot be made or written to.
    """
    _make(folder, folder, "folder")
    if not _writable(folder):
        raise SettingsError(f"--out {folder} cannot be written to; choose another folder")


def check_out_file(path: Path) -> None:
    """Make the folder of a file that is yet to be written.

    Raises:
        SettingsError: where the file cannot be written.
    """
    _make(path.parent, path, "file")
    if path.is_dir() or not _writable(path.parent):
        raise SettingsError(f"--out {path} cannot be written; choose another file")


def _make(folder: Path, named: Path, kind: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        named.is_dir()  # a name that is too long
    except OSError as error:
        raise SettingsError(f"--out {named} cannot be made ({error.strerror}); choose another {kind}") from None


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)
