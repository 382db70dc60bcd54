"""Files land whole, and the folder is where the user said."""

import hashlib
import threading
from pathlib import Path

import pytest

from data.folder import DataError, checksum, data_folder, make_folder, write_atomically


def test_the_folder_is_the_argument_else_the_environment_else_the_platforms(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCHMARK_DATA", str(tmp_path / "from environment"))
    assert data_folder(tmp_path / "chosen") == tmp_path / "chosen"
    assert data_folder() == tmp_path / "from environment"
    monkeypatch.setenv("BENCHMARK_DATA", "")
    assert data_folder().name == "replica-201"


def test_a_tilde_in_the_folder_is_the_home(monkeypatch):
    assert data_folder(Path("~/x")) == Path.home() / "x"


def test_written_bytes_are_there_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "file"
    write_atomically(path, b"one")
    write_atomically(path, memoryview(b"two"))
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_no_remains(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(DataError, match=r"No space left on device.*free some space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_readers_see_whole_files_only_while_writers_race(tmp_path):
    path = tmp_path / "file"
    contents = [bytes([i]) * 200_000 for i in range(4)]
    write_atomically(path, contents[0])
    writers = [threading.Thread(target=write_atomically, args=(path, content)) for content in contents * 5]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/below cannot be made .*--data-dir or BENCHMARK_DATA"):
        make_folder(tmp_path / "file" / "below")


def test_the_checksum_is_that_of_the_content(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    assert checksum(tmp_path / "file") == hashlib.sha256(b"content").hexdigest()
    assert checksum(tmp_path / "file", "md5") == hashlib.md5(b"content").hexdigest()
