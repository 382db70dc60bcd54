"""Pickles that would run a command, and small files that unfold to gigabytes, in every place a file is read from."""

import bz2
import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hostile import answer, contents, damaged

from data.analognas import find_file
from spaces import Cell

ROOT = Path(__file__).parents[1]
TEXT = str(Cell((1, 0, 3, 0, 0, 1)))


@pytest.fixture
def imported(tmp_path):
    """`imported(file)`: it is refused, and leaves nothing."""

    def check(path):
        code, said = answer("data", "import", str(path), "--data-dir", str(tmp_path / "data"))
        assert code == 2, said
        assert not (tmp_path / "data").exists()

    return check


def pbz2(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bz2.compress(content, 1))


def hold(marker):
    """Pickles that would make the file `marker`, each in a way of its own."""
    touch, write = f"touch {marker}", f"open({str(marker)!r}, 'w')"

    class Call:
        def __init__(self, *call):
            self.call = call

        def __reduce__(self):
            return self.call

    for protocol in range(6):
        yield pickle.dumps({"arch2infos": Call(os.system, (touch,))}, protocol)
        yield pickle.dumps([Call(eval, (write,))], protocol)
        yield pickle.dumps(Call(exec, (write,)), protocol)
        yield pickle.dumps(Call(subprocess.Popen, (["touch", str(marker)],)), protocol)
        yield pickle.dumps(Call(getattr, (Call(__import__, ("os",)), "system")), protocol)
        yield pickle.dumps(Call(np.fromfile, (str(marker),)), protocol)
    text = b"X" + struct.pack("<I", len(write)) + write.encode()
    yield b"(" + text + b"ibuiltins\neval\n."
    yield b"(cbuiltins\neval\n" + text + b"o."
    yield b"\x80\x02cbuiltins\neval\n" + text + b"\x85\x81."
    yield b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93" + text + b"\x85R."
    yield b"\x80\x02ccollections\nOrderedDict\n)R}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsbX"
    yield b"\x80\x02cnumpy.core.multiarray\nscalar.__globals__\n" + text + b"\x85R."
    yield b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__\x93" + text + b"\x85R."
    yield b"c_codecs\nencode\n(" + text + b"Vrot13\ntR."
    yield b"\x80\x02\x82\x01."
    yield b"Pos.system\n."


def torch_zip(content, name="archive/data.pkl", method=zipfile.ZIP_STORED):
    """A zip as `torch.save` makes it, around any content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, content)
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def test_no_pickle_runs_anything_wherever_it_lies(imported, tmp_path, monkeypatch):
    marker = tmp_path / "ran"
    data_file = tmp_path / "data.anb"
    monkeypatch.setattr("data.analognas.find_file", lambda: data_file)
    for content in hold(marker):
        (tmp_path / "legacy.pth").write_bytes(content)
        imported(tmp_path / "legacy.pth")
        (tmp_path / "zip.pth").write_bytes(torch_zip(content))
        imported(tmp_path / "zip.pth")
        pbz2(tmp_path / "NATS" / "000000.pickle.pbz2", content)
        imported(tmp_path / "NATS")
        data_file.write_bytes(content)
        code, said = answer("query", TEXT, "--truth", "analognas")
        assert code == 2 and "data.anb is truncated or not that of analog-nasbench" in said
        assert not marker.exists()


def test_the_table_that_is_installed_is_believed_only_as_it_was_published(tmp_path, monkeypatch):
    data_file = tmp_path / "data.anb"
    monkeypatch.setattr("data.analognas.find_file", lambda: data_file)
    assert answer("query", TEXT, "--truth", "analognas")[0] == 2
    for content in damaged(find_file().read_bytes()[:200_000], 20):
        data_file.write_bytes(content)
        assert answer("query", TEXT, "--truth", "analognas")[0] == 2


def bombs(folder):
    """Small files that unfold to gigabytes, or to as much work, by whatever reads them trustingly."""
    items = b"(" + b"".join(b"J" + struct.pack("<i", number) for number in range(50_000)) + b"e"
    copies = b"]q\x01" + items + b"h\x00h\x01\x85R" * 20_000 + b"."
    text = b"X" + struct.pack("<I", 1_000_000) + b"a" * 1_000_000
    doubled = b"".join(b"h%ch%c\x86q%c" % (number, number, number + 1) for number in range(60))
    pickles = {
        "deep": b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.",  # a key of tuples in tuples
        "laughs": b"\x80\x02)q\x00" + doubled + b"}h\x3cK\x01s.",  # a key of 2⁶⁰ tuples
        "sets": b"\x80\x02c__builtin__\nset\nq\x00" + copies,
        "dicts": b"\x80\x02ccollections\nOrderedDict\nq\x00" + copies,
        "bytes": b"\x80\x02c_codecs\nencode\nq\x00"
        + text
        + b"q\x01X\x06\0\0\0latin1q\x02"
        + b"h\x00h\x01h\x02\x86R" * 10_000,
        "memo": b"\x80\x02]r\xff\xff\xff\x3f.",
        "memo-0": b"]p1073741823\n.",
        "text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"x.",
        "text-4": b"\x80\x02X\xff\xff\xff\xffx.",
        "bytes-8": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 33) + b"x.",
        "bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 33) + b"x.",
        "long": b"\x80\x02\x8b" + struct.pack("<i", (1 << 31) - 1) + b"\x01.",
        "frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.",
        "endless-name": b"\x80\x02ccollections\nOrderedDictX",
        "nested": b"\x80\x02" + b"(" * 300_000,
        "lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    }
    for name, content in pickles.items():
        (folder / f"{name}.pth").write_bytes(content)
        (folder / f"{name}-zip.pth").write_bytes(torch_zip(content))
        pbz2(folder / f"{name}-NATS" / "000000.pickle.pbz2", content)
    zeros = bytes(1 << 26)
    with zipfile.ZipFile(folder / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", zeros * 4)
    (folder / "bomb-NATS").mkdir()
    stream = bz2.compress(zeros)  # some bytes
    (folder / "bomb-NATS" / "000000.pickle.pbz2").write_bytes(stream * 40)
    (folder / "table.csv").write_bytes(b"arch," + b"x" * (1 << 24))
    return sorted(path for path in folder.iterdir())


def test_bombs_are_refused_in_little_memory(tmp_path):
    folder = tmp_path / "bombs"
    folder.mkdir()
    paths = bombs(folder)
    assert sum(len(content) for content in contents(folder).values()) < 60e6
    script = (
        "import re, resource, sys; sys.path.insert(0, 'tests'); from hostile import answer\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "for path in sys.argv[2:]: assert answer('data', 'import', path, '--data-dir', sys.argv[1])[0] == 2, path\n"
        # Not what getrusage says, which counts the memory of the process that this one was forked from.
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "data"), *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    assert int(done.stdout) < 800_000  # kilobytes
    assert not (tmp_path / "data").exists()
