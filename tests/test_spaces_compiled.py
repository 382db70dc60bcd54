"""The compiled layers are taken only as they were compiled here, for this user; else they are compiled anew."""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pandas as pd
import platformdirs
import pytest

from benchmark import workers
from benchmark.cli import main
from spaces import compiled, native
from spaces.compiled import CHOICE, ChoiceError, Unavailable

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ here")

SOURCE = 'extern "C" int answer() { return 42; }\n'

LEVEL = "none"
"""A build without a flag of its own, so that any processor takes it."""


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The folder of what is compiled, of a source that takes no time to compile."""
    (tmp_path / "layers.cpp").write_text(SOURCE)
    monkeypatch.setattr(compiled, "SOURCE", tmp_path / "layers.cpp")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv(CHOICE, raising=False)
    return tmp_path / "cache" / "replica-201"


def answer() -> int:
    return compiled._load(LEVEL).answer()


def calls_of_the_compiler(monkeypatch) -> list[list[str]]:
    calls, run = [], subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **given: calls.append(command) or run(command, **given))
    return calls


def the_file(cache: Path) -> Path:
    (path,) = cache.glob("*.so")
    return path


def test_what_is_compiled_is_kept_for_this_user_alone(cache, monkeypatch):
    calls = calls_of_the_compiler(monkeypatch)
    assert answer() == answer() == 42
    assert len(calls) == 2, "compiled and linked, once"
    assert [path.suffix for path in cache.iterdir()] == [".so"]
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert not stat.S_IMODE(the_file(cache).stat().st_mode) & 0o077


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        one_bit,
        a_link,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x7fELF" + b"\0" * 5000),
        lambda path: path.write_bytes(SOURCE.encode()),
        lambda path: path.chmod(0o777),
        lambda path: path.chmod(0o720),
    ],
    ids=["cut", "one bit", "link", "empty", "foreign", "text", "writable by all", "writable by the group"],
)
def test_a_file_that_is_not_what_was_compiled_is_compiled_anew(cache, monkeypatch, damage):
    # In processes of their own, since what a process has loaded stays loaded.
    script = (
        f"from pathlib import Path; from spaces import compiled; compiled.SOURCE = Path({str(compiled.SOURCE)!r}); "
        f"print(compiled._load({LEVEL!r}).answer())"
    )
    first = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    whole = the_file(cache).read_bytes()
    damage(the_file(cache))
    again = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert first.stdout == again.stdout == "42\n"
    path = the_file(cache)
    assert path.read_bytes() == whole and not path.is_symlink()
    assert not stat.S_IMODE(path.stat().st_mode) & 0o077


def test_nothing_is_taken_from_a_folder_that_others_can_write_into(cache, monkeypatch):
    assert answer() == 42
    path = the_file(cache)
    before = path.stat().st_ino
    cache.chmod(0o777)
    calls = calls_of_the_compiler(monkeypatch)
    assert answer() == 42
    assert len(calls) == 2 and the_file(cache).stat().st_ino != before
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_a_folder_that_others_can_read_is_closed_and_gone_on_with(cache, monkeypatch):
    assert answer() == 42
    cache.chmod(0o755)
    calls = calls_of_the_compiler(monkeypatch)
    assert answer() == 42
    assert not calls and stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_a_file_or_folder_of_another_user_is_never_loaded(cache, monkeypatch):
    assert answer() == 42
    monkeypatch.setattr(compiled, "_trusted", lambda found: not stat.S_ISREG(found.st_mode))
    calls = calls_of_the_compiler(monkeypatch)
    assert answer() == 42
    assert len(calls) == 2
    monkeypatch.setattr(compiled, "_trusted", lambda found: False)
    with pytest.raises(Unavailable, match=r"belongs to another user.* set XDG_CACHE_HOME to a folder of yours"):
        answer()


def test_whose_a_file_is():
    mine, roots = Path(sys.executable).stat(), Path("/").stat()
    assert compiled._trusted(roots)
    values = list(mine)
    values[4] = compiled._user() + 1
    assert not compiled._trusted(os.stat_result(values))
    values[4] = compiled._user()
    assert compiled._trusted(os.stat_result(values))


def test_content_and_name_are_on_the_disk_before_and_after_the_renaming(cache, monkeypatch):
    done, fsync, replace = [], os.fsync, Path.replace

    def fsynced(file):
        done.append(str(Path(f"/proc/self/fd/{file}").readlink()))
        fsync(file)

    monkeypatch.setattr(os, "fsync", fsynced)
    monkeypatch.setattr(Path, "replace", lambda path, to: done.append("renamed") or replace(path, to))
    assert answer() == 42
    content, renamed, folder = done
    assert content.endswith("layers.so") and (renamed, folder) == ("renamed", str(cache))


def test_what_was_loaded_elsewhere_and_not_here_is_compiled_anew(cache, monkeypatch):
    """As by another machine that has the same home."""
    folder = compiled.private_folder(cache)
    stem = f"layers-{compiled._fingerprint(['g++'], (*compiled.FLAGS, '-fopenmp'))}"
    (cache / "other.so").write_bytes(b"of another machine")
    checksum = hashlib.sha256(b"of another machine").hexdigest()
    (cache / "other.so").chmod(0o700)
    (cache / "other.so").rename(folder / compiled._name(stem, checksum))
    assert answer() == 42


@pytest.mark.parametrize("command", ["{} -O2", "'{}'", "env {}", "{} -DNAME='a b'"])
def test_cxx_is_a_command(cache, monkeypatch, command):
    monkeypatch.setenv("CXX", command.format(shutil.which("g++")))
    calls = calls_of_the_compiler(monkeypatch)
    assert answer() == 42
    words = compiled.compiler()
    assert all(call[: len(words)] == words for call in calls)
    if "NAME" in command:
        assert words[-1] == "-DNAME=a b"


def test_cxx_that_is_no_command_is_said(cache, monkeypatch):
    monkeypatch.setenv("CXX", "g++ '")
    with pytest.raises(Unavailable, match=r"CXX=g\+\+ ' is no command \(No closing quotation\)"):
        answer()


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "compiler"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("compiler", "said"),
    [
        ("echo 'In file included from x:'; echo \"x.h:3: error: 'y' is unknown\" >&2; exit 1", "x.h:3: error: 'y' is"),
        (
            "printf 'c.s: Assembler messages:\\nc.s: Fatal error: No space left on device\\n' >&2; exit 1",
            "Fatal error: No space left on device",
        ),
        (
            "printf 'ld: final link failed: No space left on device\\ncollect2: error: ld returned 1\\n' >&2; exit 1",
            "ld: final link failed: No space left on device; collect2: error: ld returned 1",
        ),
        ("echo 'licence is over' >&2; exit 3", "compiler: licence is over"),
        ("exit 7", "it ended with code 7"),
        ("kill -9 $$", "it ended with signal SIGKILL"),
        ("printf 'error: \\377\\376' >&2; exit 1", "error: \N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_compiler_that_fails_is_quoted(cache, tmp_path, monkeypatch, compiler, said):
    monkeypatch.setenv("CXX", script(tmp_path, compiler))
    with pytest.raises(Unavailable) as refused:
        answer()
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not list(cache.iterdir()), "nothing is left behind"


def test_a_cache_that_cannot_be_written_to_is_said(cache, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(Unavailable, match=r"could not be compiled with g\+\+: .*Not a directory"):
        answer()


def test_layers_that_were_asked_for_by_name_are_had_or_the_command_ends(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", script(tmp_path, "exit 7"))
    monkeypatch.setenv(CHOICE, "v3")
    monkeypatch.setattr(compiled, "processor_features", lambda: compiled.BUILDS["v3"])
    monkeypatch.setattr(compiled, "build", compiled.build.__wrapped__)
    with pytest.raises(ChoiceError, match=f"{CHOICE}=v3 cannot be had: .*ended with code 7; mend that"):
        compiled.library.__wrapped__()


@pytest.fixture
def short_report(monkeypatch):
    monkeypatch.setattr("reports.write.PLOTS", ("cost",))
    monkeypatch.setattr("benchmark.settings.cores", lambda: 1)


RUN = ["run", "--methods", "darts", "--preset", "smoke", "--epochs", "2", "--out"]


def test_workers_take_the_layers_of_their_command_or_fail(tmp_path, capsys, monkeypatch, short_report):
    """What was compiled is gone from the cache, and the compiler fails, when the workers look."""
    given = [*RUN, str(tmp_path / "out"), "--seeds", "2", "--jobs", "2"]
    assert compiled.why_unavailable() is None  # what this process has loaded, it keeps
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        patch.setenv("CXX", script(tmp_path, "echo 'error: no licence left' >&2; exit 1"))
        assert main(given) == 1
    error = capsys.readouterr().err
    assert "a process of this command cannot take the layers that it began with" in error
    assert "no licence left" in error and error.count("\n") == 1
    assert not (tmp_path / "out" / "runs.csv").exists()
    assert CHOICE not in os.environ
    assert main(given) == 0
    assert pd.read_csv(tmp_path / "out" / "runs.csv").device.tolist() == ["CPU", "CPU"]


def test_workers_of_a_command_without_compiled_layers_have_none(tmp_path, monkeypatch, short_report):
    """The compiler fails once, for the command itself; its workers would find what they need."""
    monkeypatch.setattr(compiled, "why_unavailable", lambda: "the compiler failed")
    monkeypatch.setattr(workers, "settled", compiled.settled)
    assert main([*RUN, str(tmp_path), "--seeds", "2", "--jobs", "2"]) == 0
    assert pd.read_csv(tmp_path / "runs.csv").device.tolist() == ["CPU with PyTorch's layers"] * 2
    assert "Not all rows" not in (tmp_path / "summary.md").read_text()


def test_rows_made_by_other_layers_are_told_apart(tmp_path, monkeypatch, short_report):
    """A folder with both, and a run that went on with others than it began with."""

    def stopping(*given):
        raise KeyboardInterrupt

    run = [*RUN, str(tmp_path), "--jobs", "1"]
    with monkeypatch.context() as patch:
        patch.setattr("benchmark.runner.Event", stopping)  # after the first checkpoint
        assert main([*run, "--seeds", "1"]) == 130
    with monkeypatch.context() as patch:
        patch.setattr(native, "why_unavailable", lambda: "PyTorch's are wanted")
        assert main([*run, "--seeds", "1"]) == 0
    assert pd.read_csv(tmp_path / "runs.csv").device.tolist() == ["CPU / CPU with PyTorch's layers"]
    assert "**Not all rows were made alike** (device)" in (tmp_path / "summary.md").read_text()
    assert main([*run, "--seeds", "2"]) == 0
    assert pd.read_csv(tmp_path / "runs.csv").device.tolist() == ["CPU / CPU with PyTorch's layers", "CPU"]
    assert "**Not all rows were made alike** (device)" in (tmp_path / "summary.md").read_text()
    assert "Not all rows were made alike" in (tmp_path / "report.html").read_text()


def test_a_truncated_library_is_no_end_of_later_runs(tmp_path):
    """The real layers: loaded as they lay there, they ended the process by SIGBUS."""
    script = (
        "import torch; from spaces import native; from spaces.nasbench201.supernet import Supernet; "
        "net = Supernet(4, 1, 10, torch.Generator().manual_seed(0)); "
        "print(net(torch.ones(4, 3, 8, 8), torch.full((6, 5), 0.2)).isfinite().all().item(), native.why_unavailable())"
    )
    assert native.why_unavailable() is None
    kept = platformdirs.user_cache_path("replica-201", appauthor=False)
    shutil.copytree(kept, tmp_path / "replica-201")
    for path in (tmp_path / "replica-201").glob("*.so"):
        os.truncate(path, 4096)
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "True None\n")
